"""Who notices deliberate mistakes in the program: the rehearsal, the policies, the laptop or the unit tests.

    .venv/bin/python -m tests.rehearsal.mistakes [NAME…] [--jobs 2] [--ask rehearsal]

Each mistake is made in a copy of the tree, never in the tree itself. The unchanged program is asked first, and has to
be without fault: so what is told of a mistake is told because of it. What is found is kept in `found.yaml` and written
into `docs/rehearsal-mistakes.md`. It takes an hour or two, and needs what `omnipipe rehearse` needs.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.rehearsal.mistakes import catalogue, found
from tests.rehearsal.mistakes.asking import ASKED, ROOT, Unanswered, own_tests
from tests.rehearsal.mistakes.catalogue import Mistake


def copy(target: Path) -> Path:
    """A copy of the tree as it is now, with what is not committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def ask(who: str, mistake: Mistake | None, stack: str, whole: bool) -> str:
    """What one says of the program with a mistake, or of the program as it is."""
    with tempfile.TemporaryDirectory(prefix="mistakes-", ignore_cleanup_errors=True) as folder:
        tree = copy(Path(folder).resolve() / ROOT.name)
        if mistake is not None:
            mistake.make(tree)
            if who == "units" and (said := own_tests(tree, mistake.file)):
                return said
        return ASKED[who](tree, stack, whole)


class Question(NamedTuple):
    """Who is asked of the unchanged program, of which stack, and whether of all steps."""

    who: str
    stack: str = "dev"
    whole: bool = False


def baseline(asked: Collection[str], mistakes: Sequence[Mistake]) -> list[Question]:
    """What is asked of the unchanged program, so that what is told of the mistakes is told because of them."""
    stacks = sorted({each.stack for each in mistakes})
    # A whole rehearsal has the quick one's steps.
    whole = {stack: any(each.whole for each in mistakes if each.stack == stack) for stack in stacks}
    return [
        *(Question("rehearsal", stack, whole[stack]) for stack in stacks if "rehearsal" in asked),
        *(Question("laptop", stack) for stack in stacks if "laptop" in asked),
        *(Question(who) for who in ("policies", "units") if who in asked),
    ]


def say(text: str) -> None:
    """A line of the command's answer."""
    print(text, flush=True)  # noqa: T201


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="tests.rehearsal.mistakes", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mistakes; without, all")
    parser.add_argument("--jobs", type=int, default=2, help="how many are asked at a time")
    parser.add_argument("--ask", action="append", choices=list(ASKED), help="whom to ask; without, all")
    arguments = parser.parse_args()
    known = catalogue.load()
    if unknown := sorted(set(arguments.names) - {each.name for each in known}):
        sys.exit(f"there is no mistake {', '.join(unknown)}: see {catalogue.FILE.relative_to(ROOT)}")
    mistakes = [each for each in known if not arguments.names or each.name in arguments.names]
    asked = arguments.ask or list(ASKED)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        first = {
            each: pool.submit(ask, each.who, None, each.stack, each.whole) for each in baseline(asked, mistakes)
        }
        try:
            wrong = [
                f"{each.who}, {each.stack}: {said}" for each, asking in first.items() if (said := asking.result())
            ]
        except Unanswered as error:
            sys.exit(str(error))
        if wrong:
            sys.exit("the program as it is has faults, so nothing can be learnt:\n" + "\n".join(wrong))
        say("the program as it is: no fault")

        def one(who: str, mistake: Mistake) -> None:
            try:
                said = ask(who, mistake, mistake.stack, mistake.whole)
            except Unanswered as error:
                say(f"{mistake.name}, {who}: not answered: {error}")
                return
            found.keep(mistake.name, who, said, known)
            say(f"{mistake.name}, {who}: {said or 'nothing'}")

        for done in [pool.submit(one, who, each) for who in asked for each in mistakes]:
            done.result()


if __name__ == "__main__":
    main()
