"""`omnipipe run NAME` refuses what cannot be run, and says what can."""

from pathlib import Path

import pytest

from omnipipe.cli.named import started
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT, Home
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.workflows.resources import WORKFLOW


def cloud(folder: Path, program: Path | None = None) -> Cloud:
    """A cloud with a workflow and a job, of which nothing runs."""
    made = Cloud(Home(folder, "shop", "dev"), "p", "europe-west1", program=program)
    made.home.prepare()
    made.registry.put(Resource(WORKFLOW, "evening", {"name": "evening"}))
    made.registry.put(Resource(JOB, "load", {"name": "load"}))
    return made


def test_a_name_of_nothing_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match=r"no workflow or job 'lunch': choose one of evening, load$"):
        started(cloud(tmp_path), "lunch")


def test_where_there_is_a_day_a_model_may_have_been_meant(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="`omnipipe run --full-refresh fct_trip`"):
        started(cloud(tmp_path, PROJECT_ROOT), "fct_trip")


def test_a_job_takes_no_data(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="load is a job, and --data is the argument of a workflow"):
        started(cloud(tmp_path), "load", "{}")


def test_data_that_is_no_json_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="--data is not JSON: Expecting"):
        started(cloud(tmp_path), "evening", "{day: 1}")
