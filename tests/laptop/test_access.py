"""The wait for the streams: a run begins when what was committed before it is in BigQuery, or says why not."""

import threading
import time

import pytest

from omnipipe.laptop import access, lifecycle
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.datastream.status import Status, StillBehind
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream import STREAM, state_dir

COMMITTED, BEFORE = "0/2000", "0/1FFF"


class Streams:
    """Two streams of a cloud all of whose processes run."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.resources = [Resource(STREAM, name, {"streamId": name}) for name in ("first", "second")]
        for resource in self.resources:
            cloud.registry.put(resource)

    def say(self, number: int, position: str, state: str = "RUNNING", error: str | None = None) -> None:
        """Let the worker of a stream write how far it is."""
        Status(state, position, error=error).write(state_dir(self._cloud, self.resources[number]))


@pytest.fixture
def streams(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Streams:
    monkeypatch.setattr(access, "log_position", lambda cloud: COMMITTED)
    monkeypatch.setattr(lifecycle, "missing_processes", lambda cloud: [])
    return Streams(cloud)


@pytest.mark.parametrize("last", [0, 1])
def test_it_waits_for_each_stream_until_what_was_committed_is_there(
    cloud: Cloud, streams: Streams, last: int
) -> None:
    streams.say(1 - last, COMMITTED)
    streams.say(last, BEFORE)
    later = threading.Timer(1.5, streams.say, (last, COMMITTED))  # longer than it asks in one go
    began = time.monotonic()
    later.start()

    access.wait_for_streams(cloud)

    assert time.monotonic() - began >= 1.5


def test_it_does_not_wait_for_what_is_there(cloud: Cloud, streams: Streams) -> None:
    streams.say(0, "1/0")
    streams.say(1, COMMITTED)
    began = time.monotonic()
    access.wait_for_streams(cloud)
    assert time.monotonic() - began < 1


def test_a_stream_that_does_not_get_there_in_time_is_told_with_where_it_is(cloud: Cloud, streams: Streams) -> None:
    streams.say(0, COMMITTED)
    streams.say(1, BEFORE, "RETRYING", "no route")
    with pytest.raises(StillBehind, match=r"has not come to 0/2000.*RETRYING at 0/1FFF \(no route\)"):
        access.wait_for_streams(cloud, timeout_s=0.1)


def test_a_stream_that_has_failed_is_not_waited_for(cloud: Cloud, streams: Streams) -> None:
    streams.say(0, COMMITTED)
    streams.say(1, BEFORE, "FAILED", "the slot is gone")
    with pytest.raises(LaptopError, match="the stream has failed: the slot is gone"):
        access.wait_for_streams(cloud, timeout_s=5)


def test_a_process_that_is_gone_is_not_waited_for(
    cloud: Cloud, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "missing_processes", lambda cloud: ["bigquery"])
    streams.say(0, COMMITTED)
    with pytest.raises(LaptopError, match="not running: bigquery"):
        access.wait_for_streams(cloud, timeout_s=5)
