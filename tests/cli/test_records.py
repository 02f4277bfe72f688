"""Rows as a person or a program reads them: exact, readable at any width, whole in a pipe."""

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from omnipipe.cli import records
from omnipipe.cli.records import as_json, exact, print_csv, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.001, "0.001"),
        (1e-07, "1e-07"),
        (52.520008, "52.520008"),
        (12345678, "12345678"),
        (Decimal("1257.200000000"), "1257.2"),
        (Decimal("1E+3"), "1000"),
        (Decimal("NaN"), "NaN"),
        (None, "NULL"),
        ("", ""),
        (b"abc", "YWJj"),
        (True, "true"),
        (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 5, 0, 0, 123456, UTC), "2026-11-20 05:00:00.123456+00:00"),
        ([1, None, Decimal("0.10")], '[1, null, "0.1"]'),
        ({"a": b"\xff", "b": date(2026, 1, 2)}, '{"a": "/w==", "b": "2026-01-02"}'),
    ],
)
def test_a_value_is_shown_exactly(value: Any, shown: str) -> None:
    assert exact(value) == shown


def test_json_has_numbers_as_numbers_and_everything_else_as_its_text() -> None:
    row = [1, 0.001, float("nan"), Decimal("0.1"), b"abc", None, {"a": [date(2026, 1, 2)]}]
    assert json.loads(json.dumps([as_json(value) for value in row], allow_nan=False)) == [
        1,
        0.001,
        "nan",
        "0.1",
        "YWJj",
        None,
        {"a": ["2026-01-02"]},
    ]


def test_csv_quotes_what_needs_it_and_leaves_null_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["a", "b"], [[None, 'say "x", y'], [0.001, "line\nline"]])
    assert capsys.readouterr().out == 'a,b\n,"say ""x"", y"\n0.001,"line\nline"\n'


ROWS = [
    [
        "weather",
        "succeeded",
        "5,952",
        "5952 new hours of 8 cities from 2026-10-22 to 2026-11-21, and some words more",
    ],
    ["dbt", "failed", "", "no"],
]
COLUMNS = ("step", "status", "rows", "")


def test_into_a_pipe_nothing_is_folded_or_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5000
    table(("id", "text"), [[1, long], [20, "short"]])
    assert capsys.readouterr().out == f"id  text\n 1  {long}\n20  short\n"


def screen(monkeypatch: pytest.MonkeyPatch, width: int) -> io.StringIO:
    """A terminal of some width in the place of this one."""
    file = io.StringIO()
    monkeypatch.setattr(
        records, "console", Console(file=file, force_terminal=True, width=width, color_system=None)
    )
    return file


def test_at_80_columns_the_last_column_is_folded_in_its_own_place(monkeypatch: pytest.MonkeyPatch) -> None:
    file = screen(monkeypatch, 80)
    table(COLUMNS, ROWS)
    assert file.getvalue().splitlines() == [
        "step     status      rows",
        "weather  succeeded  5,952  5952 new hours of 8 cities from 2026-10-22 to",
        "                           2026-11-21, and some words more",
        "dbt      failed            no",
    ]


def test_what_does_not_fit_as_a_table_is_a_block_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    file = screen(monkeypatch, 40)
    table(COLUMNS, ROWS)
    assert file.getvalue().splitlines()[:4] == [
        "step    weather",
        "status  succeeded",
        "rows    5,952",
        "        5952 new hours of 8 cities from",
    ]
    assert max(map(len, file.getvalue().splitlines())) <= 40


def test_at_200_columns_it_is_a_table_of_one_line_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    file = screen(monkeypatch, 200)
    table(COLUMNS, ROWS)
    assert len(file.getvalue().splitlines()) == 3


def test_a_state_has_its_colour_and_a_word_in_a_message_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=100, color_system="standard")
    monkeypatch.setattr(records, "console", terminal)
    table(("status", "message"), [["failed", "it failed"]])
    assert file.getvalue().splitlines()[1] == "\x1b[1;31mfailed\x1b[0m  it failed"


def test_what_a_value_holds_does_nothing_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = screen(monkeypatch, 80)
    table(("text",), [["a\x1b[2Jb\nc[bold]d"]])
    assert file.getvalue().splitlines()[1] == r"a\x1b[2Jb\nc[bold]d"


def test_wide_characters_count_as_they_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    table(("a", "b"), [["日本", "x"], ["yyyy", "x"]])
    assert capsys.readouterr().out.splitlines()[1:] == ["日本  x", "yyyy  x"]


def test_a_table_without_rows_is_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    table(("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n"
