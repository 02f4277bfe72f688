"""Values that somebody may write where YAML takes any, of each type that it has."""

from datetime import UTC, date, datetime
from typing import Any

ODDITIES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 10**30, 0.5, float("inf"), float("nan")),
    *("", " ", "a", "a b", "a.b", "a.b.c", "1", "5%", "101%", "it's", "a\nb", "\\", "é", "\u0661", "{run_date}"),
    *(b"a", date(2026, 3, 3), datetime(2026, 3, 3, tzinfo=UTC)),
    *([], [None], ["a"], ["a", "a b"], [1, "a"], [["a"]], {}, {"a": 1}, {1: [{}]}),
)
