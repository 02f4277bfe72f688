"""The mistakes as data, and how one is made in a copy of the tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("mistakes.yaml")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A text of a file that is replaced by another.

    ``stack`` is the one that shows it, and ``whole`` whether only a whole rehearsal can.
    """

    name: str
    what: str
    file: str
    find: str
    replace: str
    stack: str = "dev"
    whole: bool = False

    def make(self, root: Path) -> None:
        """Make it in a tree. Raises ValueError if its text is not there exactly once."""
        file = root / self.file
        text = file.read_text()
        if (found := text.count(self.find)) != 1:
            raise ValueError(f"{self.name}: its text is {found} times in {self.file}")
        file.write_text(text.replace(self.find, self.replace))


def load() -> list[Mistake]:
    """All of them, in the order of the file."""
    return [Mistake(**each) for each in yaml.safe_load(FILE.read_text())]
