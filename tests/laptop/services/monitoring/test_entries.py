"""Log files become the entries that Cloud Logging would make of them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omnipipe.laptop import platform_log
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.logs import sources
from omnipipe.laptop.services.monitoring import entries
from omnipipe.laptop.services.monitoring.entries import Source
from tests.laptop.conftest import PROJECT
from tests.laptop.services.monitoring.watched import watch

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JOB = {"type": "cloud_run_job", "labels": {"job_name": "dbt"}}


def line(minutes: float, **fields: object) -> str:
    return json.dumps({"timestamp": (NOW - timedelta(minutes=minutes)).isoformat(), **fields}) + "\n"


def test_structured_lines_and_others_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(
        line(9, severity="ERROR", message="old")
        + line(3, severity="WARNING", message="late", value=2)
        + "Traceback\n  of a library\n"
        + '{"timestamp": "2026-06-01T11:58:00+00:00", "mess\n'
        + "2026-06-01 11:58:30.123 UTC [7] FATAL:  no\n"
        + line(1, message="newest")
        + '{"cut'
    )
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    found = list(Source(file, JOB).entries(NOW - timedelta(minutes=5)))
    assert [entry.get("textPayload") or entry["jsonPayload"]["message"] for entry in found] == [
        '{"cut',
        "newest",
        "2026-06-01 11:58:30.123 UTC [7] FATAL:  no",
        '{"timestamp": "2026-06-01T11:58:00+00:00", "mess',
        "  of a library",
        "Traceback",
        "late",
    ]
    assert found[-1] == {
        "timestamp": NOW - timedelta(minutes=3),
        "severity": "WARNING",
        "resource": JOB,
        "jsonPayload": {"message": "late", "value": 2},
    }
    assert [entry["severity"] for entry in found[:-1]] == ["DEFAULT"] * 6
    assert found[0]["timestamp"] == NOW
    assert found[3]["timestamp"] == datetime(2026, 6, 1, 11, 58, 30, 123_000, UTC)


@pytest.mark.parametrize("time", [{}, {"timestamp": "2026-06-01T11:58:00"}, {"timestamp": 1}])
def test_json_without_a_usable_time_is_structured_and_has_the_time_of_what_follows(
    tmp_path: Path, time: dict[str, object]
) -> None:
    file = tmp_path / "log"
    file.write_text(json.dumps({"severity": "ERROR", "message": "no", **time}) + "\n" + line(3, message="later"))
    (_, entry) = Source(file, JOB).entries(NOW - timedelta(minutes=5))
    assert entry == {
        "timestamp": NOW - timedelta(minutes=3),
        "severity": "ERROR",
        "resource": JOB,
        "jsonPayload": {"message": "no", **time},
    }


def test_lines_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "log"
    long = "x" * (3 * entries._BLOCK_BYTES)
    file.write_text(line(3, message=long) + line(2, message="ü" * 1000) + line(1, message="short"))
    found = [entry["jsonPayload"]["message"] for entry in Source(file, JOB).entries(NOW - timedelta(hours=1))]
    assert found == ["short", "ü" * 1000, long]


def test_nothing_is_read_of_what_lies_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    file.write_text("".join(line(minutes, message="x" * 500) for minutes in range(20_000, 0, -1)))
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(text) or loads(text))
    found = list(Source(file, JOB).entries(NOW - timedelta(minutes=10)))
    assert len(found) == 10
    assert len(parsed) == 12  # one for lines that are not in order, and the one that tells the end


def test_a_service_that_wrote_nothing_has_no_entries(tmp_path: Path) -> None:
    assert not list(Source(tmp_path / "none", JOB).entries(NOW))
    (tmp_path / "empty").touch()
    assert not list(Source(tmp_path / "empty", JOB).entries(NOW))


def test_every_log_has_googles_resource(cloud: Cloud) -> None:
    watch(cloud)
    found = {source.file.stem: source.resource for source in sources(cloud)}
    assert found == {
        "platform": None,
        "weather": {
            "type": "cloud_run_revision",
            "labels": {
                "project_id": PROJECT,
                "location": "europe-west1",
                "service_name": "weather",
                "configuration_name": "weather",
            },
        },
        "dbt": {
            "type": "cloud_run_job",
            "labels": {"project_id": PROJECT, "location": "europe-west1", "job_name": "dbt"},
        },
        "probe": {
            "type": "cloud_run_job",
            "labels": {"project_id": PROJECT, "location": "europe-west1", "job_name": "probe"},
        },
        "datastream-cdc": {
            "type": "datastream.googleapis.com/Stream",
            "labels": {"resource_container": PROJECT, "location": "europe-west1", "stream_id": "cdc"},
        },
        "postgres-oltp": {
            "type": "cloudsql_database",
            "labels": {"project_id": PROJECT, "region": "europe-west1", "database_id": f"{PROJECT}:oltp"},
        },
    }


def test_an_entry_of_a_platform_service_names_its_own_resource(cloud: Cloud) -> None:
    labels = {"workflow_id": "daily"}
    platform_log.write(cloud.home, "workflows.googleapis.com/Workflow", labels, "ERROR", {"state": "FAILED"})
    (source,) = (source for source in sources(cloud) if source.resource is None)
    (entry,) = source.entries(datetime.now(UTC) - timedelta(minutes=1))
    assert entry["resource"] == {"type": "workflows.googleapis.com/Workflow", "labels": labels}
    assert (entry["severity"], entry["jsonPayload"]) == ("ERROR", {"state": "FAILED"})
