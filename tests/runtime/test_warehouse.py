"""Writing to BigQuery: exact rows, all or nothing, never the same load twice."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from flask import Flask, Response, jsonify, request
from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound, RetryError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from omnipipe.contracts.sources.weather import WEATHER, WeatherHour
from omnipipe.contracts.tables import KPIS, STEP_RUNS, Kpi, StepRun
from omnipipe.runtime import warehouse
from tests.functions.conftest import serving
from tests.support.emulator import rows

HOUR = datetime(2026, 3, 1, 5, tzinfo=UTC)


def weather(city: str = "Berlin", temperature: float | None = 4.5) -> WeatherHour:
    return WeatherHour(
        city=city,
        hour=HOUR,
        temperature_c=temperature,
        precipitation_mm=0.0,
        wind_speed_kmh=None,
        fetched_at=datetime(2026, 3, 2, 1, 2, 3, 456789, tzinfo=UTC),
        run_id="run-1",
    )


def step_run(run_id: str) -> StepRun:
    return StepRun(
        run_id=run_id,
        step="weather",
        status="succeeded",
        rows=7,
        started_at=HOUR,
        finished_at=HOUR,
        message=None,
        bytes_processed=None,
    )


def test_load_writes_every_type_as_it_was(client: bigquery.Client) -> None:
    kpi = Kpi(
        city="Zürich",
        day=date(2026, 3, 1),
        trips=12,
        riders=9,
        revenue=Decimal("1234567.89"),
        mean_distance_km=2.5,
        cancellation_rate=None,
        wet_hours=3,
        mean_temperature_c=-0.25,
        trips_wet=5,
        trips_dry=7,
        content_hash="abc",
        updated_at=HOUR,
    )
    assert warehouse.load(client, KPIS, [kpi]) == 1
    (stored,) = rows(client, "SELECT * FROM analysis.kpis")
    assert Kpi(**stored) == kpi


@pytest.fixture
def known_jobs(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Know a job by the id that it was given, and refuse that id again, as BigQuery does.

    The emulator gives every uploaded load an id of its own.
    """
    jobs: dict[str, bigquery.LoadJob] = {}
    upload = client.load_table_from_file

    def load_table_from_file(*args: Any, job_id: str, **kwargs: Any) -> bigquery.LoadJob:
        if job_id in jobs:
            raise Conflict(f"Already Exists: Job {job_id}")
        jobs[job_id] = upload(*args, **kwargs)
        return jobs[job_id]

    monkeypatch.setattr(client, "load_table_from_file", load_table_from_file)
    monkeypatch.setattr(client, "get_job", lambda job_id, **_: jobs[job_id])


@pytest.mark.usefixtures("known_jobs")
def test_a_load_of_a_known_job_id_happens_once(client: bigquery.Client) -> None:
    for _ in range(3):
        warehouse.load(client, WEATHER, [weather(), weather("Hamburg")], job_id="weather-same")
    assert rows(client, "SELECT COUNT(*) AS n FROM raw.weather") == [{"n": 2}]


@pytest.mark.usefixtures("known_jobs")
def test_a_failed_load_writes_nothing_and_is_repeated_under_its_id(client: bigquery.Client) -> None:
    broken = weather("Hamburg", temperature="warm")  # type: ignore[arg-type]  # what BigQuery must refuse
    for _ in range(2):
        with pytest.raises(GoogleAPICallError):
            warehouse.load(client, WEATHER, [weather(), broken], job_id="weather-broken")
    assert rows(client, "SELECT COUNT(*) AS n FROM raw.weather") == [{"n": 0}]
    warehouse.load(client, WEATHER, [weather()], job_id="weather-broken")
    assert rows(client, "SELECT city FROM raw.weather") == [{"city": "Berlin"}]


def test_a_load_makes_no_table(client: bigquery.Client) -> None:
    """A table that a load makes has neither partitions nor clusters, nor the program's grants and protection."""
    client.delete_table(WEATHER.id)
    with pytest.raises(GoogleAPICallError):
        warehouse.load(client, WEATHER, [weather()])
    with pytest.raises(NotFound):
        client.get_table(WEATHER.id)


def test_a_query_takes_parameters_and_pages(client: bigquery.Client) -> None:
    warehouse.load(client, WEATHER, [weather(f"City {number}") for number in range(25)])
    least = bigquery.ScalarQueryParameter("least", "STRING", "City 2")
    found = warehouse.query(
        client, "SELECT city FROM raw.weather WHERE city >= @least ORDER BY city", least, page_size=4
    )
    names = sorted(f"City {number}" for number in range(25))
    assert [row["city"] for row in found] == [name for name in names if name >= "City 2"]


def test_an_absent_bigquery_is_an_error_soon(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "_RETRY", warehouse._RETRY.with_timeout(1))
    monkeypatch.setattr(warehouse, "_JOB_RETRY", warehouse._JOB_RETRY.with_timeout(1))
    client._connection.API_BASE_URL = "http://127.0.0.1:9"  # discard: nobody listens
    for absent in (
        lambda: warehouse.query(client, "SELECT 1"),
        lambda: warehouse.insert(client, STEP_RUNS, [step_run("run-1")]),
    ):
        began = time.monotonic()
        with pytest.raises((GoogleAPICallError, RetryError, requests.ConnectionError)):
            absent()
        assert time.monotonic() - began < 5


