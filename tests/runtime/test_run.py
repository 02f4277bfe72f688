"""The run that a step belongs to: what names one, and what is told to who does not."""

from datetime import date

import pytest

from omnipipe.runtime.run import Run


def test_a_run_is_its_id_and_its_day() -> None:
    assert Run.parse("run-1", "2026-03-03") == Run("run-1", date(2026, 3, 3))


@pytest.mark.parametrize("run_id", [None, "", 7, ["run-1"]])
def test_without_an_id_there_is_no_run(run_id: object) -> None:
    with pytest.raises(ValueError, match="run_id must be the id of the run, not ") as refused:
        Run.parse(run_id, "2026-03-03")
    assert str(refused.value).endswith(repr(run_id))


@pytest.mark.parametrize("run_date", [None, "", "today", "2026-02-30", "03.03.2026", 20260303])
def test_without_a_day_there_is_no_run(run_date: object) -> None:
    with pytest.raises(ValueError, match="run_date must be a day as YYYY-MM-DD, not ") as refused:
        Run.parse("run-1", run_date)
    assert str(refused.value).endswith(repr(run_date))


def test_a_job_takes_its_run_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_ID", "run-2")
    monkeypatch.setenv("RUN_DATE", "2026-03-04")
    assert Run.from_environment() == Run("run-2", date(2026, 3, 4))


@pytest.mark.parametrize(("missing", "words"), [("RUN_ID", "run_id must be"), ("RUN_DATE", "run_date must be")])
def test_a_job_without_one_is_told_where_it_takes_it_from(
    monkeypatch: pytest.MonkeyPatch, missing: str, words: str
) -> None:
    monkeypatch.setenv("RUN_ID", "run-2")
    monkeypatch.setenv("RUN_DATE", "2026-03-04")
    monkeypatch.delenv(missing)
    with pytest.raises(ValueError, match=f"{words}.*: the job takes them from RUN_ID and RUN_DATE"):
        Run.from_environment()
