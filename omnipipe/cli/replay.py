"""`replay`: send again what was given up."""

from typing import Annotated

import typer

from omnipipe.cli.console import AtGoogle, console, print_json, progress, say_here


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter of the webhook.")] = False,
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Send dead letters of the webhook again, as long as their figures are still what they were.

    Also has a receiver asked again that had said it is gone (410). Exits with 1 when something was not sent, and says
    why; nothing is lost by that.
    """
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError

    if bool(ids) is everything:
        raise LaptopError(
            'give the ids of dead letters, or --all: omnipipe sql "SELECT dead_letter_id, reason FROM '
            "ops.dead_letters WHERE origin = 'webhook'\""
        )
    wanted = "all" if everything else ids or []
    if stack is not None:
        from omnipipe.cli import at_google

        return at_google.replay(at_google.stack_of(stack, quiet=as_json), wanted, as_json=as_json)
    cloud = access.running_cloud()
    say_here(cloud.home.stack, quiet=as_json)
    with progress("Sending again", quiet=as_json):
        workflow = cloud.declaration.of_command("run", "workflow")["workflow"]
        # The workflow is asked, as on Google: the function takes no calls from outside.
        execution = access.run_workflow(cloud, workflow, {"replay": wanted})
        answer = access.answer_of(execution)
    if as_json:
        print_json(answer)
    else:
        console.print(f"{answer['message']}.")
    return None
