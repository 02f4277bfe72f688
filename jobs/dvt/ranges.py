"""Ranges of keys: the keys that one number of a division by the width has, and how two sides of them differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# From wide to single keys. The widest is what a sum of checksums fits into 64 bits for.
WIDTHS = (100_000, 1_000, 1)
# How many ranges are looked at by key at a time: their keys are held in memory.
_AT_ONCE = 50


@dataclass(frozen=True)
class Sum:
    """What a range holds: how many rows, and the sum of their checksums."""

    rows: int
    checksum: int


Sums = Mapping[int, Sum]
Bounds = tuple[tuple[int, int], ...]


def bounds(numbers: Iterable[int], width: int) -> Bounds:
    """The first and last keys of ranges, neighbours as one. Both databases divide towards zero."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        first = number * width - (width - 1 if number <= 0 else 0)
        last = number * width + (width - 1 if number >= 0 else 0)
        if found and found[-1][1] >= first - 1:
            first = found.pop()[0]
        found.append((first, last))
    return tuple(found)


def differing(one: Sums, other: Sums) -> list[int]:
    """The numbers of the ranges that are not the same on both sides."""
    return sorted(number for number in one.keys() | other.keys() if one.get(number) != other.get(number))


def in_parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Ranges, as many at a time as are looked at by key."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]
