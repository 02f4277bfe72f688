"""The program's resources as the worker understands them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.datastream import status
from omnipipe.laptop.services.datastream.config import Config, Layout, TableName, read
from tests.laptop.services.datastream.catching_up import wait_caught_up

RAW: dict[str, Any] = {
    "stream": {
        "streamId": "mobility",
        "desiredState": "RUNNING",
        "sourceConfig": {"postgresqlSourceConfig": {"publication": "p", "replicationSlot": "s"}},
        "destinationConfig": {
            "bigqueryDestinationConfig": {
                "appendOnly": {},
                "dataFreshness": "900s",
                "singleTargetDataset": {"datasetId": "project:raw"},
            }
        },
        "backfillAll": {},
    },
    "source_profile": {
        "postgresqlProfile": {"hostname": "/h", "port": 5432, "username": "u", "password": "w", "database": "d"}
    },
    "destination_profile": {"bigqueryProfile": {}},
    "bigquery_endpoint": "http://127.0.0.1:1",
    "project": "project",
    "token_key": "/key",
    "state_dir": "/state",
    "dead_letters": None,
}
DESTINATION = ("stream", "destinationConfig", "bigqueryDestinationConfig")


def config(tmp_path: Path, *path: str, value: Any = None) -> Config:
    """The configuration with one value set, or removed when it is None."""
    raw = copy.deepcopy(RAW)
    if path:
        at = raw
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at.pop(path[-1], None)
        if value is not None:
            at[path[-1]] = value
    file = tmp_path / "config.json"
    file.write_text(json.dumps(raw))
    return read(file)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("source_profile", "postgresqlProfile"), None, "have no postgresqlProfile"),
        ((*DESTINATION, "dataFreshness"), "15m", "dataFreshness is '15m': Datastream takes seconds"),
        ((*DESTINATION, "singleTargetDataset"), {"datasetId": "raw"}, "Datastream takes 'project:dataset'"),
        ((*DESTINATION, "singleTargetDataset"), {"datasetId": "other:raw"}, "is not of the project 'project'"),
        ((*DESTINATION, "singleTargetDataset"), None, "needs singleTargetDataset or sourceHierarchyDatasets"),
        (("stream", "backfillNone"), {}, "needs either backfillAll or backfillNone"),
    ],
)
def test_what_google_would_refuse_is_refused_by_name(
    tmp_path: Path, path: tuple[str, ...], value: Any, message: str
):
    with pytest.raises(LaptopError, match=message):
        config(tmp_path, *path, value=value)


@pytest.mark.parametrize("dataset", ["project:raw", "projects/project/datasets/raw"])
def test_names_of_the_target(tmp_path: Path, dataset: str):
    made = config(tmp_path, *DESTINATION, "singleTargetDataset", "datasetId", value=dataset)
    assert made.target(TableName("public", "trips")) == "raw.public_trips"
    assert made.target(TableName("odd.one", "a$b/c@d+e f")) == "raw.odd_one_a_b_c_d_e_f"


def test_objects_that_are_not_backfilled(tmp_path: Path):
    objects = {
        "postgresqlSchemas": [{"schema": "public", "postgresqlTables": [{"table": "big"}]}, {"schema": "old"}]
    }
    made = config(tmp_path, "stream", "backfillAll", "postgresqlExcludedObjects", value=objects)
    names = [TableName("public", "big"), TableName("public", "small"), TableName("old", "any")]
    assert [made.wants_backfill(name) for name in names] == [False, True, False]
    assert all(made.wants(name) for name in names)


def test_rule_sets_lay_out_the_tables(tmp_path: Path):
    identifier = {"schema": "public", "table": "trips"}
    rules: list[dict[str, Any]] = [{"bigqueryClustering": {"columns": ["a", "b"]}}]
    rule_set = {
        "objectFilter": {"sourceObjectIdentifier": {"postgresqlIdentifier": identifier}},
        "customizationRules": rules,
    }
    made = config(tmp_path, "stream", "ruleSets", value=[rule_set])
    assert made.layouts == {TableName("public", "trips"): Layout(None, ("a", "b"))}
    rules.append({"bigqueryPartitioning": {"timeUnitPartition": {"column": "c"}}})
    with pytest.raises(LaptopError, match=r"public\.trips partitions by a column"):
        config(tmp_path, "stream", "ruleSets", value=[rule_set])


def test_positions_of_the_log():
    assert status.parse_lsn("1/A0") == (1 << 32) + 0xA0
    assert status.format_lsn((1 << 32) + 0xA0) == "1/A0"


def test_waiting_says_how_far_the_stream_is_and_why(tmp_path: Path):
    with pytest.raises(LaptopError, match="not come to 0/9 within 0 s: it has not started"):
        wait_caught_up(tmp_path, "0/9", 0)
    known = status.Status("RETRYING", "0/8", error="BigQuery is not available")
    known.write(tmp_path)
    with pytest.raises(LaptopError, match=r"it is RETRYING at 0/8 \(BigQuery is not available\)"):
        wait_caught_up(tmp_path, "0/9", 0)
    wait_caught_up(tmp_path, "0/8", 0)
    status.Status("FAILED", error="no slot").write(tmp_path)
    with pytest.raises(LaptopError, match="the stream has failed: no slot"):
        wait_caught_up(tmp_path, "0/8", 5)
