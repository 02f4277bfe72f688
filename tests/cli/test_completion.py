"""What the shell completes, asked as the shell asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import PROJECT_ROOT, Home, make_current
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.functions.resources import FUNCTION
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.workflows.resources import WORKFLOW

COMMAND = str(Path(sys.executable).with_name("omnipipe"))


def completed(home: Path, *words: str) -> list[str]:
    """What bash is told for the last of the words of a command line."""
    asked = {"_OMNIPIPE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("omnipipe", *words))}
    done = subprocess.run(
        [COMMAND],
        env={**os.environ, **asked, "COMP_CWORD": str(len(words)), "OMNIPIPE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a stack that was up once, and is not now."""
    root = tmp_path_factory.mktemp("home")
    cloud = Cloud(Home(root, "omnipipe", "dev"), "p", "europe-west1", program=PROJECT_ROOT)
    cloud.home.prepare()
    cloud.remember()
    make_current(cloud.home)
    function = {"serviceConfig": {"uri": "http://here/weather"}}
    workflow = {"name": "daily", "userEnvVars": {"A": "jobs/dbt", "B": "http://here/weather"}}
    for type_, inputs, outputs, id_ in (
        (JOB, {"name": "dbt"}, {}, "jobs/dbt"),
        (JOB, {"name": "migrate"}, {}, "jobs/migrate"),
        (FUNCTION, {"name": "weather"}, function, "functions/weather"),
        (WORKFLOW, workflow, {}, "workflows/daily"),
        (ACCOUNT, {"accountId": "dbt-job"}, {"email": "dbt-job@p.iam.gserviceaccount.com"}, "accounts/dbt-job"),
    ):
        cloud.registry.put(Resource(type_, id_, inputs, outputs, id_))
    cloud.home.log_file("webhook").touch()
    return root


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("run", ""), ["daily", "dbt", "migrate"]),
        (("run", "--only", "w"), ["weather"]),
        (("job", ""), ["dbt", "migrate"]),
        (("debug", ""), ["dbt", "migrate", "weather"]),
        (("env", "--as", "d"), ["dbt-job"]),
        (("proxy", "bigquery", "--as", ""), ["dbt-job"]),
        (("logs", "web"), ["webhook"]),
        (("up", "--stack", ""), ["dev", "prod"]),
        (("up", "--real", "we"), ["weather-api", "webhook"]),
        (("proxy", ""), ["postgres", "bigquery"]),
        (("describe", ""), []),  # BigQuery, which knows them, is not running
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_names_are_those_of_the_last_deployment(home: Path, words: tuple[str, ...], names: list[str]) -> None:
    assert completed(home, *words) == names


def test_before_the_first_deployment_nothing_is_completed_and_nothing_said(tmp_path: Path) -> None:
    assert completed(tmp_path, "run", "") == []
