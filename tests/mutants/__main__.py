"""Which mistakes in a file the tests would not see: `make mutants FILE=jobs/dvt/kinds.py`.

Each mutant of the file (see ``operators``) stands in a copy of the tree, never in the tree itself, while the tests that
belong to the file run: those of the folder that mirrors the file's, without any server, or with them. A mutant whose
tests all pass has survived, and is shown with its line and what it changes.

A survivor is a question: either a test is missing, or the code does not need what was changed. Some are neither, such
as a longer time-out; so survivors are no failure of the command.
"""

import argparse
import difflib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from tests.mutants.operators import Mutant, mutants

QUICK, WITH_SERVERS = "not servers and not e2e", "not e2e"
GRACE_S = 5  # for fixtures to stop their servers
_COPIES = min(os.cpu_count() or 1, 4)
_NOTHING_RAN = 5  # pytest's exit code
_BROKEN = "raise AssertionError('a mutant')\n"


def belonging(root: Path, file: Path) -> list[str]:
    """The tests that belong to a file, those with its name first: tests/ mirrors the tree, without omnipipe/.

    A folder that tests/ does not have, such as functions/weather, is looked for as a file test_weather.py above.
    """
    parts = file.parts[1:] if file.parts[0] == "omnipipe" else file.parts
    names, folder = [Path(parts[-1]).stem], root / "tests" / Path(*parts[:-1])
    while not folder.is_dir():
        names, folder = [*names, folder.name], folder.parent
    first = [folder / f"test_{name}.py" for name in names]
    found = [path for path in first if path.exists()]
    found += [path for path in sorted(folder.glob("test_*.py")) if path not in found]
    return [str(path.relative_to(root)) for path in found]


@dataclass
class Copy:
    """A copy of the tree as it is now, with what is not committed, and one of its files."""

    root: Path
    file: Path
    tests: list[str]
    marks: str
    _running: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, source: Path, target: Path, file: Path, tests: list[str], marks: str) -> "Copy":
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=source,
            capture_output=True,
            check=True,
        )
        for name in listed.stdout.decode().split("\0"):
            if name and (source / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, target / name)
        return cls(target, file, tests, marks)

    def write(self, text: str) -> None:
        """Let the file be another one, also for who has compiled the one before."""
        path = self.root / self.file
        path.write_text(text)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()

    def run(self, timeout_s: float) -> tuple[int | None, bytes]:
        """Run the tests until the first that fails. Gives pytest's exit code, None for too long, and the output."""
        options = ("-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-m", self.marks)
        with tempfile.TemporaryFile() as output:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, *self.tests],
                cwd=self.root,
                env={**os.environ, "PYTHONPATH": str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(timeout_s)
            code = self._running.poll()
            self.stop()
            output.seek(0)
            return code, output.read()

    def stop(self) -> None:
        """End the tests, if they run."""
        process = self._running
        if process and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@dataclass
class Outcome:
    """What became of the mutants: how many there are, how many were tried, and which survived."""

    mutants: int
    tried: int = 0
    survivors: list[Mutant] = field(default_factory=list)


class Refused(Exception):
    """There is nothing to be learnt; the message says why."""


def examine(
    root: Path, file: Path, marks: str, limit_s: float, folder: Path, survived: Callable[[Mutant], None]
) -> Outcome:
    """Try the mutants of a file, in copies of ``root`` that are made in ``folder``, for ``limit_s`` seconds.

    They are tried in no order, so that those of a run that was not long enough are a sample. ``survived`` is called
    with each survivor at once. Raises Refused when no test belongs to the file, or fails without a mutant, or does not
    come to the file.
    """
    source = (root / file).read_text()
    tests = belonging(root, file)
    copies = [Copy.make(root, folder / str(number), file, tests, marks) for number in range(_COPIES)]
    timeout_s = _patience(copies[0], source, limit_s)
    queue, outcome = SimpleQueue[Mutant](), Outcome(0)
    found = mutants(source)
    outcome.mutants = len(found)
    for mutant in random.Random(0).sample(found, len(found)):  # the same order each time
        queue.put(mutant)
    ends, stopped = time.monotonic() + limit_s, Event()

    def work(copy: Copy) -> None:
        while not queue.empty() and time.monotonic() < ends and not stopped.is_set():
            mutant = queue.get()
            copy.write(mutant.text)
            code, _ = copy.run(timeout_s)
            if stopped.is_set():
                return
            outcome.tried += 1
            if code == 0:
                outcome.survivors.append(mutant)
                survived(mutant)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for done in [pool.submit(work, copy) for copy in copies]:
                done.result()
        finally:
            stopped.set()
            for copy in copies:
                copy.stop()
    return outcome


def _patience(copy: Copy, source: str, limit_s: float) -> float:
    """How long the tests may take with a mutant: they pass without, they fail with a file that cannot be read."""
    began = time.monotonic()
    code, output = copy.run(limit_s) if copy.tests else (_NOTHING_RAN, b"")
    took_s = time.monotonic() - began
    which = "without servers " if copy.marks == QUICK else ""
    if code == _NOTHING_RAN:
        raise Refused(f"no test {which}belongs to {copy.file}")
    if code is None:
        raise Refused(
            f"the tests that belong to {copy.file} take longer than {limit_s:.0f} s: {', '.join(copy.tests)}"
        )
    if code:
        raise Refused(f"the tests fail as they are:\n{output.decode(errors='replace')}")
    copy.write(_BROKEN + source)
    if copy.run(limit_s)[0] == 0:
        raise Refused(
            f"no test {which}comes to {copy.file}: {', '.join(copy.tests)} pass when it cannot be imported"
        )
    return 4 * took_s + GRACE_S


def shown(file: Path, source: str, mutant: Mutant) -> str:
    """A mutant for reading: where it is, and what it changes."""
    changes = difflib.unified_diff(source.splitlines(), mutant.text.splitlines(), lineterm="", n=0)
    return "\n".join([f"{file}:{mutant.line}", *(line for line in list(changes)[2:] if not line.startswith("@@"))])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, help="a Python file of this tree")
    parser.add_argument("--servers", action="store_true", help="the tests with servers too; slow")
    parser.add_argument(
        "--minutes", type=float, default=10, help="when to end; what was not tried by then is counted"
    )
    arguments = parser.parse_args()
    root, file = Path.cwd(), arguments.file
    named = file.suffix == ".py" and not file.is_absolute() and (root / file).is_file()
    if not named or {file.parts[0]} & {"..", "tests"}:
        sys.exit(f"{file} is no Python file of the program: name one, such as FILE=jobs/dvt/kinds.py")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an end like any other: the copies are removed
    source, began = (root / file).read_text(), time.monotonic()

    def say(mutant: Mutant) -> None:
        print(shown(file, source, mutant), end="\n\n", flush=True)  # noqa: T201 - a command's answer

    marks = WITH_SERVERS if arguments.servers else QUICK
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        try:
            outcome = examine(root, file, marks, arguments.minutes * 60, Path(folder), say)
        except Refused as refused:
            sys.exit(str(refused))
        except KeyboardInterrupt:
            sys.exit("interrupted")
    seen, left = outcome.tried - len(outcome.survivors), outcome.mutants - outcome.tried
    print(  # noqa: T201
        f"{file}: {outcome.mutants} mutants, {seen} seen by the tests, {len(outcome.survivors)} survived"
        + (f", {left} not tried in time" if left else "")
        + f" ({time.monotonic() - began:.0f} s)"
    )
    if outcome.survivors and not arguments.servers:
        print("Those with servers may see some of them: SERVERS=1.")  # noqa: T201


if __name__ == "__main__":
    main()
