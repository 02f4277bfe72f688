"""`deliveries`: what the webhook's receiver has got on this machine."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnipipe.cli.console import print_json, progress, say
from omnipipe.cli.records import table

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


def deliveries(
    last: Annotated[int, typer.Option("--last", "-n", help="How many of the newest messages.", min=1)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what the webhook's receiver has got on this machine: the newest messages, and how many in all."""
    from omnipipe.laptop import access

    with progress("Asking the receiver", quiet=as_json):
        summary, messages = received(access.running_cloud(), last)
    if as_json:
        print_json({**summary, "messages": messages})
        return
    table(
        ("received", "type", "key", "data"),
        [
            (
                message["received_at"][:19].replace("T", " "),
                message["body"]["type"],
                f"{message['body']['data'].get('city')}/{message['body']['data'].get('day')}",
                message["body"]["data"],
            )
            for message in messages
        ],
    )
    say(
        f"{summary['received']:,} messages, {summary['repeats']:,} repeats dropped, {summary['rejected']:,} rejected"
    )


def received(cloud: "Cloud", last: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the webhook's receiver counts, and its newest messages, the oldest of them first, with parsed bodies.

    Raises LaptopError when it does not answer.
    """
    import requests

    from omnipipe.laptop import access, outside_world
    from omnipipe.laptop.errors import LaptopError

    simulator = cloud.declaration.of_command("deliveries", "simulator")["simulator"]
    url = f"{outside_world.address(cloud, simulator)}/received"
    try:
        summary = requests.get(url, timeout=5).json()
        newest = (summary["latest"] or {}).get("number", 0)
        found: list[dict[str, Any]] = []
        while page := requests.get(
            f"{url}/messages", {"after": found[-1]["number"] if found else max(0, newest - last)}, timeout=5
        ).json()["messages"]:
            found += page
    except requests.RequestException as error:
        access.require_whole(cloud)
        raise LaptopError("the webhook's receiver does not answer: `omnipipe logs` may say why") from error
    return summary, [message | {"body": json.loads(message["body"])} for message in found[-last:]]
