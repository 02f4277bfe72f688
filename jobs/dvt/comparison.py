"""Whether raw holds what the source holds, key by key where they differ.

The source is one snapshot. Raw goes on meanwhile, so a difference is looked at again: a key is wrong when raw, at the
end, says of no moment from the snapshot on that the key was what the snapshot shows. Raw only grows: what has arrived
once stays, so one snapshot is enough, also for a key that never rests.

The end is when the stream has read all that the snapshot shows and has had the time to write it, or the time is over.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from canonical import Column
from captured import Raw, State, columns_of
from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from ranges import WIDTHS, bounds, differing, in_parts
from source import Snapshot, Source

# What was committed shortly before the snapshot may not be in it: a commit gets its time before others see it.
_UNSURE_MS = 10_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
# So many keys are enough to be wrong: then it is no single row any more.
_MOST_KEYS = 1_000
_EXAMPLES = 5
_RUNBOOK = "docs/runbooks/validation.md#raw-differs-from-its-source"


@dataclass(frozen=True)
class Finding:
    """What was found: how many rows of the source were compared, how much is wrong, and that in words."""

    rows: int
    wrong: int
    words: str


@dataclass
class _Differences:
    """The keys that are wrong: not in raw, in raw alone, or of another content, with the columns."""

    missing: list[int] = field(default_factory=list)
    left_over: list[int] = field(default_factory=list)
    different: dict[int, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.missing) + len(self.left_over) + len(self.different)

    def add(self, key: int, columns: Sequence[Column], expected: State, newest: State) -> None:
        """Take a key in whose versions raw never says what is expected."""
        if expected is None:
            self.left_over.append(key)
        elif newest is None:
            self.missing.append(key)
        else:
            pairs = zip(columns, expected, newest, strict=True)
            self.different[key] = [column.name for column, one, other in pairs if one != other]

    def words(self) -> str:
        """The differences, each kind with some keys."""
        parts = []
        if self.missing:
            parts.append(f"missing in raw: {_some(self.missing)}")
        if self.left_over:
            parts.append(f"in raw, and no row of the source: {_some(self.left_over)}")
        if self.different:
            columns = sorted({name for names in self.different.values() for name in names})
            in_columns = f" in {', '.join(columns)}" if columns else ""
            parts.append(f"different{in_columns}: {_some(list(self.different))}")
        return "; ".join(parts) + (", at least" if len(self) >= _MOST_KEYS else "")


def compare(client: bigquery.Client, source_database: Source, table: str, raw_table: str) -> Finding:
    """Compare a table of the source with its raw table, in every row and every column.

    Environment: SLOT, the slot that the stream reads; CAPTURED_WITHIN_S, the longest wait for it in seconds; and
    WRITTEN_WITHIN_S, how long it may take from reading to writing. Raises SourceUnreadable, and google.api_core's
    errors.
    """
    with source_database.snapshot() as source:
        columns, key = source.columns(table)
        try:
            there = columns_of(client, raw_table)
        except NotFound:
            return Finding(0, 1, f"there is no {raw_table}: the stream has not made it. See {_RUNBOOK}")
        found = _columns_that_differ(source, table, columns, there)
        shared = [column for column in columns if column.name in there]
        raw = Raw.open(client, raw_table, key, shared, source.position_ms)
        rows, differences, is_read = _Comparison(source, raw, table, key, shared).differences()
        if differences:
            found.append(differences.words())
        if not is_read:
            found.append("the stream has not read all that the source holds")
    wrong = len(differences) + len(found) - bool(differences)
    if not found:
        return Finding(rows, 0, f"{rows:,} rows are the same in {table} and {raw_table}, in {len(shared)} columns")
    return Finding(rows, wrong, f"{table} and {raw_table} differ: {'; '.join(found)}. See {_RUNBOOK}")


def _columns_that_differ(source: Snapshot, table: str, columns: list[Column], there: list[str]) -> list[str]:
    names = [column.name for column in columns]
    found = [
        f"the source has no column {name} any more, and raw has: what is made of it is NULL from now on"
        for name in there
        if name not in names
    ]
    # Datastream adds a column with the first row that has it.
    found += [
        f"raw has no column {name}, and the source has values in it: the rows of before are not captured with it"
        for name in names
        if name not in there and source.has_values(table, name)
    ]
    return found


class _Comparison:
    """One table of a snapshot beside raw."""

    def __init__(self, source: Snapshot, raw: Raw, table: str, key: str, columns: Sequence[Column]) -> None:
        self._source, self._raw = source, raw
        self._asked = (table, key, columns)

    def differences(self) -> tuple[int, _Differences, bool]:
        """How many rows the source has, what is wrong at the end, and whether the stream has read everything.

        Without a difference nothing is waited for.
        """
        deadline = time.monotonic() + float(os.environ["CAPTURED_WITHIN_S"])
        written_within_s, slot, pause_s = float(os.environ["WRITTEN_WITHIN_S"]), os.environ["SLOT"], _FIRST_PAUSE_S
        rows = sum(found.rows for found in self._source.sums(*self._asked, WIDTHS[0], None).values())
        while True:
            # Asked before raw is looked at: what arrives in between is seen.
            read_for_s = self._source.read_for_s(slot)
            is_over = time.monotonic() >= deadline or (read_for_s is not None and read_for_s >= written_within_s)
            wrong = self._wrong()
            if not wrong or is_over:
                return rows, wrong, not wrong or read_for_s is not None
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    def _wrong(self) -> _Differences:
        found = _Differences()
        columns = self._asked[2]
        since_ms = self._source.position_ms - _UNSURE_MS
        for keys in self._different_keys():
            expected = self._source.rows(*self._asked, keys)
            for key, states in self._raw.states(keys, since_ms).items():
                if expected.get(key) not in states:
                    found.add(key, columns, expected.get(key), states[-1])
            if len(found) >= _MOST_KEYS:
                break
        return found

    def _different_keys(self) -> Iterator[list[int]]:
        """The keys whose rows differ, some at a time: wide ranges first, then only what differs of them."""
        wide, narrow, single = WIDTHS
        ranges = self._differing(wide, None)
        if not ranges:
            return
        for part in in_parts(self._differing(narrow, bounds(ranges, wide))):
            keys = self._differing(single, bounds(part, narrow))
            for start in range(0, len(keys), _MOST_KEYS):
                yield keys[start : start + _MOST_KEYS]

    def _differing(self, width: int, within: tuple[tuple[int, int], ...] | None) -> list[int]:
        return differing(self._source.sums(*self._asked, width, within), self._raw.sums(width, within))


def _some(keys: list[int]) -> str:
    examples = ", ".join(map(str, sorted(keys)[:_EXAMPLES])) + (", …" if len(keys) > _EXAMPLES else "")
    return f"{len(keys):,} {'key' if len(keys) == 1 else 'keys'} ({examples})"
