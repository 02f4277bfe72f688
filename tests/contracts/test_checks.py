"""Declarations of checks: the project's own are in order, and a wrong one says what to do."""

import dataclasses
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from omnipipe.contracts.checks import OPTIONS, BadChecks, Check, CheckedTable, Threshold, load
from tests.contracts.oddities import ODDITIES

FOLDER = Path(__file__).resolve().parents[2] / "jobs" / "dvt" / "checks"
VOLUME = "  - {id: rows, kind: row_count, min: 1, dimension: volume, severity: error}\n"


def test_the_projects_checks_can_be_loaded() -> None:
    tables = {table.name: table for table in load(FOLDER)}
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
        ("table: a.b\nchecks: [", "a.yml:2: this cannot be read as YAML: "),
        (
            "table: a.b\nchecks: [2026-13-01]",
            "a.yml: this cannot be read as YAML: ValueError: month must be in 1..12",
        ),
        ("", "a.yml: give `table: dataset.table` and a list under `checks:`"),
        (
            "table: a.b\nchecks:\n  - {id: x, kind: captured, source: t, dimension: consistency, severity: error}",
            "source is 't': write schema.table of Postgres",
        ),
        ("[]", "a.yml: give `table: dataset.table` and a list under `checks:`"),
        (
            f"table: a.b\nfilter: '{{days day}}'\nchecks:\n{VOLUME}",
            "a.yml: {days …} is used: add changed_days, the query of the days that changed",
        ),
        (
            f"table: a.b\nchanged_days: SELECT day FROM a.c\nchecks:\n{VOLUME}",
            "a.yml: changed_days is 'SELECT day FROM a.c': write a query with {since} in it",
        ),
        (f"table: b\nchecks:\n{VOLUME}", "a.yml: table is 'b': write dataset.table"),
        (f"table: a.b\nfilters: x\nchecks:\n{VOLUME}", "a.yml: unknown key 'filters': remove it"),
        ("table: a.b\nchecks: [oops]", "a.yml:2: check number 1: write it as"),
        ("table: a.b\nchecks: []", "a.yml: no check of kind row_count: add one"),
        (
            f"table: a.b\nchecks:\n{VOLUME}{VOLUME}",
            "a.yml:4: check rows: a.yml:3 has a check of this id: rename one",
        ),
        (f"table: a.b\nfilter: 3\nchecks:\n{VOLUME}", "a.yml: filter is 3: write it as text"),
        (f"table: a.b\nchecks:\n{VOLUME}    id: b\n", "a.yml:4: this cannot be read as YAML"),
        (
            "table: a.b\nchecks:\n  - id: x\n    kind: unique\n    id: y",
            "a.yml:5: this cannot be read as YAML: id is there twice: remove one, or begin the next check with a dash",
        ),
        (
            "{id: x, kind: [a], dimension: volume, severity: error}",
            "a.yml:4: check x: kind is ['a']: choose one of",
        ),
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
            "kind range needs min or max: add one",
        ),
        (
            "{id: x, kind: not_null, column: c, max: 1, dimension: volume, severity: warn}",
            "no option max: remove",
        ),
        (
            "{id: x, kind: not_null, column: a b, dimension: volume, severity: warn}",
            "column is 'a b': write a column's name; for anything else use kind expression",
        ),
        (
            "{kind: not_null, column: c, dimension: volume, severity: warn}",
            "a.yml:4: check number 2: give it an `id`",
        ),
        (
            "{id: 2026-01-01, kind: unique, column: c, dimension: volume, severity: warn}",
            "check number 2: give it an",
        ),
        (
            "{id: true, kind: unique, column: c, dimension: volume, severity: warn}",
            "check number 2: give it an `id`",
        ),
        (
            "{id: x, kind: unique, columns: c, dimension: volume, severity: warn}",
            "columns is 'c': write a list of columns' names",
        ),
        (
            "{id: x, kind: row_count, min: many, dimension: volume, severity: warn}",
            "min is 'many': write a whole number",
        ),
        (
            "{id: x, kind: range, column: c, min: [1], dimension: volume, severity: warn}",
            "min is [1]: write a number, a date or a text",
        ),
        (
            "{id: x, kind: not_null, column: c, threshold: few, dimension: volume, severity: warn}",
            "threshold is 'few': write a whole number, or a share such as 0.5%",
        ),
        (
            "{id: x, kind: relationship, column: c, references: t.c, dimension: volume, severity: warn}",
            "references is 't.c': write dataset.table.column",
        ),
        (
            "{id: x, kind: accepted_values, column: c, values: y, dimension: volume, severity: warn}",
            "values is 'y': write a list of numbers, dates or texts",
        ),
    ],
)
def test_a_wrong_declaration_names_the_file_and_what_to_do(tmp_path: Path, content: str, expected: str) -> None:
    text = f"table: a.b\nchecks:\n{VOLUME}  - {content}\n" if content.startswith("{") else content
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(BadChecks) as raised:
        load(tmp_path)
    assert expected in str(raised.value)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text("table: a.b\nchecks: [{id: x, kind: unique}]")
    with pytest.raises(BadChecks) as raised:
        load(tmp_path)
    lines = str(raised.value).splitlines()
    assert len(lines) == 9
    assert {line.split(":")[0] for line in lines} == {"a.yml", "b.yml"}
    assert "b.yml:2: check x: a.yml:2 has a check of this id: rename one" in lines


GOOD = {
    **{"column": "c", "columns": ["c"], "values": [1], "min": 1, "max": 2, "regex": "a", "holds": "a"},
    **{"references": "a.b.c", "max_age_hours": 1, "source": "public.trips", "value": "1", "threshold": 1},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_whatever_a_file_holds_is_taken_or_refused_in_words(tmp_path: Path, kind: str) -> None:
    volume = {"id": "rows", "kind": "row_count", "min": 1, "dimension": "volume", "severity": "error"}
    whole = {"id": "x", "kind": kind, "dimension": "volume", "severity": "warn"}
    whole |= {name: GOOD[name] for name in OPTIONS[kind].all}
    for key in [*whole, 7, None]:
        for odd in ODDITIES:
            declared = {"table": "a.b", "checks": [volume, whole | {key: odd}]}
            (tmp_path / "a.yml").write_text(yaml.dump(declared))
            with suppress(BadChecks):  # every other exception is a defect
                (table,) = load(tmp_path)
                assert {check.id for check in table.checks} == {"rows", odd if key == "id" else "x"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def test_a_file_cut_off_anywhere_is_taken_or_refused_in_words(tmp_path: Path, path: Path) -> None:
    text = path.read_bytes()
    for end in range(0, len(text), 3):
        for piece in (text[:end], text[end:], text[:end] + b"\xff" + text[end:]):
            (tmp_path / "a.yml").write_bytes(piece)
            with suppress(BadChecks):
                load(tmp_path)


def test_a_folder_without_checks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadChecks, match=r"has no checks: add a file TABLE\.yml"):
        load(tmp_path)


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
