"""A statement is waited for and done once, whatever becomes of the request that starts it."""

from pathlib import Path

import yaml

from bench.proxy import Job, between
from bench.warehouse import Warehouse
from tests.dbt.warehouse import ROOT, Dbt, change, customer, deliver, job_python, trip


def test_a_statement_whose_answer_is_lost_is_done_once_and_none_may_read_without_bound(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    seen: list[Job] = []
    lost: list[str] = []

    def arrives(job: Job) -> bool:
        """Not the first answer to a statement that changes something."""
        statement, id_ = job["configuration"]["query"]["query"], job["jobReference"]["jobId"]
        if id_ in lost or not any(word in statement for word in ("create ", "merge into", "insert ")):
            return True
        lost.append(id_)
        return False

    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    with between(warehouse.environment["BIGQUERY_EMULATOR_HOST"], seen.append, arrives) as address:
        environment = warehouse.environment | {"BIGQUERY_EMULATOR_HOST": address}
        dbt = Dbt(job_python("dbt"), environment, tmp_path)
        try:
            dbt.build("--select", "latest_customers", "customer_salts", loaded_at="2026-03-03T00:00:00+00:00")
            deliver(warehouse, change(customer(2), "INSERT", 20))
            variables = {"since": "2026-03-03T00:00:00+00:00", "loaded_at": "2026-03-04T00:00:00+00:00"}
            dbt.build("--select", "latest_customers", "customer_salts", **variables)
        finally:
            dbt.close()

    assert len(lost) > 5
    again = [job["jobReference"]["jobId"] for job in seen]
    assert {id_: again.count(id_) for id_ in lost} == dict.fromkeys(lost, 2)
    assert warehouse.rows("SELECT customer_id FROM staging.latest_customers ORDER BY 1") == [(1,), (2,)]
    assert warehouse.rows("SELECT COUNT(*), COUNT(DISTINCT salt) FROM vault.customer_salts") == [(2, 2)]
    (recorded,) = warehouse.rows("SELECT COUNT(*) FROM staging.model_definitions WHERE model = 'latest_customers'")
    assert recorded == (1,)

    bounds = {job["configuration"]["query"].get("maximumBytesBilled") for job in seen}
    assert bounds == {str(2**40)}


def test_a_statement_of_ten_minutes_is_waited_for() -> None:
    """By the request that starts it, too: where the answer comes at the end, it is not sent again before."""
    profile = yaml.safe_load((ROOT / "dbt" / "profiles.yml").read_text())["omnipipe"]["outputs"]["default"]
    assert profile["job_execution_timeout_seconds"] >= 600
    assert profile["job_creation_timeout_seconds"] > profile["job_execution_timeout_seconds"]
    assert profile["job_retries"] == 1  # else an answer that is lost is a failure
