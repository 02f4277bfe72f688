"""What goes wrong between a client and Google: a share of the requests fails, before their effect or after it."""

from __future__ import annotations

import collections
import enum
import hashlib
import threading
from typing import Any


class Fault(enum.Enum):
    """What happens to a request.

    Before the effect: 409, 429, 500, 503 and REFUSED, a connection that ends; nothing was done. After it: LOST, an
    answer that never arrives, and FAILED, an operation that ends with an error and leaves its resource.
    """

    CONFLICT = 409
    TOO_MANY = 429
    INTERNAL = 500
    UNAVAILABLE = 503
    REFUSED = -1
    LOST = -2
    FAILED = -3

    @property
    def before(self) -> bool:
        """Whether nothing is done."""
        return self not in (Fault.LOST, Fault.FAILED)


# https://cloud.google.com/apis/design/errors#handling_errors
_WORDS = {
    Fault.CONFLICT: ("ABORTED", "The operation was aborted due to a concurrent change. Please try again."),
    Fault.TOO_MANY: ("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Write requests' per minute."),
    Fault.INTERNAL: ("INTERNAL", "Internal error encountered."),
    Fault.UNAVAILABLE: ("UNAVAILABLE", "The service is currently unavailable."),
    Fault.REFUSED: ("", "The connection ended before anything was done."),
}
FAILED_WORDS = "The operation failed after it had begun. Please contact support."
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Faults:
    """The fate of each request: ``rate`` is the share of those that change something which meet a fault, 0 to 1.

    A request has the same fate in each run with the same ``seed``, in whatever order requests come: it is drawn from
    its method, its path and how often it was made before.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rate, self._seed = rate, seed
        self._met: collections.Counter[tuple[str, str]] = collections.Counter()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """From now on nothing goes wrong."""
        self._rate = 0.0

    def of(self, method: str, path: str) -> Fault | None:
        """What happens to a request now."""
        if method not in _CHANGING or not self._rate:
            return None
        with self._lock:
            self._met[method, path] += 1
            drawn = f"{self._seed} {method} {path} {self._met[method, path]}"
        digest = hashlib.sha256(drawn.encode()).digest()
        if int.from_bytes(digest[:6]) / 2**48 >= self._rate:
            return None
        return list(Fault)[digest[6] % len(Fault)]


def refusal(fault: Fault) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer that tells of a fault before the effect."""
    status, message = _WORDS[fault]
    return fault.value, {"error": {"code": fault.value, "message": message, "status": status}}
