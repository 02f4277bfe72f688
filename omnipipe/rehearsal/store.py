"""What was made so far: each resource under its API's host and its name, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Record:
    """A resource.

    ``name`` is its address below the API's version, with the project's id: ``projects/p/secrets/s``. ``body`` is what
    the API answers, ``hidden`` what it only keeps, such as a secret's payload. ``policy`` is its IAM policy once set,
    ``granted`` when each of that policy's grants was made (role, member, condition). ``since`` is when others may have
    begun to hear of it, if that takes a while (``propagation.py``).
    """

    host: str
    name: str
    collection: str
    body: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] | None = None
    former_etags: set[str] = field(default_factory=set)
    granted: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def id(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(f"{self.collection}/")[2]

    @property
    def place(self) -> str:
        """The collection that it is in: its name without the last part."""
        return self.name[: -len(self.id) - 1]


class Store:
    """All resources, in the order of their making."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}
        self._others: dict[tuple[str, str], Record] = {}

    def add(self, record: Record) -> Record:
        """Keep a resource, in the place of one of the same name."""
        self._records[record.host, record.name] = record
        return record

    def get(self, host: str, name: str) -> Record | None:
        """A resource by its whole name, or by another that it has."""
        other = self._others.get((host, name))
        known = self._records.get((host, name))
        return known or (other if other and self._records.get((host, other.name)) is other else None)

    def also(self, record: Record, name: str) -> None:
        """Let a resource be found by another name, too."""
        self._others[record.host, name] = record

    def children(self, host: str, collection: str) -> list[Record]:
        """The resources directly in a collection (``projects/p/secrets``); a segment ``-`` stands for any."""
        wanted = collection.split("/")

        def fits(place: list[str]) -> bool:
            pairs = zip(wanted, place, strict=False)
            return len(place) == len(wanted) and all(want in ("-", part) for want, part in pairs)

        return [
            each for (owner, _), each in self._records.items() if owner == host and fits(each.place.split("/"))
        ]

    def below(self, host: str, name: str) -> list[Record]:
        """The resources whose names begin with that of another."""
        return [
            each
            for (owner, known), each in self._records.items()
            if owner == host and known.startswith(f"{name}/")
        ]

    def remove(self, record: Record) -> None:
        """Forget a resource, and what is below it."""
        for each in (record, *self.below(record.host, record.name)):
            self._records.pop((each.host, each.name), None)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))
