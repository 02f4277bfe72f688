"""`omnipipe status` tells how the alerts stand."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omnipipe.cli.status import problems
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.home import Home, make_current
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream import resources as datastream
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.sql import resources as sql
from tests.cli.test_command import run
from tests.laptop.conftest import PROJECT
from tests.laptop.services.monitoring.watched import monitoring
from tests.support.ports import free_ports


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A laptop cloud that was up, with a failed job."""
    cloud = Cloud(Home(tmp_path, "omnipipe", "dev"), PROJECT, "europe-west1", base_port=free_ports(20))
    cloud.home.prepare()
    cloud.remember()
    make_current(cloud.home)
    template = {"template": {"containers": [{"image": "dbt"}]}}
    cloud.registry.put(Resource(JOB, "dbt", {"name": "dbt", "template": template}))
    deployment = Deployment(cloud)
    for made in monitoring().resources:
        deployment.register(made.type, made.name, made.inputs, made.protect)
    failed = {"timestamp": datetime.now(UTC).isoformat(), "severity": "ERROR", "message": "no"}
    cloud.home.log_file("dbt").write_text(json.dumps(failed) + "\n")
    return tmp_path


def test_a_setting_of_something_real_that_has_no_effect_is_told(home: Path) -> None:
    cloud = Cloud.open(Home(home, "omnipipe", "dev"))
    certificate = {"serverVerification": {"caCertificate": "c"}}
    for type_, name, inputs in (
        (sql.INSTANCE, "oltp", {"settings": {"ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}}}),
        (datastream.PROFILE, "source", {"postgresqlProfile": {"sslConfig": certificate}}),
        (datastream.PROFILE, "destination", {"bigqueryProfile": {}}),
        ("gcp:sql/database:Database", "mobility", {"name": "mobility"}),
    ):
        cloud.registry.put(Resource(type_, name, inputs, {"name": name, "pscServiceAttachmentLink": "/s"}))

    done = run("status", "--json", OMNIPIPE_HOME=str(home))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["without_effect"]
    assert "oltp's sslMode ENCRYPTED_ONLY, because its connections are Unix sockets" in told
    assert "source's sslConfig, because its connections are Unix sockets" in told
    assert not [words for words in told if "destination" in words]


def test_what_is_not_ok_has_a_line_and_the_rest_is_counted(home: Path) -> None:
    short = run("status", OMNIPIPE_HOME=str(home)).stdout
    assert "alerts      1 FIRING, 12 no data, 6 ok: monitoring: Errors of the job dbt" in short.splitlines()
    assert len(short.splitlines()) <= 5

    done = run("status", "--all", OMNIPIPE_HOME=str(home))
    assert done.returncode == 0, done.stderr
    (line,) = (
        line
        for line in done.stdout.splitlines()
        if "FIRING" in line and "no data," not in line and "ok" not in line
    )
    assert line.split("  ")[0] == "monitoring: Errors of the job dbt"
    assert "monitoring: Errors of the job probe" not in done.stdout
    (unmeasured,) = (line for line in done.stdout.splitlines() if line.startswith("No data, "))
    assert "nothing was measured yet, or not for long: monitoring: Capture lags behind, " in unmeasured
    assert "monitoring: No successful run" in unmeasured


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"last_run": None}, []),
        ({"last_run": {"status": "running"}}, []),
        ({"last_run": {"status": "failed"}}, ["the last run is failed"]),
        ({"streams": [{"name": "cdc", "state": "FAILED"}]}, ["cdc is FAILED"]),
        ({"streams": [{"name": "cdc", "state": "PAUSED"}]}, []),
        ({"alerts": [{"policy": "a", "state": "FIRING"}, {"policy": "b", "state": "ok"}]}, ["1 alert fires"]),
        ({"alerts": [{"policy": "a", "state": "FIRING"}] * 2}, ["2 alerts fire"]),
    ],
    ids=str,
)
def test_all_is_well_unless_something_says_otherwise(changed: dict[str, Any], said: list[str]) -> None:
    well = {
        "processes": [{"name": "google", "state": "running"}],
        "streams": [{"name": "cdc", "state": "RUNNING"}],
        "last_run": {"status": "succeeded"},
        "alerts": [{"policy": "a", "state": "no data"}],
    }
    assert problems(well | changed) == said


def test_what_is_gone_is_named_once_and_not_what_suffers_from_it() -> None:
    gone = [{"name": name, "state": "stopped"} for name in ("bigquery", "postgres-x")]
    suffering = [{"name": "cdc", "state": "RETRYING"}]
    (said,) = problems({"processes": gone, "streams": suffering, "alerts": []})
    assert said.startswith("not running: bigquery, postgres-x. ")


def test_what_is_not_measured_yet_says_how_to_measure_it(home: Path) -> None:
    Cloud.open(Home(home, "omnipipe", "dev")).home.log_file("dbt").write_text("")
    short = run("status", OMNIPIPE_HOME=str(home)).stdout
    (line,) = (line for line in short.splitlines() if line.startswith("alerts"))
    assert line.startswith("alerts      12 no data, 7 ok: `")
    assert line.endswith("omnipipe probe` measures now")


def test_a_machine_gets_all_of_them(home: Path) -> None:
    done = run("status", "--json", OMNIPIPE_HOME=str(home))
    alerts: list[dict[str, Any]] = json.loads(done.stdout)["alerts"]
    found = {alert["policy"].removeprefix("monitoring: "): alert for alert in alerts}
    assert len(found) == len(alerts) == 19
    assert found["Errors of the job dbt"]["state"] == "FIRING"
    assert found["Errors of the job dbt"]["value"] == 1
    assert found["Errors of the job probe"]["state"] == "ok"
    assert found["The probe is silent"]["why"] == "nothing was measured yet, or not for long"
