"""The audit row of a step: written once, whatever way the step ends."""

import pytest

from omnipipe.runtime import audit, warehouse
from tests.runtime.emulator import rows

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
    ("error", "message"), [(ValueError("no city"), "no city"), (SystemExit(1), "1"), (KeyError(), "KeyError")]
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
    client: warehouse.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("BigQuery is away")

    monkeypatch.setattr(warehouse, "insert", unreachable)
    with pytest.raises(ValueError, match="no city"), audit.step(client, "run-3", "weather"):
        raise ValueError("no city")
    assert "could not be recorded" in caplog.text
    with pytest.raises(ConnectionError), audit.step(client, "run-3", "weather"):
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
