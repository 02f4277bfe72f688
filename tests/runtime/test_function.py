"""The frame of a function: what the workflow gets as an answer, and what is recorded."""

from collections.abc import Callable

import pytest
from google.cloud import bigquery

from omnipipe.runtime import audit, function
from omnipipe.runtime.run import Run
from tests.support.emulator import rows

BODY = {"run_id": "run-1", "run_date": "2026-03-03"}
Work = Callable[[bigquery.Client, Run, audit.Step], None]


def never(*_: object) -> None:
    raise AssertionError("not to be called")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "the body must be JSON"),
        ([BODY], "the body must be JSON"),
        ("run-1", "the body must be JSON"),
        ({}, "run_id must be the id of the run"),
        ({"run_id": "run-1"}, "run_date must be a day"),
        ({"run_date": "2026-03-03"}, "run_id must be the id of the run"),
    ],
)
def test_a_body_that_names_no_run_is_400_and_nothing_is_done(body: object, words: str) -> None:
    said, code = function.answer(body, "weather", never)
    assert code == 400
    assert words in said["error"]


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_missing_is_told_by_name(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("BIGQUERY_LOCATION", raising=False)
    if value is not None:
        monkeypatch.setenv("BIGQUERY_LOCATION", value)
    said, code = function.answer(BODY, "weather", never)
    assert code == 500
    assert "the environment variable BIGQUERY_LOCATION is not set" in said["error"]
    monkeypatch.setenv("BIGQUERY_LOCATION", "EU")
    assert function.environment("BIGQUERY_LOCATION") == "EU"


@pytest.fixture
def answer(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], tuple[dict, int]]:
    """A function whose BigQuery is the emulator."""
    monkeypatch.setenv("BIGQUERY_LOCATION", "EU")
    monkeypatch.setattr(function.warehouse, "Client", lambda step, run_id, location: client)
    return lambda work: function.answer(BODY, "weather", work)


def recorded(client: bigquery.Client) -> list[tuple]:
    found = rows(client, "SELECT run_id, step, status, `rows`, message FROM ops.step_runs")
    return [tuple(row.values()) for row in found]


def test_work_that_ends_well_is_answered_with_what_it_says(
    client: bigquery.Client, answer: Callable[[Work], tuple[dict, int]]
) -> None:
    def work(_: bigquery.Client, run: Run, step: audit.Step) -> None:
        step.rows, step.message = 8, f"for {run.run_date}"

    assert answer(work) == ({"rows": 8, "message": "for 2026-03-03"}, 200)
    assert recorded(client) == [("run-1", "weather", "succeeded", 8, "for 2026-03-03")]


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("no\n  city"), "no city"), (RuntimeError(), "RuntimeError"), (OSError(" "), "OSError")],
)
def test_any_failure_is_500_with_its_cause_on_one_line(
    client: bigquery.Client, answer: Callable[[Work], tuple[dict, int]], error: Exception, said: str
) -> None:
    def work(_: bigquery.Client, run: Run, step: audit.Step) -> None:
        step.rows = 3
        raise error

    assert answer(work) == ({"error": said}, 500)
    ((_, _, status, written, _),) = recorded(client)
    assert (status, written) == ("failed", 3)


def test_a_defect_is_answered_and_recorded_with_its_place(
    client: bigquery.Client, answer: Callable[[Work], tuple[dict, int]]
) -> None:
    def work(*_: object) -> None:
        {}["city"]

    said = f"KeyError: 'city' (tests/runtime/test_function.py, line {work.__code__.co_firstlineno + 1})"
    assert answer(work) == ({"error": said}, 500)
    ((*_, recorded_as),) = recorded(client)
    assert recorded_as == said
