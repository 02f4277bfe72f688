"""The laptop's BigQuery: what is changed of the emulator holds, and it survives being killed at any moment."""

import asyncio
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import Conflict, GoogleAPICallError
from google.cloud import bigquery

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.bigquery import emulator as module
from tests.laptop.conftest import PROJECT, Emulator
from tests.support.ports import free_ports

pytestmark = pytest.mark.servers


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that the test may kill."""
    running = Emulator(tmp_path)
    yield running
    running.kill()


def load(client: bigquery.Client, table: str, first: int, count: int) -> None:
    """Load the numbers from ``first`` on, as one job."""
    body = io.BytesIO()
    pq.write_table(pa.table({"n": pa.array(range(first, first + count), pa.int64())}), body)
    body.seek(0)
    config = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER")
    client.load_table_from_file(body, table, job_config=config, num_retries=0, timeout=20).result(timeout=20)


def test_a_load_is_there_as_a_whole_or_not_at_all_whenever_the_emulator_is_killed(own: Emulator):
    client, size = own.client, 200_000
    client.create_dataset("d")
    client.create_table(bigquery.Table(f"{PROJECT}.d.numbers", [bigquery.SchemaField("n", "INT64")]))
    done = 0
    for round_number in range(3):
        killer = threading.Timer(0.05 + 0.07 * round_number, own.kill)
        killer.start()
        try:
            while True:
                load(client, "d.numbers", done * size, size)
                done += 1
        except (GoogleAPICallError, OSError):
            killer.join()
        own.start()
        (count,) = own.rows("SELECT COUNT(*) FROM d.numbers")[0]
        assert count in (done * size, (done + 1) * size)
        done = count // size
    load(client, "d.numbers", done * size, size)
    assert own.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM d.numbers") == [((done + 1) * size,) * 2]


def test_a_table_that_only_half_exists_after_a_kill_can_be_made(own: Emulator):
    client = own.client
    client.create_dataset("d", exists_ok=True)
    definition = bigquery.Table(f"{PROJECT}.d.t", [bigquery.SchemaField("n", "INT64")])
    client.create_table(definition)
    client.create_table(bigquery.Table(f"{PROJECT}.d.kept", [bigquery.SchemaField("n", "INT64")]))
    client.query_and_wait("CREATE VIEW d.v AS SELECT 1 AS one")
    client.query_and_wait("INSERT INTO d.kept VALUES (1)")
    assert own.stop() == 0
    with duckdb.connect(str(own.data_dir / "bqemulator.duckdb")) as connection:
        connection.execute("DELETE FROM _bqemulator_catalog.tables WHERE table_id = 't'")
    own.start()
    client.create_table(definition)
    assert own.stop() == 0
    with duckdb.connect(str(own.data_dir / "bqemulator.duckdb")) as connection:
        connection.execute(f'DROP TABLE "{PROJECT}__d"."t"')
    own.start()
    client.create_table(definition)
    assert own.rows("SELECT n FROM d.kept UNION ALL SELECT one FROM d.v UNION ALL SELECT n FROM d.t") == [
        (1,),
        (1,),
    ]


def test_writes_do_not_copy_the_table(own: Emulator):
    own.client.create_dataset("d")
    own.client.create_table(bigquery.Table(f"{PROJECT}.d.t", [bigquery.SchemaField("n", "INT64")]))
    for i in range(3):
        load(own.client, "d.t", i, 1)
        own.client.query_and_wait(f"INSERT INTO d.t VALUES ({i})")
    before = own.client.query_and_wait("SELECT COUNT(*) AS n FROM d.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()")
    assert next(iter(before))["n"] == 6
    own.stop()
    with duckdb.connect(str(own.data_dir / "bqemulator.duckdb")) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name LIKE '%snapshots'")
        assert tables.fetchall() == []
    own.start()


def test_it_needs_neither_home_nor_network_and_takes_any_location(tmp_path: Path):
    port = free_ports(1)
    command = module.argv(tmp_path / "data", port, PROJECT)
    process = subprocess.Popen(command, env={"PATH": "/usr/bin:/bin"})
    try:
        module.wait_ready(port, 30)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert not module.is_ready(port)
    with pytest.raises(LaptopError, match=f"does not answer on port {port} after 0 s"):
        module.wait_ready(port, 0.1)


def test_types_layout_and_location(emulated: Emulator):
    client = emulated.client
    dataset = bigquery.Dataset(f"{PROJECT}.layout")
    dataset.location = "europe-west3"
    assert client.create_dataset(dataset).location == "europe-west3"
    definition = bigquery.Table(f"{PROJECT}.layout.t", [bigquery.SchemaField("n", "BIGNUMERIC")])
    definition.time_partitioning = bigquery.TimePartitioning()
    definition.clustering_fields = ["n"]
    client.create_table(definition)
    made = client.get_table("layout.t")
    assert made.time_partitioning
    assert made.time_partitioning.field is None
    assert made.clustering_fields == ["n"]
    client.query_and_wait("INSERT INTO layout.t VALUES (BIGNUMERIC '12345678901234567890.123456789012345678')")
    assert str(emulated.rows("SELECT n FROM layout.t")[0][0]) == "12345678901234567890.123456789012345678"


def test_results_of_old_queries_are_dropped(monkeypatch: pytest.MonkeyPatch):
    from bqemulator.jobs import executor

    results = {f"job-{i}": pa.table({}) for i in range(80)}
    monkeypatch.setattr(executor, "JOB_RESULTS", results)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(module._drop_old_results(), 0.1))
    assert list(results) == [f"job-{i}" for i in range(30, 80)]


def test_the_package_is_imported_by_its_own_process_only():
    modules = "'duckdb' in sys.modules or 'bqemulator' in sys.modules"
    code = f"import sys, omnipipe.laptop.services.bigquery.emulator; sys.exit({modules})"
    started = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert time.monotonic() - started < 5


def test_a_job_whose_request_comes_again_is_done_once(own: Emulator):
    """As a client sends it that has waited too long for the answer to the first."""
    client = own.client
    client.create_dataset("d")
    client.query_and_wait("CREATE TABLE d.numbers (n INT64)")
    slow = "INSERT INTO d.numbers SELECT MAX(x) FROM UNNEST(GENERATE_ARRAY(1, 5000000)) AS x"
    outcomes = []

    def ask() -> None:
        try:
            client.query(slow, job_id="the-same", retry=None, job_retry=None, timeout=60)  # type: ignore[arg-type] - takes None
            outcomes.append("done")
        except Conflict as error:
            outcomes.append(error.message.split("Already Exists: ")[1].splitlines()[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["Job the-same", "Job the-same", "done"]
    assert own.rows("SELECT n FROM d.numbers") == [(5_000_000,)]
    assert client.get_job("the-same").state == "DONE"
