"""Each function and job starts with the packages of its own requirements.txt, and with no others.

The functions are taken from their zips and the jobs from their images, as they are deployed.
"""

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from components.packaging import package_function
from components.platform.sources import ROOT, SOURCES
from omnipipe.laptop.environments import environment
from omnipipe.laptop.services.artifacts.images import build

FUNCTIONS = {"weather": "weather", "reverse_sync": "reverse_sync"}  # folder -> entry point
JOBS = ("migrate", "catch_up", "dbt", "dvt", "probe", "business")
# What the project itself is made with; a job may list one as its own.
OURS = ("pulumi", "pulumi_gcp", "duckdb", "bqemulator", "psycopg", "typer", "sqlglot", "components", "seed")
OWN = {job: {"psycopg"} for job in ("migrate", "catch_up", "dvt", "probe")} | {"business": {"psycopg", "seed"}}


def python(packages: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as the workload's interpreter does: its packages, its folder, nothing of this environment."""
    return subprocess.run(
        [str(packages / "bin" / "python"), *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def not_importable(packages: Path, folder: Path) -> set[str]:
    code = f"import importlib.util as u; print(*(n for n in {OURS} if u.find_spec(n) is None))"
    done = python(packages, folder, "-c", code)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_workload_is_tested_here() -> None:
    assert {path.parent.name for path in ROOT.glob("functions/*/main.py")} == set(FUNCTIONS)
    assert {path.parent.name for path in ROOT.glob("jobs/*/main.py")} == set(JOBS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_packaged_function_has_its_entry_point_with_its_own_packages_alone(
    function: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(package_function(ROOT / "functions" / function, SOURCES).path) as archive:
        archive.extractall(tmp_path)
    packages = environment(tmp_path / "requirements.txt")

    # Logging is configured at import, as on Google: what it says goes to stdout, so the answer is the exit code.
    done = python(packages, tmp_path, "-c", f"import main; assert callable(main.{FUNCTIONS[function]})")
    assert done.returncode == 0, done.stderr
    assert not_importable(packages, tmp_path) == set(OURS)
    assert (packages / "bin" / "functions-framework").is_file()


@pytest.mark.parametrize("job", JOBS)
def test_a_job_s_image_has_its_program_with_its_own_packages_alone(job: str, tmp_path: Path) -> None:
    image = build(ROOT, ROOT / "jobs" / job / "Dockerfile", tmp_path)
    packages, folder = Path(image.environment), Path(image.root) / image.workdir.lstrip("/")

    # Without the environment of a run it says what is missing, with everything imported.
    assert image.entrypoint == ["python", "main.py"]
    done = python(packages, folder, "main.py")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["severity"] == "ERROR"
    assert not_importable(packages, folder) == set(OURS) - OWN.get(job, set())


@pytest.mark.parametrize("job", JOBS)
def test_a_job_s_image_holds_no_more_than_it_needs(job: str, tmp_path: Path) -> None:
    image = build(ROOT, ROOT / "jobs" / job / "Dockerfile", tmp_path)

    names = [path.relative_to(image.root).as_posix() for path in Path(image.root).rglob("*") if path.is_file()]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".env"))]
    assert not [name for name in names if name.startswith(("app/target", "app/logs", "app/dbt/target"))]


def test_every_image_has_one_base_by_digest_and_runs_as_nobody() -> None:
    """A tag is another image tomorrow; a number is an id that nothing else on the machine has."""
    bases = set()
    for file in ROOT.glob("jobs/*/Dockerfile"):
        steps = [(s["instruction"], s["value"]) for s in DockerfileParser(str(file)).structure]
        bases |= {value for instruction, value in steps if instruction == "FROM"}
        user, *later = [instruction for instruction, _ in steps if instruction != "COMMENT"][-2:]
        assert (user, later) == ("USER", ["ENTRYPOINT"]), file
        assert ("USER", "65532:65532") in steps
    (base,) = bases
    assert re.fullmatch(r"python:3\.12-slim@sha256:[0-9a-f]{64}", base)
