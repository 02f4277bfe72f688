"""What a kind of check asks and how it judges, without a table: limits, words and literals."""

from datetime import date

import pytest
from kinds import KINDS, literal  # pyright: ignore[reportMissingImports] - conftest.py says where
from validation import CAPTURED  # pyright: ignore[reportMissingImports] - conftest.py says where

from omnipipe.contracts.checks import OPTIONS, BadChecks, Check, CheckedTable, load
from tests.contracts.oddities import ODDITIES


def check(kind: str, **options: object) -> Check:
    return Check("c", "prod.t", kind, "validity", "error", options)


def verdict(made: Check, value: float | None, base: float = 100) -> tuple[bool, str, str]:
    judged = KINDS[made.kind].judge(made, value, base)
    return judged.passed, judged.expected, judged.found


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ({}, 0, (True, "at most 0 rows wrong", "0 of 100 rows are wrong")),
        ({}, None, (True, "at most 0 rows wrong", "0 of 100 rows are wrong")),  # of no rows
        ({}, 1, (False, "at most 0 rows wrong", "1 of 100 rows are wrong")),
        ({"threshold": 2}, 2, (True, "at most 2 rows wrong", "2 of 100 rows are wrong")),
        ({"threshold": "2%"}, 2, (True, "at most 2% of the rows wrong", "2 of 100 rows are wrong")),
        ({"threshold": "2%"}, 3, (False, "at most 2% of the rows wrong", "3 of 100 rows are wrong")),
    ],
)
def test_wrong_rows_are_counted_against_the_threshold(
    options: dict[str, object], value: float | None, expected: tuple[bool, str, str]
) -> None:
    for kind in ("not_null", "unique", "relationship", "expression"):
        assert verdict(check(kind, **options), value) == expected


@pytest.mark.parametrize(
    ("options", "count", "passed", "expected"),
    [
        ({"min": 3}, 2, False, "at least 3 rows"),
        ({"min": 3}, 3, True, "at least 3 rows"),
        ({"min": 0}, None, True, "at least 0 rows"),
        ({"min": 1}, None, False, "at least 1 rows"),
        ({"min": 3, "max": 5}, 2, False, "3 to 5 rows"),
        ({"min": 3, "max": 5}, 5, True, "3 to 5 rows"),
        ({"min": 3, "max": 5}, 6, False, "3 to 5 rows"),
    ],
)
def test_a_count_is_within_its_limits(
    options: dict[str, object], count: float | None, passed: bool, expected: str
) -> None:
    assert verdict(check("row_count", **options), count) == (passed, expected, f"there are {count or 0} rows")


@pytest.mark.parametrize(("age", "passed"), [(5.9, True), (6, True), (6.1, False), (-1, True)])
def test_an_age_is_at_most_the_limit(age: float, passed: bool) -> None:
    expected = (
        "at most 6 h before the end of the run's day",
        f"the newest row is {age:.1f} h older than the day's end",
    )
    assert verdict(check("freshness", column="day", max_age_hours=6), age) == (passed, *expected)


def test_a_table_without_rows_is_not_fresh() -> None:
    passed, _, found = verdict(check("freshness", column="day", max_age_hours=6), None)
    assert (passed, found) == (False, "there is no row")


@pytest.mark.parametrize(
    ("threshold", "value", "passed", "expected"),
    [
        (0, 0, True, "a difference of at most 0 from the source"),
        (0, 1, False, "a difference of at most 0 from the source"),
        ("1%", 2, True, "a difference of at most 1% from the source"),  # of the source's 200
        ("1%", 3, False, "a difference of at most 1% from the source"),
    ],
)
def test_a_difference_is_a_share_of_the_source(
    threshold: object, value: float, passed: bool, expected: str
) -> None:
    judged = verdict(check("source_match", source="SELECT 200", threshold=threshold), value, 200)
    assert judged == (passed, expected, f"differs by {value} from the source's 200")


def test_nothing_to_compare_is_no_match() -> None:
    passed, _, found = verdict(check("source_match", source="SELECT NULL"), None)
    assert (passed, found) == (False, "there is nothing to compare")


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (True, "TRUE"),
        (3, "3"),
        (0.5, "0.5"),
        (date(2026, 3, 1), "DATE '2026-03-01'"),
        ("it's", r"'it\'s'"),
        ("a\\", r"'a\\'"),
        ("two\nlines", r"'two\nlines'"),
    ],
)
def test_a_value_is_a_literal_that_nothing_gets_out_of(value: object, sql: str) -> None:
    assert literal(value) == sql


@pytest.mark.parametrize(
    "declared",
    [
        "kind: not_null",
        "kind: accepted_values, column: c",
        "kind: accepted_values, values: [a]",
        "kind: range, column: c",
        "kind: range, min: 1",
        "kind: pattern, column: c",
        "kind: pattern, regex: a",
        "kind: expression",
        "kind: unique",
        "kind: relationship, column: c",
        "kind: relationship, references: a.b.c",
        "kind: row_count, max: 1",
        "kind: freshness, column: c",
        "kind: freshness, max_age_hours: 1",
        "kind: source_match",
    ],
)
def test_a_kind_without_what_it_needs_is_refused(tmp_path, declared: str) -> None:
    volume = "{id: v, kind: row_count, min: 0, dimension: volume, severity: error}"
    wrong = f"{{id: x, dimension: validity, severity: error, {declared}}}"
    (tmp_path / "t.yml").write_text(f"table: a.b\nchecks:\n  - {volume}\n  - {wrong}\n")
    with pytest.raises(BadChecks, match=r"check x: kind \w+ needs .*: add"):
        load(tmp_path)


def test_the_kinds_that_can_be_declared_are_those_that_can_be_measured() -> None:
    assert {*KINDS, CAPTURED} == OPTIONS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_what_a_declaration_may_say_can_be_measured_and_judged(name: str) -> None:
    options = OPTIONS[name]
    given = {
        option: [value for value in ODDITIES if form.holds(value)] or ["a.b.c"]
        for option, form in options.all.items()
    }
    for option, values in given.items():
        for value in values:
            made = check(name, **{other: some[0] for other, some in given.items()} | {option: value})
            assert KINDS[name].measure(CheckedTable("a.b", "TRUE", (made,)), made, "j").value
            for measured in (None, 0.0, 3.5):
                assert KINDS[name].judge(made, measured, 4.0).expected


def test_each_kind_shows_a_sample_of_what_is_wrong_within_the_filter() -> None:
    options = {
        **{"column": "c", "values": ["a"], "min": 0, "regex": "a", "holds": "TRUE", "references": "a.b.c"},
        **{"max_age_hours": 1, "source": "SELECT 1"},
    }
    table = CheckedTable("prod.t", "day = 1 OR day = 2", ())
    for name, kind in KINDS.items():
        shown = kind.measure(table, check(name, **options), "a").rows
        assert "FROM prod.t" in shown, name
        assert "day = 1 OR day = 2" in shown, name
        if name not in ("row_count", "freshness", "source_match"):  # which have one row
            assert shown.endswith(" LIMIT 100"), name
