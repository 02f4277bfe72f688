"""The frame of a job: what becomes of its work, as an exit code and in the audit trail."""

import json

import pytest
from google.cloud import bigquery

from omnipipe.runtime import audit, warehouse
from omnipipe.runtime.job import StepFailed, run_step
from omnipipe.runtime.run import Run
from tests.support.emulator import rows


@pytest.fixture(autouse=True)
def job(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a job, with its own client of the emulator."""
    monkeypatch.setattr(warehouse, "Client", lambda *_, **__: client)
    monkeypatch.setenv("RUN_ID", "run-1")
    monkeypatch.setenv("RUN_DATE", "2026-03-03")


def recorded(client: bigquery.Client) -> list[tuple]:
    found = rows(client, "SELECT run_id, step, status, `rows`, message FROM ops.step_runs")
    return [tuple(row.values()) for row in found]


def test_work_that_ends_well_is_exit_code_0(client: bigquery.Client) -> None:
    def work(_: bigquery.Client, run: Run, step: audit.Step) -> None:
        step.rows, step.message = 3, f"for {run.run_date}"

    assert run_step("dbt", work) == 0
    assert recorded(client) == [("run-1", "dbt", "succeeded", 3, "for 2026-03-03")]


def test_a_step_that_failed_is_exit_code_1_with_its_reason(client: bigquery.Client) -> None:
    def work(*_: object) -> None:
        raise StepFailed("model fct_trip: no such column")

    assert run_step("dbt", work) == 1
    assert recorded(client) == [("run-1", "dbt", "failed", None, "model fct_trip: no such column")]


def test_a_defect_is_recorded_too_and_not_hidden(client: bigquery.Client) -> None:
    def work(*_: object) -> None:
        {}["city"]

    with pytest.raises(KeyError):
        run_step("dbt", work)
    line = work.__code__.co_firstlineno + 1
    message = f"KeyError: 'city' (tests/runtime/test_job.py, line {line})"
    assert recorded(client) == [("run-1", "dbt", "failed", None, message)]


def test_without_a_run_nothing_is_done(
    client: bigquery.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUN_DATE", "today")

    def work(*_: object) -> None:
        raise AssertionError("not to be called")

    assert run_step("dbt", work) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["severity"], said["message"]) == (
        "ERROR",
        "run_date must be a day as YYYY-MM-DD, not 'today': the job takes them from RUN_ID and RUN_DATE",
    )
    assert recorded(client) == []
