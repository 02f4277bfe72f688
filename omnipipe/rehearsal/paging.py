"""Lists in pages (https://google.aip.dev/158)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from omnipipe.rehearsal.errors import Refused

Item = TypeVar("Item")


def page(items: Sequence[Item], query: Mapping[str, Any]) -> tuple[Sequence[Item], str]:
    """The part of a list that was asked for, and the token of the next part, or "".

    Raises Refused (400) for a size below zero and a token that no page gave.
    """
    size = int(query.get("pageSize") or query.get("maxResults") or 0)
    token = query.get("pageToken") or "p0"
    start = token.removeprefix("p")
    if size < 0:
        raise Refused(400, "The page size must not be negative.")
    if not token.startswith("p") or not start.isdigit() or int(start) > len(items):
        raise Refused(400, "Invalid page token.")
    end = int(start) + size if size else len(items)
    return items[int(start) : end], f"p{end}" if end < len(items) else ""
