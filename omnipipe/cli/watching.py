"""`up --watch`: what is saved in the program's folder is deployed, until Ctrl-C."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from rich.markup import escape

from omnipipe.cli.console import progress, say

# Editors and `git checkout` write many files at once: what comes within so many milliseconds is one change.
_TOGETHER_MS, _QUIET_MS = 1600, 200
_SHOWN = 3


def watch(folder: Path, up: Sequence[str]) -> None:
    """Deploy after each change below a program's folder, until Ctrl-C, which ends the watching and nothing else.

    ``up`` are the arguments of ``omnipipe up``. Each deployment is a process of its own, so that it sees the code as
    it is then; one that fails is told, and the next change is waited for.
    """
    say(
        f"Watching {escape(str(folder))}: what is saved is deployed. Ctrl-C ends the watching; the stack stays up."
    )
    with suppress(KeyboardInterrupt):
        for files in saved(folder):
            named = ", ".join(str(file.relative_to(folder)) for file in files[:_SHOWN])
            more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
            say(f"[dim]{time.strftime('%H:%M:%S')}[/] {escape(named)}{more}")
            _deploy(up)
    say("\nThe watching has ended; the stack is up.")


def saved(folder: Path) -> Iterator[list[Path]]:
    """The files that were saved, made or removed below a folder, each time that something was, in their order.

    Not those of tools: below hidden folders, environments of Python and the state of the laptop cloud.
    """
    from watchfiles import Change, DefaultFilter, watch

    from omnipipe.laptop.home import home_root

    known = DefaultFilter(ignore_paths=(home_root(),))

    def of_a_person(change: Change, path: str) -> bool:
        hidden = any(part.startswith(".") for part in Path(path).relative_to(folder).parts)
        return not hidden and known(change, path)

    changes: SimpleQueue[set[Path]] = SimpleQueue()

    def tell(*paths: Path, recursive: bool) -> None:
        for batch in watch(
            *paths, watch_filter=of_a_person, debounce=_TOGETHER_MS, step=_QUIET_MS, recursive=recursive
        ):
            changes.put({Path(path) for _, path in batch if not Path(path).is_dir()})

    folders = [
        each
        for each in folder.iterdir()
        if each.is_dir() and not each.name.startswith(".") and not (each / "pyvenv.cfg").exists()
    ]
    # The folder itself without what is below it: there may be an environment of ten thousand folders.
    for paths, recursive in (((folder,), False), (folders, True)):
        if paths:
            threading.Thread(target=tell, args=paths, kwargs={"recursive": recursive}, daemon=True).start()
    while True:
        files = changes.get()
        with suppress(Empty):
            while True:
                files |= changes.get_nowait()
        if files:
            yield sorted(files)


def _deploy(up: Sequence[str]) -> None:
    # In a session of its own: a Ctrl-C of the terminal would have it end everything that runs.
    deployment = subprocess.Popen(
        [sys.executable, "-m", "omnipipe.cli", "up", "--json", *up],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with progress("Deploying", quiet=False):
            out, _ = deployment.communicate()
    except KeyboardInterrupt:
        say("The deployment that has begun is carried to its end first.")
        deployment.communicate()
        raise
    if deployment.returncode:
        say("  not deployed; the next save tries again")
        return
    done = json.loads(out)
    for change in done["changed"]:
        say(escape(f"  {change['what']} {change['kind']} {change['name']}"))
    what = "deployed" if done["changed"] else "nothing to deploy"
    say(f"  {what}, after {done['seconds']:.1f} s")
