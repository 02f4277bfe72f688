"""The command ``omnipipe``. Commands import what they need when they run, so that ``--help`` is quick."""

import gc
import os
from typing import Annotated

import typer

from omnipipe.cli import (
    bootstrap,
    cloud,
    comment,
    debug,
    deliveries,
    demo,
    doctor,
    environment,
    idle,
    logs,
    proxy,
    query,
    rehearse,
    replay,
    runs,
    sources,
    status,
    tools,
    workflow,
)
from omnipipe.cli.console import fail


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"omnipipe {version('omnipipe')}")
        raise typer.Exit


app = typer.Typer(
    help="A Google Cloud data platform as one Pulumi program, run on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _omnipipe(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """A Google Cloud data platform as one Pulumi program, run on this machine."""


app.command()(cloud.up)
app.command()(cloud.preview)
app.command()(cloud.down)
app.command()(rehearse.rehearse)
app.command()(comment.comment)
app.command()(status.status)
app.command()(sources.seed)
app.command()(sources.traffic)
app.command()(runs.run)
app.command()(runs.probe)
app.command()(replay.replay)
app.command()(query.sql)
app.command()(query.tables)
app.command()(query.describe)
app.command()(logs.logs)
app.command()(deliveries.deliveries)
app.command()(tools.job)
app.command()(debug.debug)
app.command()(environment.env)
app.command()(proxy.proxy)
app.command(context_settings=tools.PASSED_ON)(tools.dbt)
app.command()(idle.idle)
app.command()(bootstrap.bootstrap)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.add_typer(workflow.app, name="workflow")


def main() -> None:
    """Run the command. What a user can mend is told in one line, with exit code 1."""
    from omnipipe.laptop.errors import LaptopError

    # The Pulumi SDK makes very many objects that live until the end: with Python's own thresholds, looking for
    # garbage among them takes a third of `up`.
    gc.set_threshold(100_000, 50, 1000)
    # The SDK's gRPC would say on stderr that its threads do not follow a fork: what is forked here is replaced at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # A proxy of the user's is for the outside world; what runs on this machine inherits it with this exception.
    for name in ("NO_PROXY", "no_proxy"):
        # Each once, also below another `omnipipe`: what runs with another environment is started anew.
        hosts = [*filter(None, os.environ.get(name, "").split(",")), "127.0.0.1", "localhost"]
        os.environ[name] = ",".join(dict.fromkeys(hosts))
    try:
        app()
    except LaptopError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted", code=130)
    finally:
        gc.freeze()  # nor is there any to look for when the process ends
