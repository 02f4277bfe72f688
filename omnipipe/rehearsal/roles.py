"""Google's predefined roles: which there are. What each may do, ``grants.py`` has for those that matter.

The list is as old as its first line says; a role that is newer belongs into ``roles.txt``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("roles.txt")


@cache
def predefined() -> frozenset[str]:
    """The whole names of all: ``roles/bigquery.dataViewer``, ``roles/viewer``."""
    lines = [line for line in _LIST.read_text().splitlines() if not line.startswith("#")]
    services = [line.partition(":") for line in lines]
    return frozenset(
        f"roles/{service}.{role}" if service else f"roles/{role}"
        for service, _, roles in services
        for role in roles.split()
    )


def is_none(role: str) -> bool:
    """Whether a role is called like one of Google's, and is none."""
    return role.startswith("roles/") and role not in predefined()
