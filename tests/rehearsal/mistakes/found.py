"""What was noticed of each mistake, kept from run to run, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

import yaml

from tests.rehearsal.mistakes.asking import ASKED, ROOT
from tests.rehearsal.mistakes.catalogue import Mistake

FILE = Path(__file__).with_name("found.yaml")
PAGE = ROOT / "docs" / "rehearsal-mistakes.md"
COMMAND = ".venv/bin/python -m tests.rehearsal.mistakes"

# Mistake -> who was asked -> what it said: "" for nothing. Who was not asked is not there.
Found = dict[str, dict[str, str]]
_KEEPING = Lock()


def load() -> Found:
    """What the last runs found."""
    return yaml.safe_load(FILE.read_text()) or {} if FILE.exists() else {}


def keep(name: str, who: str, said: str, mistakes: Sequence[Mistake]) -> None:
    """Keep what one has said of a mistake, and write the page."""
    with _KEEPING:
        found = load()
        found.setdefault(name, {})[who] = said
        known = {each.name: found[each.name] for each in mistakes if each.name in found}
        FILE.write_text(yaml.safe_dump(known, sort_keys=False, width=110, allow_unicode=True))
        PAGE.write_text(page(known, mistakes))


def page(found: Found, mistakes: Sequence[Mistake]) -> str:
    """The page: how many each has noticed, and a row a mistake."""
    rows = [_row(each, found.get(each.name, {})) for each in mistakes]
    return "\n".join(
        [
            "# Mistakes, and who notices them",
            "",
            f"{len(mistakes)} slips as a pull request may have them, each made in a copy of the tree. Four are asked "
            "about it: `omnipipe",
            "rehearse`, the policies, `omnipipe preview` on the laptop, and the unit tests of components and stacks, "
            "without the golden",
            "files, which notice any change. The unchanged program is asked first, and nobody has a word against it.",
            "",
            f"`{COMMAND} [NAME…]` asks again and writes this page; the mistakes are in",
            "`tests/rehearsal/mistakes/mistakes.yaml`.",
            "",
            *_figures(found, mistakes),
            "",
            "| mistake | rehearsal | policies | laptop | units | in the rehearsal's words |",
            "|---|:-:|:-:|:-:|:-:|---|",
            *rows,
            "",
        ]
    )


def _figures(found: Found, mistakes: Sequence[Mistake]) -> list[str]:
    told = [found.get(each.name, {}) for each in mistakes]
    lines = ["| asked | has noticed | alone |", "|---|--:|--:|"]
    for who in ASKED:
        if any(who in each for each in told):
            noticed = [each for each in told if each.get(who)]
            alone = [each for each in noticed if not any(each.get(other) for other in ASKED if other != who)]
            lines.append(f"| {who} | {len(noticed)} | {len(alone)} |")
    nobody = sum(not any(each.values()) for each in told)
    return [*lines, f"| nobody | {nobody} | |"]


def _row(mistake: Mistake, told: Mapping[str, str]) -> str:
    marks = [("✓" if told[who] else "–") if who in told else "" for who in ASKED]
    words = told.get("rehearsal", "").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"| `{mistake.name}`: {mistake.what} | {' | '.join(marks)} | {words} |"
