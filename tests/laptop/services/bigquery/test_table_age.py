"""A table says when it last got rows, whichever way they came."""

import io
from datetime import datetime

import pytest
from google.cloud import bigquery

from tests.laptop.conftest import Emulator


def modified(client: bigquery.Client) -> datetime:
    found = client.get_table("ages.t").modified
    assert found
    return found


@pytest.mark.parametrize("way", ["insertAll", "load", "INSERT", "CREATE OR REPLACE"])
def test_each_write_moves_the_time_of_its_table(emulated: Emulator, way: str) -> None:
    client = emulated.client
    client.create_dataset("ages", exists_ok=True)
    client.query_and_wait("CREATE OR REPLACE TABLE ages.t (a INT64)")
    client.query_and_wait("SELECT * FROM ages.t")
    before = modified(client)
    if way == "insertAll":
        assert not client.insert_rows_json("ages.t", [{"a": 1}])
    elif way == "load":
        config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
        client.load_table_from_file(io.BytesIO(b'{"a": 1}\n'), "ages.t", job_config=config).result()
    elif way == "INSERT":
        client.query_and_wait("INSERT INTO ages.t VALUES (1)")
    else:
        client.query_and_wait("CREATE OR REPLACE TABLE ages.t AS SELECT 1 AS a")
    after = modified(client)
    assert after > before
    list(client.query_and_wait("SELECT * FROM ages.t"))
    assert modified(client) == after
