"""The audit row of a step: written once, whatever way the step ends."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from omnipipe.contracts.schema import Table
from omnipipe.contracts.tables import STEP_RUNS, StepRun
from omnipipe.runtime import audit, warehouse
from tests.support.emulator import rows

# The part of a client that a step asks: how much its queries have read.
NO_CLIENT: Any = SimpleNamespace(bytes_processed=None)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[StepRun]:
    """The rows that go to the audit table, without one."""
    found: list[StepRun] = []

    def insert(_: object, table: Table, rows: list[StepRun]) -> int:
        assert table is STEP_RUNS
        found.extend(rows)
        return len(rows)

    monkeypatch.setattr(warehouse, "insert", insert)
    return found


def test_a_row_says_which_step_of_which_run_did_what_from_when_to_when(written: list[StepRun]) -> None:
    before = datetime.now(UTC)
    with audit.step(NO_CLIENT, "run-1", "weather") as step:
        between = datetime.now(UTC)
        step.rows, step.message = 24, "8 cities"
    (row,) = written
    assert (row.run_id, row.step, row.status, row.rows, row.message) == (
        "run-1",
        "weather",
        "succeeded",
        24,
        "8 cities",
    )
    assert before <= row.started_at <= between <= row.finished_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no city"), "no city"),
        (RuntimeError(), "RuntimeError"),
        (SystemExit(1), "1"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_failed_step_is_a_row_and_a_line_of_the_log_with_the_run_and_the_traceback(
    written: list[StepRun], caplog: pytest.LogCaptureFixture, error: BaseException, message: str
) -> None:
    def fail() -> None:
        with audit.step(NO_CLIENT, "run-2", "dbt"):
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [(row.run_id, row.status, row.message) for row in written] == [("run-2", "failed", message)]
    (line,) = caplog.records
    assert (line.levelname, vars(line)["run_id"]) == ("ERROR", "run-2")
    assert "step dbt failed" in line.getMessage()
    assert line.exc_info
    assert line.exc_info[1] is error


def test_what_ends_well_is_a_line_of_the_run_too(written: list[StepRun], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), audit.step(NO_CLIENT, "run-3", "dbt") as step:
        step.rows = 7
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("INFO", "step dbt succeeded, rows: 7")
    assert vars(line)["run_id"] == "run-3"


COLUMNS = "SELECT run_id, step, status, `rows`, message, finished_at >= started_at AS ordered FROM ops.step_runs"


def test_a_step_that_ends_well_is_recorded_once(client: warehouse.Client) -> None:
    with audit.step(client, "run-1", "weather") as step:
        step.rows = 24
        step.message = "8 cities"
    assert rows(client, COLUMNS) == [
        {
            "run_id": "run-1",
            "step": "weather",
            "status": "succeeded",
            "rows": 24,
            "message": "8 cities",
            "ordered": True,
        }
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("no city"), "no city"), (SystemExit(1), "1"), (RuntimeError(), "RuntimeError")],
)
def test_a_step_that_fails_is_recorded_with_its_cause(
    client: warehouse.Client, error: BaseException, message: str
) -> None:
    def fail() -> None:
        with audit.step(client, "run-2", "dbt") as step:
            step.rows = 3
            raise error

    with pytest.raises(type(error)):
        fail()
    (recorded,) = rows(client, COLUMNS)
    assert (recorded["status"], recorded["rows"], recorded["message"]) == ("failed", 3, message)


def test_the_cause_survives_when_the_row_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("BigQuery is away")

    monkeypatch.setattr(warehouse, "insert", unreachable)
    with pytest.raises(ValueError, match="no city"), audit.step(NO_CLIENT, "run-3", "weather"):
        raise ValueError("no city")
    (lost,) = (line for line in caplog.records if "could not be recorded" in line.getMessage())
    assert vars(lost)["run_id"] == "run-3"
    assert lost.exc_info
    with pytest.raises(ConnectionError), audit.step(NO_CLIENT, "run-3", "weather"):
        pass


def test_what_the_queries_of_a_step_have_read_is_recorded(
    client: warehouse.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = "SELECT run_id, bytes_processed FROM ops.step_runs ORDER BY run_id"
    monkeypatch.setattr(warehouse.Client, "bytes_processed", None)
    with audit.step(client, "run-4", "weather"):
        pass
    monkeypatch.setattr(warehouse.Client, "bytes_processed", 5 * 10**9)
    with pytest.raises(ValueError, match="no city"), audit.step(client, "run-5", "weather"):
        raise ValueError("no city")
    assert rows(client, recorded) == [
        {"run_id": "run-4", "bytes_processed": None},
        {"run_id": "run-5", "bytes_processed": 5 * 10**9},
    ]
