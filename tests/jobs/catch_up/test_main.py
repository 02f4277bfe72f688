"""The first step of a run: it ends when what was committed before it is in raw, or says how far behind raw is."""

import re
import threading
from datetime import UTC, date, datetime
from types import ModuleType

import pytest

from omnipipe.runtime.audit import Step
from omnipipe.runtime.job import StepFailed
from omnipipe.runtime.run import Run
from tests.jobs.catch_up.conftest import Datastream
from tests.laptop.services.datastream.conftest import Pipeline

RUN = Run("run-1", date(2026, 3, 3))
TRIPS = "SELECT COUNT(*) FROM raw.public_trips"


def catch_up(job: ModuleType, pipeline: Pipeline, run: Run = RUN) -> str:
    """What the step says."""
    step = Step(datetime.now(UTC))
    job.catch_up(pipeline.emulator.client, run, step)
    assert step.message
    return step.message


def refusal(job: ModuleType, pipeline: Pipeline) -> str:
    with pytest.raises(StepFailed) as failed:
        catch_up(job, pipeline)
    return str(failed.value)


def test_what_was_committed_before_is_in_raw(job: ModuleType, pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.catch_up()  # no backfill is going on, as the API says
    pipeline.execute("INSERT INTO trips SELECT generate_series(1, 20000)")
    said = catch_up(job, pipeline)
    assert re.match(r"what was committed until \d\d:\d\d:\d\d UTC is in raw, after \d+\.\d s", said)
    assert pipeline.emulator.rows(TRIPS) == [(20000,)]
    assert pipeline.emulator.rows("SELECT run_id FROM raw.public_heartbeat") == [("run-1",)]

    pipeline.execute("DELETE FROM trips WHERE id <= 500")
    catch_up(job, pipeline, Run("run-2", date(2026, 3, 4)))
    assert pipeline.emulator.rows(TRIPS) == [(20500,)]
    with pipeline.connect() as connection:
        assert connection.execute("SELECT writer, run_id FROM heartbeat").fetchall() == [("capture", "run-2")]


def test_a_stream_that_comes_back_in_time_is_waited_for(job: ModuleType, pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.catch_up()
    pipeline.stop()
    pipeline.execute("INSERT INTO trips VALUES (1)")
    later = threading.Timer(2, pipeline.start)
    later.start()
    catch_up(job, pipeline)
    later.join()
    assert pipeline.emulator.rows(TRIPS) == [(1,)]


def test_a_stream_that_never_wrote_is_told_with_what_its_slot_keeps(
    job: ModuleType, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTURED_WITHIN_S", "1")
    said = refusal(job, pipeline)
    assert said.startswith("raw is not up to date after 1 s: the heartbeat of ")
    assert "has not arrived, nor has any before it" in said
    assert re.search(
        rf"[1-9][\d,]* bytes of the log are not confirmed by the slot {pipeline.name}, and nobody", said
    )
    assert "Nothing was transformed or sent. See the stream's errors and docs/runbooks/replication.md" in said


def test_a_stream_that_stands_still_is_told_with_the_age_of_its_newest_heartbeat(
    job: ModuleType, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.start()
    catch_up(job, pipeline)
    pipeline.stop()
    monkeypatch.setenv("CAPTURED_WITHIN_S", "1")
    assert re.search(r"has not arrived; the newest that has is \d+ s older", refusal(job, pipeline))


@pytest.mark.parametrize("state", ["PENDING", "ACTIVE"])
def test_a_backfill_is_waited_for_before_the_heartbeat_is_written(
    job: ModuleType, pipeline: Pipeline, datastream: Datastream, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    pipeline.start()
    pipeline.catch_up()
    datastream.pages = [{"heartbeat": "COMPLETED"}, {"trips": state}]
    monkeypatch.setenv("CAPTURED_WITHIN_S", "1")
    assert "a backfill of public.trips is going on or about to begin" in refusal(job, pipeline)
    with pipeline.connect() as connection:
        assert connection.execute("SELECT FROM heartbeat").rowcount == 0

    monkeypatch.setenv("CAPTURED_WITHIN_S", "20")
    done = threading.Timer(1, datastream.pages[1].update, [{"trips": "COMPLETED"}])
    done.start()
    catch_up(job, pipeline)


def test_without_a_slot_or_its_table_it_says_what_makes_them(
    job: ModuleType, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTURED_WITHIN_S", "1")
    monkeypatch.setenv("SLOT", "another")
    assert "there is no slot another, so nothing is captured: the job migrate makes it" in refusal(job, pipeline)
    pipeline.execute("DROP TABLE heartbeat")
    assert "the heartbeat could not be written: relation" in refusal(job, pipeline)


@pytest.mark.parametrize("name", ["CAPTURED_WITHIN_S", "STREAM", "SLOT"])
def test_a_variable_that_is_missing_is_named(
    job: ModuleType, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    assert refusal(job, pipeline).startswith(f"the environment variable {name} is not set")