def test_loading_nothing_starts_no_job(client: bigquery.Client) -> None:
    assert warehouse.load(client, WEATHER, [], job_id="weather-none") == 0


def test_a_load_never_makes_a_table_that_is_not_there(client: bigquery.Client) -> None:
    client.delete_table(WEATHER.id)
    with pytest.raises(GoogleAPICallError):
        warehouse.load(client, WEATHER, [weather()])
    with pytest.raises(NotFound):
        client.get_table(WEATHER.id)


def test_insert_streams_in_batches(client: bigquery.Client) -> None:
    assert warehouse.insert(client, STEP_RUNS, (step_run(f"run-{n}") for n in range(1201))) == 1201
    counted = rows(
        client, "SELECT COUNT(*) AS n, COUNT(DISTINCT run_id) AS ids, SUM(`rows`) AS total FROM ops.step_runs"
    )
    assert counted == [{"n": 1201, "ids": 1201, "total": 8407}]


def test_insert_says_which_table_refuses_a_row(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # The emulator answers a bad row with HTTP 500; this is what BigQuery answers.
    refused = [{"index": 0, "errors": [{"reason": "invalid", "message": "no such field"}]}]
    monkeypatch.setattr(client, "insert_rows_json", lambda *_, **__: refused)
    with pytest.raises(warehouse.RowsRefused, match=r"ops\.step_runs: BigQuery refused 1 of 1 .*no such field"):
        warehouse.insert(client, STEP_RUNS, [step_run("run-1")])


class Asked:
    """A BigQuery that answers each query with a row and what it has read, and keeps what it was asked."""

    def __init__(self, *processed: int | None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._processed = iter(processed)

    def app(self) -> Flask:
        app = Flask("bigquery")
        result = {
            "jobComplete": True,
            "jobReference": {"projectId": "p", "jobId": "j", "location": "EU"},
            "schema": {"fields": [{"name": "n", "type": "INTEGER", "mode": "NULLABLE"}]},
            "rows": [{"f": [{"v": "1"}]}],
            "totalRows": "1",
        }

        def read() -> dict[str, str]:
            told = next(self._processed)
            return {} if told is None else {"totalBytesProcessed": str(told)}

        @app.post("/bigquery/v2/projects/p/queries")
        def query() -> Response:
            self.requests.append(request.get_json())
            return jsonify(result | read())

        @app.post("/bigquery/v2/projects/p/jobs")
        def insert() -> Response:
            body = request.get_json()
            self.requests.append(body["configuration"])
            job = {"jobReference": result["jobReference"], "configuration": body["configuration"]}
            return jsonify(job | {"status": {"state": "DONE"}, "statistics": {"query": read()}})

        @app.get("/bigquery/v2/projects/p/jobs/<job_id>")
        def job(job_id: str) -> Any:
            if job_id == "lost":
                return jsonify({"error": {"code": 404, "message": "Not found: Job lost"}}), 404
            job = {"jobReference": result["jobReference"] | {"jobId": job_id}, "configuration": {"query": {}}}
            return jsonify(job | {"status": {"state": "DONE"}, "statistics": {"query": read()}})

        @app.get("/bigquery/v2/projects/p/queries/j")
        def rows() -> Response:
            return jsonify(result)

        return app


def test_each_query_says_whose_it_is_and_how_much_it_may_cost_and_what_it_read_is_summed_up() -> None:
    bigquery_ = Asked(1000, None, 24)
    with serving(bigquery_.app()) as address:
        options = {
            "project": "p",
            "credentials": AnonymousCredentials(),
            "client_options": {"api_endpoint": address},
        }
        client = warehouse.Client("weather", "Run_1:α", **options)
        assert client.bytes_processed is None
        assert [row["n"] for row in warehouse.query(client, "SELECT 1 AS n")] == [1]
        warehouse.query(client, "SELECT 2")
        assert [row["n"] for row in client.query("SELECT 3").result()] == [1]

    labels = {"app": "omnipipe", "step": "weather", "run_id": "run_1--"}
    one, two, job = bigquery_.requests
    for asked in (one, two, job["query"]):
        assert asked["maximumBytesBilled"] == str(warehouse.MAXIMUM_BYTES_BILLED)
    assert [asked["labels"] for asked in (one, two, job)] == [labels] * 3
    assert client.bytes_processed == 1024


def test_what_others_asked_for_the_step_is_summed_up_too(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Asked(*([10] * 20)).app()) as address:
        options = {"client_options": {"api_endpoint": address}, "credentials": AnonymousCredentials()}
        client = warehouse.Client("dbt", project="p", **options)
        client.count([f"job-{number}" for number in range(20)])
        assert client.bytes_processed == 200
        client.count(["lost"])
    assert client.bytes_processed == 200
    assert "does not tell how much the step's queries have read" in caplog.text


def test_a_load_says_whose_it_is(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[bigquery.LoadJob] = []
    load = bigquery.Client.load_table_from_file

    def seen(*arguments: Any, **options: Any) -> bigquery.LoadJob:
        loads.append(load(*arguments, **options))
        return loads[-1]

    monkeypatch.setattr(bigquery.Client, "load_table_from_file", seen)

    warehouse.load(client, WEATHER, [weather()])

    assert [job.labels for job in loads] == [{"app": "omnipipe", "step": "test"}]
