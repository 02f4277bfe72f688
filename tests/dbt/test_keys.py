"""Keys of any size and kind: integers above all partitions and below zero, and UUIDs."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from bench.warehouse import Warehouse
from tests.dbt.warehouse import ROOT, Dbt, change, deliver, job_python, trip

LARGE = (1, 4_000_000_001, 400_000_001, 9_223_372_036_854_775_807, -5)
UUIDS = [str(uuid.UUID(int=number << 96 | 7)) for number in (1, 2**31, 2**32 - 1)]

SOURCE = """
version: 2
sources:
  - name: raw_things
    schema: raw
    tables: [{name: things, identifier: public_things}]
"""
MODEL = """
{{ config(
    materialized='changes',
    unique_key='thing_id',
    partition_by=key_partitions(),
    cluster_by=['loaded_at', 'thing_id'],
    version=['source_timestamp', 'change_sequence_number'],
    reads_log='public_things',
) }}
{{ latest_versions(source('raw_things', 'things'), key='thing_id', columns={'name': 'string'}, type='string') }}
"""


def test_integers_of_any_size_are_merged(warehouse: Warehouse, dbt: Dbt) -> None:
    deliver(warehouse, *[change(trip(number), "INSERT", 10) for number in LARGE])
    dbt.build("--select", "latest_trips", "fct_trip", loaded_at="2026-03-03T00:00:00+00:00")
    deliver(warehouse, *[change(trip(number, city="Vienna"), "UPDATE-INSERT", 20) for number in LARGE])
    since = {"since": "2026-03-03T00:00:00+00:00", "loaded_at": "2026-03-04T00:00:00+00:00"}
    dbt.build("--select", "latest_trips", "fct_trip", **since)

    found = warehouse.rows("SELECT trip_id, city FROM prod.fct_trip ORDER BY 1")
    assert found == [(number, "Vienna") for number in sorted(LARGE)]
    assert warehouse.rows("SELECT MIN(key_bucket) >= 0, MAX(key_bucket) < 4000 FROM staging.latest_trips") == [
        (True, True)
    ]
    merge = next(sql for sql in dbt.statements if "merge into" in sql and "latest_trips" in sql)
    assert f"target.trip_id between {min(LARGE)} and {max(LARGE)}" in merge


@pytest.fixture
def things(warehouse: Warehouse, tmp_path: Path) -> Dbt:
    """dbt with one more model, of a table whose keys are UUIDs."""
    shutil.copytree(ROOT / "dbt", tmp_path / "dbt")
    (tmp_path / "dbt" / "models" / "staging" / "things.yml").write_text(SOURCE)
    (tmp_path / "dbt" / "models" / "staging" / "latest_things.sql").write_text(MODEL)
    warehouse.rows(
        "CREATE TABLE raw.public_things (thing_id STRING, name STRING, datastream_metadata STRUCT<uuid STRING,"
        " source_timestamp INT64, change_sequence_number STRING, change_type STRING, sort_keys ARRAY<STRING>>)"
    )
    return Dbt(job_python("dbt"), warehouse.environment, tmp_path, tmp_path / "dbt")


def test_uuids_are_merged_and_pruned(warehouse: Warehouse, things: Dbt) -> None:
    def write(time: int, kind: str, *rows: tuple[str, str]) -> None:
        for key, name in rows:
            warehouse.rows(
                f"INSERT INTO raw.public_things VALUES ('{key}', '{name}',"
                f" STRUCT('{key}-{time}', {time}, 'a', '{kind}', CAST([] AS ARRAY<STRING>)))"
            )

    def build(**variables: Any) -> None:
        things.build("--select", "latest_things", **variables)

    try:
        write(10, "INSERT", *[(key, "old") for key in UUIDS])
        build(loaded_at="2026-03-03T00:00:00+00:00")
        write(20, "UPDATE-INSERT", (UUIDS[1], "new"))
        write(20, "DELETE", (UUIDS[0], ""))
        build(since="2026-03-03T00:00:00+00:00", loaded_at="2026-03-04T00:00:00+00:00")
    finally:
        things.close()

    assert warehouse.rows("SELECT thing_id, name FROM staging.latest_things WHERE NOT is_deleted ORDER BY 1") == [
        (UUIDS[1], "new"),
        (UUIDS[2], "old"),
    ]
    assert warehouse.rows("SELECT MIN(key_bucket) >= 0, MAX(key_bucket) < 4000 FROM staging.latest_things") == [
        (True, True)
    ]
    merge = next(sql for sql in things.statements if "merge into" in sql)
    assert (
        f"target.thing_id between '{UUIDS[0]}' and '{UUIDS[-1]}'" in merge
    )  # here raw's days cannot be told apart
