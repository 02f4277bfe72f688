"""Datastream's API: the tables of a stream, and how the backfill of each is."""

import json

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream.backfill import Backfill
from omnipipe.laptop.services.datastream.resources import CONFIG_FILE, STREAM, state_dir
from tests.laptop.conftest import PROJECT, grant, owners_client

NAME = f"projects/{PROJECT}/locations/europe-west1/streams/cdc"
WHO = f"reader@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def objects(cloud: Cloud) -> str:
    """Where the objects of a stream are listed: trips are backfilled, customers are being, and more is to come."""
    tables = [{"table": table} for table in ("trips", "customers", "heartbeat", "left_out")]
    inputs = {
        "streamId": "cdc",
        "sourceConfig": {
            "postgresqlSourceConfig": {
                "publication": "p",
                "replicationSlot": "s",
                "includeObjects": {"postgresqlSchemas": [{"schema": "public", "postgresqlTables": tables}]},
            }
        },
        "destinationConfig": {
            "bigqueryDestinationConfig": {
                "appendOnly": {},
                "singleTargetDataset": {"datasetId": f"{PROJECT}:raw"},
            }
        },
        "backfillAll": {
            "postgresqlExcludedObjects": {
                "postgresqlSchemas": [{"schema": "public", "postgresqlTables": [{"table": "left_out"}]}]
            }
        },
    }
    stream = Resource(STREAM, "stream", inputs, {}, NAME)
    cloud.registry.put(stream)
    folder = state_dir(cloud, stream)
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "stream": inputs,
        "source_profile": {"postgresqlProfile": {"hostname": "h", "username": "u", "database": "d"}},
        "bigquery_endpoint": "http://127.0.0.1:9",
        "project": PROJECT,
        "token_key": "k",
        "state_dir": str(folder),
        "dead_letters": None,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(told))
    known = {
        f"raw.public_{table}": vars(Backfill("u", "1:1:", "0/1", done=done))
        for table, done in (("trips", True), ("customers", False))
    }
    (folder / "backfills.json").write_text(json.dumps(known))
    return f"/v1/{NAME}/objects"


def test_each_table_that_the_stream_names_with_the_state_of_its_backfill(cloud: Cloud, objects: str) -> None:
    found = owners_client(cloud).get(objects).json
    assert found
    states = {
        each["sourceObject"]["postgresqlIdentifier"]["table"]: each["backfillJob"]["state"]
        for each in found["streamObjects"]
    }
    assert states == {
        "trips": "COMPLETED",
        "customers": "ACTIVE",
        "heartbeat": "PENDING",
        "left_out": "NOT_STARTED",
    }


def test_another_stream_is_not_found(cloud: Cloud, objects: str) -> None:
    assert owners_client(cloud).get(objects.replace("cdc", "other")).status_code == 404


def test_it_takes_the_permission_to_list_objects(cloud: Cloud, objects: str) -> None:
    cloud.registry.put(Resource(ACCOUNT, "reader", {}, {"email": WHO}, WHO))
    token = {
        "Authorization": f"Bearer {cloud.tokens.issue(WHO, 'https://www.googleapis.com/auth/cloud-platform')}"
    }
    client = owners_client(cloud)
    refused = client.get(objects, headers=token)
    assert refused.status_code == 403
    assert "datastream.objects.list" in refused.text
    grant(cloud, "gcp:projects/iAMMember:IAMMember", "roles/datastream.viewer", WHO, project=PROJECT)
    assert client.get(objects, headers=token).status_code == 200
