"""What is there before the first request: a project, its number, what is above it, and which APIs are enabled."""

from __future__ import annotations

import itertools
import uuid
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class World:
    """The project that is deployed to, and its surroundings.

    ``enabled`` are the hosts of the APIs that are enabled from the start (``run``); None for all. ``any_form`` lets
    values through that have not the form that Google asks for (a name's characters, a number's digits): recordings that
    were made anonymous have lost it. ``propagation`` is how many seconds pass until an identity, a grant or an enabled
    API is known everywhere (``propagation.py``).
    """

    project: str = "sample-project"
    number: str = "123456789"
    organization: str = "111"
    folder: str = "222"
    billing_account: str = "000000-000000-000000"
    enabled: Collection[str] | None = None
    any_form: bool = False
    propagation: float = 0


class Clock:
    """Times that grow with each question, and what Google makes up: numbers and ids.

    Numbers and ids are the same in each run, so that what a rehearsal prints can be compared.
    """

    def __init__(self) -> None:
        self._ticks = itertools.count(1)
        self._start = datetime.now(UTC)
        self._ahead = timedelta()

    def now(self) -> datetime:
        """A time that is later than all that were told before."""
        ticks = timedelta(microseconds=next(self._ticks))
        return max(datetime.now(UTC), self._start) + self._ahead + ticks

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead += timedelta(seconds=seconds)

    def timestamp(self) -> str:
        """The time as Google writes it: UTC, with microseconds."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def milliseconds(self) -> str:
        """The time as the older APIs write it: milliseconds since 1970, as text."""
        return str(int(self.now().timestamp() * 1000))

    def number(self, digits: int = 19) -> str:
        """A number that nothing else has; it fits 63 bits."""
        return str(10 ** (digits - 1) + zlib.crc32(str(next(self._ticks)).encode()) * 1000 + next(self._ticks))[
            :digits
        ]

    def uuid(self) -> str:
        """An id in the form of a UUID."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, str(next(self._ticks))))
