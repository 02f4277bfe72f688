"""The registry: what is real, on disk."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Registry, Resource

DATASET = Resource(
    "gcp:bigquery/dataset:Dataset", "raw", {"datasetId": "raw"}, {"name": "raw"}, "projects/p/datasets/raw"
)


def test_what_one_process_records_another_one_reads(tmp_path: Path) -> None:
    writer, reader = Registry(tmp_path / "r.json"), Registry(tmp_path / "r.json")
    writer.put(DATASET)
    assert reader.get(DATASET.key) is None

    reader.refresh()
    assert reader.get(DATASET.key) == DATASET

    writer.remove(DATASET)
    reader.refresh()
    assert list(reader) == []


def test_a_change_that_has_the_time_of_the_one_before_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    writer = Registry(file)
    writer.put(DATASET)
    reader = Registry(file)
    before = file.stat().st_mtime_ns

    file.write_text("[]")
    os.utime(file, ns=(before, before))

    reader.refresh()
    assert list(reader) == []


def test_threads_that_read_while_another_process_writes_see_whole_states(tmp_path: Path) -> None:
    file, ended = tmp_path / "r.json", threading.Event()
    writer, reader = Registry(file), Registry(file)

    def read() -> None:
        seen = 0
        while not ended.is_set():
            reader.refresh()
            names = [resource.name for resource in reader]
            assert names == [str(number) for number in range(len(names))]
            assert len(names) >= seen
            seen = len(names)

    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read) for _ in range(4)]
        for number in range(100):
            writer.put(Resource(DATASET.type, str(number), {}))
        ended.set()
        for each in reading:
            each.result()
    reader.refresh()
    assert len(list(reader)) == 100
    assert reader.stamp == writer.stamp


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    Registry(tmp_path / "r.json").put(DATASET)
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600


def test_a_reference_to_what_was_never_made_is_named(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r.json")
    registry.put(DATASET)

    assert registry.find(DATASET.type, "projects/p/datasets/raw") == DATASET
    with pytest.raises(LaptopError, match="'projects/p/datasets/rwa' is not a Dataset"):
        registry.find(DATASET.type, "projects/p/datasets/rwa")


def test_a_damaged_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("[{")
    with pytest.raises(LaptopError, match=r"damaged .*down --purge"):
        Registry(tmp_path / "r.json")


def test_kinds_have_short_names() -> None:
    assert DATASET.kind == "bigquery.Dataset"
    assert Resource("random:index/randomBytes:RandomBytes", "x", {}).kind == "random.RandomBytes"
