"""What the real provider asks Google for: the requests of `pulumi up` of a stack, kept in `recorded`.

    .venv/bin/python -m tests.rehearsal.recording [STACK…]

writes them anew; it needs `pulumi` and the Google provider, as `omnipipe rehearse` does. `prod` has all that a stack
may leave out. What Google makes up (numbers, etags) is another in each run: of the answers the values are kept that
later requests use, so that a replay can put its own in their place.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.rehearsal.engine import installed
from omnipipe.rehearsal.engine.rehearsal import Rehearsal, Step
from omnipipe.rehearsal.journal import Exchange
from tests.components.conftest import EVERYTHING

STACKS = ("dev", "prod")
FOLDER = Path(__file__).with_name("recorded")
_SHORTEST = 6  # a value that Google made up has more letters; shorter ones would be found everywhere


@dataclass(frozen=True)
class Recorded:
    """A request, the status of its answer, and what of the answer later requests use, by its place in it."""

    method: str
    host: str
    path: str
    body: Any
    status: int
    used: dict[str, str]


def load(stack: str) -> list[Recorded]:
    """The requests of a stack, in order."""
    return [Recorded(**json.loads(line)) for line in (FOLDER / f"{stack}.jsonl").read_text().splitlines()]


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The texts of an answer, with their places in it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{place}/{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, f"{place}/{number}")
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        yield place, value


def of(exchanges: Sequence[Exchange]) -> list[Recorded]:
    """Exchanges as they are kept."""
    kept = [each for each in exchanges if each.path]
    texts = [f"{each.path} {json.dumps(each.body)}" for each in kept]
    known, found = "", []
    for number, each in enumerate(kept):
        known += texts[number]
        later = "\n".join(texts[number + 1 :])
        used = {place: text for place, text in leaves(each.answer) if text not in known and text in later}
        known += " ".join(used.values())
        found.append(Recorded(each.method, each.host, each.path, each.body, each.status, used))
    return found


def _record(program: Path, stack: str) -> None:
    starts: dict[str, int] = {}

    def begins(step: str) -> None:
        starts[step] = len(rehearsal.journal)

    def ends(step: Step) -> None:
        sys.stderr.write(f"{stack} {step.name}: {step.resources} {step.problems or ''}\n")

    rehearsal = Rehearsal(program, stack, installed.find(program), begins=begins, ends=ends)
    report = rehearsal.run(quick=True)
    if report.problems:
        sys.exit("not recorded: the rehearsal has problems")
    up = rehearsal.journal.since(starts["up"])[: starts["preview again"] - starts["up"]]
    FOLDER.mkdir(exist_ok=True)
    lines = [json.dumps(vars(each), sort_keys=True) for each in of(up)]
    (FOLDER / f"{stack}.jsonl").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Record the stacks that are named, or all."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "everything"
        ignore = shutil.ignore_patterns(".git", ".venv", ".omnipipe", "__pycache__")
        shutil.copytree(PROJECT_ROOT, program, ignore=ignore)
        file = program / "Pulumi.prod.yaml"
        settings = yaml.safe_load(file.read_text())
        settings["config"] |= {
            key: yaml.safe_load(text) if text.startswith("[") else text for key, text in EVERYTHING.items()
        }
        file.write_text(yaml.safe_dump(settings))
        for stack in sys.argv[1:] or STACKS:
            _record(program, stack)


if __name__ == "__main__":
    main()
