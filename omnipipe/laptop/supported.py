"""The page of what the laptop supports, from its kinds: ``python -m omnipipe.laptop.supported > docs/laptop.md``."""

import sys

from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.registry import Resource

_TOP = """# What each resource type is on a laptop

Every type that `omnipipe up` takes; any other stops it by its name. [Limits](limits.md) has what is of no one type.

| resource type | on a laptop | otherwise than on Google |
|---|---|---|
"""
_RECORDED = "recorded, without effect"


def page() -> str:
    """The page, as Markdown."""
    rows = sorted((Resource(type_, "", {}).kind, kind) for type_, kind in KINDS.items())
    return _TOP + "".join(f"| `{name}` | {kind.effect or _RECORDED} | {kind.different} |\n" for name, kind in rows)


if __name__ == "__main__":
    sys.stdout.write(page())
