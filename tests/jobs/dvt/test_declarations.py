"""Declarations of checks: the project's own are in order, and a wrong one says what to do."""

import dataclasses
from pathlib import Path

import pytest
from declarations import (  # pyright: ignore[reportMissingImports] - conftest.py says where
    BadChecks,
    Check,
    CheckedTable,
    Threshold,
    load,
)
from validation import OPTIONS  # pyright: ignore[reportMissingImports] - conftest.py says where

from tests.dbt.warehouse import ROOT

VOLUME = "  - {id: rows, kind: row_count, min: 1, dimension: volume, severity: error}\n"


def test_the_projects_checks_can_be_loaded() -> None:
    tables = {table.name: table for table in load(ROOT / "jobs" / "dvt" / "checks", OPTIONS)}
    published = {
        "analysis.kpis",
        "prod.fct_trip",
        "prod.dim_customer",
        "staging.stg_trips",
        "staging.stg_customers",
    }
    assert published <= tables.keys()
    for table in tables.values():
        assert any(check.kind == "row_count" and check.severity == "error" for check in table.checks), table.name


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("table: a.b\nchecks: [", "a.yml: this is not YAML"),
        (
            "table: a.b\nchecks:\n  - {id: x, kind: captured, source: t, dimension: consistency, severity: error}",
            "source is 't': write schema.table of Postgres",
        ),
        ("[]", "a.yml: give `table: dataset.table` and a list under `checks:`"),
        (f"table: b\nchecks:\n{VOLUME}", "a.yml: table is 'b': write dataset.table"),
        (f"table: a.b\nfilters: x\nchecks:\n{VOLUME}", "a.yml: unknown key 'filters': remove it"),
        ("table: a.b\nchecks: [oops]", "a.yml: check number 1: write it as"),
        ("table: a.b\nchecks: []", "a.yml: no check of kind row_count: add one"),
        (f"table: a.b\nchecks:\n{VOLUME}{VOLUME}", "a.b: check rows: a.b has one of this id: rename one"),
        (
            "{id: x, kind: nul, dimension: volume, severity: error}",
            "check x: kind is 'nul': choose one of not_null",
        ),
        (
            "{id: x, kind: not_null, column: c, dimension: speed, severity: error}",
            "dimension is 'speed': choose one of",
        ),
        (
            "{id: x, kind: not_null, column: c, dimension: volume, severity: bad}",
            "severity is 'bad': choose one of error",
        ),
        (
            "{id: x, kind: not_null, dimension: volume, severity: warn}",
            "check x: kind not_null needs column: add it",
        ),
        (
            "{id: x, kind: range, column: c, dimension: volume, severity: warn}",
            "kind range needs max or min: add one",
        ),
        (
            "{id: x, kind: not_null, column: c, max: 1, dimension: volume, severity: warn}",
            "no option max: remove",
        ),
        (
            "{id: x, kind: not_null, column: a b, dimension: volume, severity: warn}",
            "'a b' is not a column's name",
        ),
        ("{kind: not_null, column: c, dimension: volume, severity: warn}", "check number 2: give it an `id`"),
        (
            "{id: x, kind: not_null, column: c, threshold: few, dimension: volume, severity: warn}",
            "threshold is 'few': give a whole number, or a share such as 0.5%",
        ),
        (
            "{id: x, kind: relationship, column: c, references: t.c, dimension: volume, severity: warn}",
            "references is 't.c': write dataset.table.column",
        ),
        (
            "{id: x, kind: accepted_values, column: c, values: y, dimension: volume, severity: warn}",
            "values: give a list",
        ),
    ],
)
def test_a_wrong_declaration_names_the_file_and_what_to_do(tmp_path: Path, content: str, expected: str) -> None:
    text = f"table: a.b\nchecks:\n{VOLUME}  - {content}\n" if content.startswith("{") else content
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(BadChecks) as raised:
        load(tmp_path, OPTIONS)
    assert expected in str(raised.value)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text("table: a.b\nchecks: [{id: x, kind: unique}]")
    with pytest.raises(BadChecks) as raised:
        load(tmp_path, OPTIONS)
    lines = str(raised.value).splitlines()
    assert len(lines) == 8
    assert {line.split(":")[0] for line in lines} == {"a.yml", "b.yml"}


def test_a_folder_without_checks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadChecks, match=r"has no checks: add a file TABLE\.yml"):
        load(tmp_path, OPTIONS)


@pytest.mark.parametrize(
    ("text", "value", "base", "allowed"),
    [
        (0, 0, 10, True),
        (0, 1, 10, False),
        (2, 2, 10, True),
        ("10%", 1, 10, True),
        ("10%", 2, 10, False),
        ("5%", 0, 0, True),
    ],
)
def test_thresholds_are_numbers_or_shares(text: object, value: float, base: float, allowed: bool) -> None:
    assert Threshold.parse(text).allows(value, base) is allowed


@pytest.mark.parametrize(
    ("text", "shown"), [(0, "0"), ("3", "3"), ("0.5%", "0.5%"), ("100%", "100%"), ("0.0%", "0%"), ("10%", "10%")]
)
def test_a_threshold_is_shown_as_it_is_written(text: object, shown: str) -> None:
    assert str(Threshold.parse(text)) == shown


@pytest.mark.parametrize("text", ["0.5", "101%", "100.1%", "-1", "1 %", "%", "", "1e3", None])
def test_what_is_neither_a_number_nor_a_share_is_no_threshold(text: object) -> None:
    with pytest.raises(ValueError, match="give a whole number, or a share"):
        Threshold.parse(text)


def test_the_threshold_of_a_check_is_its_own_or_none_may_be_wrong() -> None:
    made = Check("c", "a.b", "not_null", "validity", "error", {"column": "c", "threshold": "2%"})
    assert made.threshold == Threshold(2, percent=True)
    assert dataclasses.replace(made, options={}).threshold == Threshold(0)


def test_a_table_can_be_taken_with_one_of_its_checks() -> None:
    one, other = (Check(id_, "a.b", "not_null", "validity", "error", {}) for id_ in ("x", "y"))
    table = CheckedTable("a.b", "day = 1", (one, other))
    assert table.only(other) == CheckedTable("a.b", "day = 1", (other,))
