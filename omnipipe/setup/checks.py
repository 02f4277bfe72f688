"""A check: what is looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Missing(Exception):
    """Something is not as it must be: what, and ``get``, what to run or do about it."""

    def __init__(self, what: str, get: str) -> None:
        super().__init__(what)
        self.get = get


@dataclass(frozen=True)
class Check:
    """What is looked at; ``look`` says what is there, or raises Missing. It ends in seconds, whatever it asks."""

    name: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """What came of a check: what was said, and if something is missing, how to get it."""

    name: str
    ok: bool
    said: str
    get: str = ""


def found(check: Check) -> Finding:
    """Look."""
    try:
        return Finding(check.name, True, check.look())
    except Missing as missing:
        return Finding(check.name, False, str(missing), missing.get)
