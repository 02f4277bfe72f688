"""What a control plane was asked, and what it answered: the requests of a rehearsal, in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omnipipe.rehearsal.faults import Fault


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    ``path`` is the one below Google's host, with the query; ``host`` the first label of that host (``run``), or the
    whole name of one that is not Google's control plane, to which there is no way. ``seconds`` is what the answer took
    of the processor, ``fault`` what went wrong on purpose.
    """

    method: str
    host: str
    path: str
    body: Any
    status: int
    answer: Any
    seconds: float
    fault: Fault | None = None

    @property
    def message(self) -> str:
        """The words of a refusal, or ""."""
        error = self.answer.get("error", {}) if isinstance(self.answer, dict) else {}
        return str(error.get("message", "")) if isinstance(error, dict) else ""

    @property
    def request(self) -> str:
        """The request in a line."""
        return f"{self.method} {self.host}{self.path.partition('?')[0]}"


class Journal:
    """The exchanges so far. Threads may write into it at the same time."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self._lock = threading.Lock()

    def write(self, exchange: Exchange) -> None:
        """Add an exchange."""
        with self._lock:
            self._exchanges.append(exchange)

    def __len__(self) -> int:
        return len(self._exchanges)

    def since(self, start: int) -> Sequence[Exchange]:
        """The exchanges from a place on, which ``len`` told."""
        with self._lock:
            return self._exchanges[start:]
