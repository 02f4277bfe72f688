"""`omnipipe workflow`: run Cloud Workflows files on the laptop's interpreter.

What takes time to load is imported when a command runs, so that `omnipipe --help` stays fast.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from omnipipe.cli.console import progress

app = typer.Typer(no_args_is_help=True, help="Run Cloud Workflows files on this machine.")


@app.callback()
def _group() -> None:
    """Run Cloud Workflows files on this machine."""  # a callback, so that Typer keeps `run` as a subcommand


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A workflow in YAML or JSON.")],
    data: Annotated[str, typer.Option(help="The runtime arguments, as JSON.")] = "null",
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="What sys.get_env reads. May be repeated.")
    ] = None,
) -> None:
    """Run a workflow file: its result as JSON on stdout, its logs on stderr.

    Needs no `omnipipe up`. Connectors call the emulators that BIGQUERY_EMULATOR_HOST, PUBSUB_EMULATOR_HOST and
    STORAGE_EMULATOR_HOST name; a step whose connector nothing here answers for fails, and a warning says so first.
    Callbacks are waited for on a free port of 127.0.0.1.

    Exit code 1: the workflow ended with an error, whose map is printed in place of the result. Exit code 2: the file,
    --data or --env was refused.
    """
    import json
    import os
    import signal
    import threading
    import uuid
    from types import FrameType

    from omnipipe.laptop.emulators import configured_endpoints
    from omnipipe.laptop.lookups import PROJECT_NUMBER
    from omnipipe.laptop.services.workflows.interpreter import (
        Environment,
        Listener,
        WorkflowCancelled,
        WorkflowError,
        WorkflowRefused,
        parse,
    )

    try:
        workflow = parse(file.read_text(encoding="utf-8"), str(file))
    except WorkflowRefused as refused:
        _refuse(str(refused))
    except OSError as error:
        _refuse(f"cannot read {file}: {error.strerror}")
    except UnicodeDecodeError:
        _refuse(f"cannot read {file}: it is not UTF-8 text")
    try:
        argument = json.loads(data)
    except ValueError as error:
        _refuse(f"--data is not JSON: {error}")
    variables = dict(_variable(text) for text in env or [])
    for warning in workflow.warnings:
        typer.echo(f"warning: {warning}", err=True)
    listener = Listener()

    def log(severity: str, payload: object) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        typer.echo(f"{severity} {text}", err=True)

    environment = Environment(
        project=os.environ.get("GOOGLE_CLOUD_PROJECT", "local"),
        location="local",
        workflow_id=file.stem,
        execution_id=str(uuid.uuid4()),
        project_number=PROJECT_NUMBER,
        service_account="you@laptop.invalid",
        env=variables,
        endpoints=configured_endpoints(os.environ),
        log=log,
        callbacks=listener.callbacks,
    )
    cancel = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # parallel branches stop by themselves, where an exception would only reach the main thread
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C does not wait for a request

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with progress(escape(file.name), quiet=False):
            result = workflow.run(argument, environment, cancel=cancel)
    except WorkflowCancelled:
        raise typer.Exit(130) from None
    except WorkflowError as error:
        typer.echo(json.dumps(error.error, ensure_ascii=False, default=_text))
        typer.echo(f"the workflow failed: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        signal.signal(signal.SIGINT, before)
        listener.close()
    typer.echo(json.dumps(result, ensure_ascii=False))


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        _refuse(f"--env takes NAME=VALUE, not {text!r}")
    return name, value


def _text(value: object) -> str:
    """JSON for what it has no form for: the bytes of an HTTP body in an error."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
