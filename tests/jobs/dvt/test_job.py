"""The job as it is deployed: its image, its own packages, its exit code and what it records."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.warehouse import Warehouse
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from tests.dbt.warehouse import ROOT

CHECKS = {
    "a": "{id: a_rows, kind: row_count, min: 1, dimension: volume, severity: error}",
    "b": "{id: b_rows, kind: row_count, min: 1, dimension: volume, severity: error}",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(ROOT, ROOT / "jobs" / "dvt" / "Dockerfile", tmp_path_factory.mktemp("images"))


@pytest.fixture
def checks(image: Image) -> Path:
    """The image's folder of checks, emptied for checks of the test's own."""
    folder = Path(f"{image.root}{image.workdir}") / "checks"
    for path in folder.glob("*.yml"):
        path.unlink()
    return folder


def run(image: Image, warehouse: Warehouse, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the job; its exit code and the entries of its log."""
    assert image.entrypoint == ["python", "main.py"]
    done = subprocess.run(
        [f"{image.environment}/bin/python", "main.py"],
        cwd=f"{image.root}{image.workdir}",
        env=warehouse.environment | {"RUN_ID": "run-1", "RUN_DATE": "2026-03-03"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def declare(folder: Path, name: str, *checks: str) -> None:
    lines = "\n".join(f"  - {check}" for check in checks)
    (folder / f"{name}.yml").write_text(f"table: prod.{name}\nchecks:\n{lines}\n")


def steps(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT run_id, step, status, rows, message FROM ops.step_runs")


def statuses(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.rows("SELECT check_id, status FROM ops.validation_results"))


def test_everything_in_order(warehouse: Warehouse, image: Image, checks: Path) -> None:
    warehouse.client.query("CREATE TABLE prod.a AS SELECT 1 AS id").result()
    declare(checks, "a", CHECKS["a"])
    assert run(image, warehouse)[0] == 0
    assert steps(warehouse) == [("run-1", "validate", "succeeded", 1, "all 1 checks passed")]
    assert statuses(warehouse) == {"a_rows": "passed"}


def test_a_failed_warning_is_recorded_and_lets_the_run_go_on(
    warehouse: Warehouse, image: Image, checks: Path
) -> None:
    warehouse.client.query("CREATE TABLE prod.a AS SELECT 1 AS id").result()
    declare(checks, "a", CHECKS["a"], "{id: few, kind: row_count, min: 9, dimension: volume, severity: warn}")
    code, log = run(image, warehouse)
    assert code == 0
    assert statuses(warehouse) == {"a_rows": "passed", "few": "failed"}
    assert [entry["severity"] for entry in log if "few" in entry["message"]] == ["WARNING"]
    assert "1 of 2 checks did not pass: few (warn, prod.a): there are 1 rows" in steps(warehouse)[0][4]


def test_a_failed_error_ends_the_run_and_names_the_check(warehouse: Warehouse, image: Image, checks: Path) -> None:
    warehouse.client.query("CREATE TABLE prod.a AS SELECT 1 AS id LIMIT 0").result()
    declare(checks, "a", CHECKS["a"])
    assert run(image, warehouse)[0] == 1
    ((_, _, status, rows, message),) = steps(warehouse)
    assert (status, rows) == ("failed", 0)
    assert "a_rows (error, prod.a): there are 0 rows" in message
    assert statuses(warehouse) == {"a_rows": "failed"}


def test_a_check_that_cannot_run_ends_the_run(warehouse: Warehouse, image: Image, checks: Path) -> None:
    declare(checks, "a", CHECKS["a"])  # there is no such table
    assert run(image, warehouse)[0] == 1
    assert statuses(warehouse) == {"a_rows": "error"}


def test_a_wrong_declaration_ends_the_run(warehouse: Warehouse, image: Image, checks: Path) -> None:
    (checks / "a.yml").write_text("table: prod.a\nchecks: []\n")
    assert run(image, warehouse)[0] == 1
    assert "a.yml: no check of kind row_count: add one" in steps(warehouse)[0][4]


def test_tasks_share_the_tables(warehouse: Warehouse, image: Image, checks: Path) -> None:
    for name in CHECKS:
        warehouse.client.query(f"CREATE TABLE prod.{name} AS SELECT 1 AS id").result()
        declare(checks, name, CHECKS[name])
    seen = []
    for index in ("0", "1"):
        assert run(image, warehouse, CLOUD_RUN_TASK_INDEX=index, CLOUD_RUN_TASK_COUNT="2")[0] == 0
        seen.append(set(statuses(warehouse)))
    assert seen == [{"a_rows"}, {"a_rows", "b_rows"}]


@pytest.mark.parametrize("environment", [{"RUN_ID": "run-1"}, {"RUN_ID": "run-1", "RUN_DATE": "today"}])
def test_without_its_overrides_it_says_what_to_set(
    warehouse: Warehouse, image: Image, environment: dict[str, str]
) -> None:
    code, (entry,) = run(image, warehouse, **({"RUN_DATE": ""} | environment))
    assert code == 1
    assert "run_date must be a day as YYYY-MM-DD" in entry["message"]
    assert "RUN_DATE" in entry["message"]
