"""`debug`: a function or a job under a debugger, in the place of the one that is deployed."""

import json
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import called, console, errors, progress, say
from omnipipe.cli.logs import POLL_S, Written, show

if TYPE_CHECKING:
    import psutil

    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.debugging import Debuggee

# The debugger's own, which editors suggest.
_PORT = 5678


def debug(
    name: Annotated[
        str,
        typer.Argument(
            metavar="FUNCTION|JOB",
            help="A function or a job of the program.",
            autocompletion=completion.functions_and_jobs,
        ),
    ],
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Which port of 127.0.0.1.")] = _PORT,
) -> None:
    """Start a function or a job under a debugger, with its own environment and identity; Ctrl-C ends it.

    It waits until VS Code, or another client of the Debug Adapter Protocol, attaches. A function takes the calls of the
    deployed one until then; a job is executed once, a step of the day with a run id of its own.
    """
    from omnipipe.laptop import access, debugging
    from omnipipe.laptop.ports import require_free

    cloud = access.running_cloud()
    require_free(port, "the debugger", f"give another one: omnipipe debug {name} --port N")
    is_step = _is_step(cloud, name)
    today = datetime.now(UTC).date().isoformat()
    debuggee = debugging.prepare(
        cloud, name, port, {"RUN_ID": str(uuid.uuid4()), "RUN_DATE": today} if is_step else {}
    )
    _tell_how_to_attach(cloud, name, port, debuggee)
    written = Written([cloud.home.log_file(name)])
    code = 0
    try:
        cloud.processes.ensure(debuggee.spec)
        process = cloud.processes.running()[name]
        if debuggee.instead_of is not None:
            _wait_for_client(process, int(debuggee.spec.env["PORT"]), written)
            how = called(f"run --only {name.replace('-', '_')}") if is_step else called("run NAME")
            say(f"{name} takes calls now: `{escape(how)}`, in another terminal.")
        else:
            say(f"{name} begins when a client attaches.")
        code = _followed(process, written)
        say(f"{name} ended with exit code {code}.")
    except KeyboardInterrupt:
        say("")
    finally:
        _end(cloud, name, debuggee)
    raise typer.Exit(1 if code else 0)


def _is_step(cloud: "Cloud", name: str) -> bool:
    """Whether a function or job is a step of the program's day, if it has one."""
    from omnipipe.laptop import workloads

    day = cloud.declaration.commands.get("run")
    return bool(day) and name.replace("-", "_") in workloads.steps(
        cloud, workloads.workflow(cloud, day["workflow"])
    )


def _tell_how_to_attach(cloud: "Cloud", name: str, port: int, debuggee: "Debuggee") -> None:
    from omnipipe.laptop import debugging

    program = cloud.program or Path.cwd()
    found = debugging.sources(debuggee.code, program)
    if found.changed:
        files = ", ".join(map(str, found.changed[:3]))
        errors.print(
            f"{escape(files)} changed since the deployment: breakpoints there may be lines away. "
            f"`{called('up')}` deploys what is saved.",
            style="yellow",
        )
    configuration = {
        "name": f"omnipipe debug {name}",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": port},
        "pathMappings": [
            {
                "localRoot": str(Path("${workspaceFolder}", local.relative_to(program))),
                "remoteRoot": str(remote),
            }
            for local, remote in found.folders
        ],
    }
    say(f"[bold]{name}[/] waits for a debugger on [bold]127.0.0.1:{port}[/]. Ctrl-C ends it.")
    say("VS Code: these lines once into .vscode/launch.json, under configurations; then F5.")
    console.print(json.dumps(configuration, indent=2), markup=False, soft_wrap=True)
    say("In a terminal, nvim-dap and dape of Emacs take the same host, port and pathMappings.")


def _wait_for_client(process: "psutil.Process", port: int, written: Written) -> None:
    """Wait until a function takes calls, which it does when a client is there, or has ended."""
    from omnipipe.laptop.ports import listens

    with progress("Waiting for a client", quiet=False):
        while process.is_running() and not listens(port):
            _show(written)
            time.sleep(POLL_S)


def _followed(process: "psutil.Process", written: Written) -> int:
    """Show what a process writes, until it ends; its exit code."""
    import psutil

    while True:
        with suppress(psutil.TimeoutExpired):
            code = process.wait(POLL_S)
            _show(written)
            return code or 0
        _show(written)


def _show(written: Written) -> None:
    for line in written.since():
        show(line)


def _end(cloud: "Cloud", name: str, debuggee: "Debuggee") -> None:
    """End what is debugged, and bring back the function that is deployed, unless all was taken down meanwhile."""
    from omnipipe.laptop import lifecycle

    cloud.processes.stop([name], grace_s=2)
    if debuggee.instead_of is None or set(lifecycle.missing_processes(cloud)) != {name}:
        return
    with progress(f"Starting {name} as it is deployed", quiet=False):
        cloud.start(debuggee.instead_of, port_name=name)
    say(f"{name} runs again as it is deployed.")
