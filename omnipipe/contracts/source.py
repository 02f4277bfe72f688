"""A source: a system that data comes from, declared once. Datasets, tables and the alerts on its age follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from omnipipe.contracts.schema import Table

_NAME = re.compile(r"[a-z][a-z0-9_]{0,20}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A system that data comes from.

    ``name`` begins what is called after it, ``title`` is for people. ``datasets`` are descriptions by name, of all its
    layers; the same one may be of several sources. ``tables`` are those that it delivers into. With ``captured``
    Datastream makes them, otherwise the program does. A table that has got no row for ``fresh_within_h`` hours is late,
    and ``when_late`` says what that may mean.

    Raises ValueError for a name that cannot begin others, for no table, and for a table of a dataset that it does not
    have.
    """

    name: str
    title: str
    datasets: Mapping[str, str]
    tables: tuple[Table, ...]
    fresh_within_h: float
    when_late: str
    captured: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a source is called {self.name!r}: take up to 21 lower-case letters, digits and _")
        if not self.tables:
            raise ValueError(f"the source {self.name} delivers into no table: declare one")
        if homeless := sorted({table.id for table in self.tables if table.dataset not in self.datasets}):
            raise ValueError(f"the source {self.name}: {', '.join(homeless)}: declare their datasets too")

    @property
    def figure(self) -> str:
        """The name of the figure that says how long ago a table of it got rows."""
        return f"{self.name}_age_hours"
