"""The job as it is deployed: its image, its own packages, its exit code, what it records, and what it does next."""

import json
import subprocess
from datetime import date
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from bench.proxy import Job, between
from bench.warehouse import Warehouse
from omnipipe.contracts.sources.mobility import PUBLIC_TRIPS
from omnipipe.contracts.sources.weather import WEATHER
from omnipipe.contracts.tables import STEP_RUNS, StepRun
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from tests.dbt.warehouse import ROOT, at, change, customer, deliver, trip


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(ROOT, ROOT / "jobs" / "dbt" / "Dockerfile", tmp_path_factory.mktemp("images"))


def run(
    image: Image, warehouse: Warehouse, run_id: str, *, without: tuple[str, ...] = (), **overrides: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the job, without some variables of its environment; its exit code and the entries of its log."""
    assert image.entrypoint == ["python", "main.py"]
    environment = warehouse.environment | {"RUN_ID": run_id, "RUN_DATE": "2026-03-03"} | overrides
    done = subprocess.run(
        [f"{image.environment}/bin/python", "main.py"],
        cwd=f"{image.root}{image.workdir}",
        env={name: value for name, value in environment.items() if name not in without},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def steps(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Status, rows and message of the job's runs, in their order."""
    sql = "SELECT status, rows, message FROM ops.step_runs WHERE step = 'dbt' ORDER BY started_at"
    return warehouse.rows(sql)


def test_a_failed_run_names_what_failed(warehouse: Warehouse, image: Image) -> None:
    warehouse.client.delete_table(PUBLIC_TRIPS.id)
    assert run(image, warehouse, "first")[0] == 1
    ((status, _, message),) = steps(warehouse)
    assert status == "failed"
    assert "model latest_trips: " in message
    assert "public_trips" in message


@pytest.mark.e2e  # half a minute
def test_a_run_a_failed_one_and_its_repair(warehouse: Warehouse, image: Image) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    code, log = run(image, warehouse, "first")
    assert code == 0, log
    assert [entry["severity"] for entry in log if "prod.fct_trip " in entry["message"]] == ["INFO"]
    assert {entry["service"] for entry in log} == {"dbt"}

    # A source is missing: kpis cannot be built, after fct_trip was merged.
    warehouse.client.delete_table(WEATHER.id)
    deliver(warehouse, change(trip(2, requested_at=at(1)), "INSERT", 20))
    code, log = run(image, warehouse, "second")
    assert code == 1
    assert warehouse.rows("SELECT COUNT(*) FROM prod.fct_trip") == [(2,)]
    status, _, message = steps(warehouse)[1]
    assert status == "failed"
    assert message.startswith("model stg_weather: ")
    assert "raw.weather" in message.replace("`", "")
    assert [entry["severity"] for entry in log if "staging.stg_weather " in entry["message"]] == ["ERROR"]

    # The next run takes up what the failed one left.
    warehouse.create(WEATHER)
    code, log = run(image, warehouse, "third")
    assert code == 0, log
    assert warehouse.rows("SELECT day, trips, revenue FROM analysis.kpis ORDER BY day") == [
        (date(2026, 3, 1), 1, Decimal("2.5")),
        (date(2026, 3, 2), 1, Decimal("2.5")),
    ]

    # And the one after it finds nothing to do.
    assert run(image, warehouse, "fourth")[0] == 0
    assert [(status, message) for status, _, message in steps(warehouse)[2:]] == [("succeeded", None)] * 2
    assert steps(warehouse)[3][1] == 0

    # A table is made anew when that is asked for, and the step says so.
    code, log = run(image, warehouse, "fifth", FULL_REFRESH="fct_trip")
    assert code == 0, log
    assert steps(warehouse)[4] == ("succeeded", 2, "rebuilt fct_trip: as asked")


def test_what_counts_is_the_last_run_that_succeeded(warehouse: Warehouse, job: ModuleType) -> None:
    """What a failed one had read may be merged in part only."""
    assert job.last_success(warehouse.client) is None
    steps = [("dbt", "succeeded", 1), ("dbt", "succeeded", 2), ("dbt", "failed", 3), ("validate", "succeeded", 4)]
    warehouse.insert(
        STEP_RUNS,
        [
            StepRun(
                run_id="r",
                step=step,
                status=status,
                rows=0,
                started_at=at(day),
                finished_at=at(day),
                message=None,
                bytes_processed=None,
            )
            for step, status, day in steps
        ],
    )
    assert job.last_success(warehouse.client) == at(2)


def test_a_failed_data_test_fails_the_run_and_is_named(warehouse: Warehouse, image: Image) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    warehouse.rows("CREATE TABLE vault.customer_salts (customer_id INT64, key_bucket INT64, salt STRING)")
    warehouse.rows("INSERT INTO vault.customer_salts VALUES (7, 0, NULL)")
    code, _ = run(image, warehouse, "first")
    assert code == 1
    ((status, _, message),) = steps(warehouse)
    assert status == "failed"
    assert "test not_null_customer_salts_salt: Got 1 result, configured to fail if != 0" in message


def test_each_statement_that_dbt_sends_is_noted_also_of_a_build_that_fails(
    warehouse: Warehouse, image: Image
) -> None:
    """So what they read is counted as the step's."""
    warehouse.client.delete_table(PUBLIC_TRIPS.id)
    seen: list[Job] = []
    program = """
import json, main
built = main.Built()
try:
    main.build({"run_id": "r", "run_date": "2026-03-03", "since": "", "loaded_at": "", "full_refresh": ""}, built)
except main.BuildFailed:
    print(json.dumps(built.jobs))
"""
    with between(warehouse.environment["BIGQUERY_EMULATOR_HOST"], seen.append) as address:
        done = subprocess.run(
            [f"{image.environment}/bin/python", "-c", program],
            cwd=f"{image.root}{image.workdir}",
            env=warehouse.environment | {"BIGQUERY_EMULATOR_HOST": address},
            capture_output=True,
            text=True,
            check=True,
        )
    noted = set(json.loads(done.stdout.splitlines()[-1]))
    refused = {job["jobReference"]["jobId"] for job in seen} - noted
    assert len(noted) > 10
    assert len(refused) <= 1  # the statement of the table that is not there


def test_without_its_overrides_it_says_what_to_set(warehouse: Warehouse, image: Image) -> None:
    code, (entry,) = run(image, warehouse, "")
    assert code == 1
    assert "run_id must be the id of the run, not ''" in entry["message"]
    assert "the job takes them from RUN_ID and RUN_DATE" in entry["message"]


def test_without_its_policy_tag_it_builds_nothing(warehouse: Warehouse, image: Image) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10))

    code, _ = run(image, warehouse, "untagged", without=("PII_POLICY_TAG_HIGH",))

    assert code == 1
    ((status, _, message),) = steps(warehouse)
    assert status == "failed"
    assert "PII_POLICY_TAG_HIGH" in message
    assert not list(warehouse.client.list_tables("staging"))
