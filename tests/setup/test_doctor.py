"""`omnipipe doctor`: a line a check, what to run for each that is missing, and exit code 1; with or without Google."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from google.auth.credentials import Credentials
from google.oauth2.credentials import Credentials as Person
from typer.testing import CliRunner, Result

from omnipipe.cli import app
from omnipipe.google import api
from omnipipe.laptop import home
from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from omnipipe.setup import deployment, examination, google
from stacks.foundation import BASE_APIS
from tests.rehearsal.conftest import clients
from tests.setup.conftest import Machine
from tests.setup.test_google import Expired, make_foundation
from tests.support.ports import free_ports

OF_THIS_MACHINE = ["Python", "git", "disk", "ports", "settings", "one project a stack"]
OF_A_DEPLOYMENT = ["addresses", "Pulumi", "plugin random", "plugin docker-build", "Docker", "Docker's login"]
OF_GOOGLE = ["credentials", "quota project", "project", "billing", "APIs", "state", "key", "names"]


def doctor(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["doctor", *arguments])


def line(done: Result, name: str) -> str:
    """What it said of a check, with what to do."""
    lines = done.stdout.splitlines()
    (at,) = (index for index, text in enumerate(lines) if text[9:].startswith(f"{name}: "))
    more = []
    for text in lines[at + 1 :]:
        if not text.startswith(" "):
            break
        more.append(text.strip())
    return "\n".join([lines[at], *more])


@pytest.fixture(autouse=True)
def here(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with free ports and room, without credentials."""
    monkeypatch.setenv("OMNIPIPE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OMNIPIPE_PORT", str(free_ports(20)))
    monkeypatch.setattr(api, "credentials", lambda: None)
    return machine


def settings(machine: Machine, stack: str, **own: str) -> None:
    """Change settings in a stack's file: ``gcp__project`` is ``gcp:project``."""
    file = machine.folder / f"Pulumi.{stack}.yaml"
    lines = [
        text
        for text in file.read_text().splitlines()
        if not any(text.startswith(f"  {key.replace('__', ':')}:") for key in own)
    ]
    lines += [f"  {key.replace('__', ':')}: {json.dumps(value)}" for key, value in own.items()]
    file.write_text("\n".join(lines) + "\n")


def test_without_credentials_it_looks_at_this_machine_and_says_so() -> None:
    done = doctor()

    assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [text[9:].partition(":")[0] for text in lines[:-2]] == OF_THIS_MACHINE
    assert all(text.startswith("ok       ") for text in lines[:-2])
    assert lines[-2] == (
        "Google was not asked, nor what a deployment takes of this machine: there are no credentials. To deploy: "
        "gcloud auth application-default login"
    )
    assert lines[-1] == "Nothing is missing."


def test_a_port_that_another_has_is_named_with_the_way_around() -> None:
    base = int(os.environ["OMNIPIPE_PORT"])
    with socket.create_server(("127.0.0.1", base + 3)):
        done = doctor()

    assert done.exit_code == 1
    assert f"in use are {base + 3}" in line(done, "ports")
    assert f"export OMNIPIPE_PORT={base + 1000}" in line(done, "ports")
    assert done.stdout.splitlines()[-1] == "Missing: ports."


def test_a_port_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIPIPE_PORT", "many")
    assert "OMNIPIPE_PORT is 'many'" in line(doctor(), "ports")


def test_too_little_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "NEEDED_DISK_BYTES", 10**18)
    assert "GB are needed\n→ free some, or name a folder" in line(doctor(), "disk")


def test_no_git_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert line(doctor(), "git").endswith("→ see https://git-scm.com/downloads")


def test_settings_that_do_not_fit_are_told_with_their_lines(here: Machine) -> None:
    settings(here, "dev", omnipipe__webhookUrl="hooks", omnipipe__schedule="daily")

    done = doctor()
    assert done.exit_code == 1
    said = line(done, "settings").splitlines()
    assert said[0].startswith("missing  settings: Pulumi.dev.yaml:")
    assert {"schedule is 'daily'" in text or "webhookUrl is 'hooks'" in text for text in said[:2]} == {True}


def test_a_stack_that_is_not_there_is_told() -> None:
    done = doctor("--stack", "staging")

    assert "there is no stack 'staging': choose one of dev, prod" in line(done, "settings")
    assert "Google was not asked" in done.stdout
    assert done.exit_code == 1


def test_two_stacks_in_one_project_are_told(here: Machine) -> None:
    settings(here, "prod", gcp__project="omnipipe-dev")

    for stack, others in (("dev", "dev and prod"), ("prod", "prod and dev")):
        assert f"omnipipe-dev is the project of {others}" in line(doctor("--stack", stack), "one project a stack")


def test_json_has_all_of_it() -> None:
    said = json.loads(doctor("--json").stdout)

    assert [check["name"] for check in said["checks"]] == OF_THIS_MACHINE
    assert set(said["checks"][0]) == {"name", "ok", "said", "get"}
    assert ": there are no credentials. To deploy: " in said["not_asked"]


# --- with credentials


def tool(machine: Machine, name: str, script: str) -> None:
    program = machine.programs / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def deploying(here: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Credentials], None]]:
    """A machine and a project where nothing is missing; call it with other credentials."""
    settings(here, "dev", gcp__project="shop-dev-1", omnipipe__webhookUrl="https://hooks.acme.dev/omnipipe")
    settings(here, "dev", omnipipe__runbooksUrl="https://github.com/acme/omnipipe/blob/main/docs/runbooks")
    tool(here, "pulumi", f"echo v{metadata.version('pulumi')}")
    tool(here, "docker", "echo 28.2.2")
    for plugin in ("gcp", "random", "docker-build"):
        folder = here.folder / "plugins" / f"resource-{plugin}-v{metadata.version(f'pulumi-{plugin}')}"
        folder.mkdir(parents=True)
        (folder / f"pulumi-resource-{plugin}").touch()
    (here.folder / "config.json").write_text(
        json.dumps({"credHelpers": {"europe-west1-docker.pkg.dev": "gcloud"}})
    )
    monkeypatch.setenv("PULUMI_HOME", str(here.folder))
    monkeypatch.setenv("DOCKER_CONFIG", str(here.folder))

    def log_in(given: Credentials) -> None:
        monkeypatch.setattr(api, "credentials", lambda: given)

    with server.running(ControlPlane(World("shop-dev-1", "123456789", enabled=BASE_APIS))) as address:
        make_foundation(clients(address))
        real = google.Google
        monkeypatch.setattr(google, "Google", lambda given, of: real(given, of, f"{address}/{{host}}"))
        log_in(Person("of nobody", quota_project_id="shop-dev-1"))
        yield log_in


@pytest.mark.usefixtures("deploying")
def test_where_nothing_is_missing_each_check_is_ok() -> None:
    done = doctor()

    assert done.exit_code == 0, done.stdout
    names = [text[9:].partition(":")[0] for text in done.stdout.splitlines()[:-1]]
    assert names == [*OF_THIS_MACHINE, *OF_A_DEPLOYMENT, "gcloud", "gh", *OF_GOOGLE]
    assert done.stdout.splitlines()[-1] == "Nothing is missing."


def test_credentials_that_are_refused_end_it(deploying: Callable[[Credentials], None]) -> None:
    deploying(Expired(None))
    done = doctor()

    assert done.exit_code == 1
    assert "gcloud auth application-default login" in line(done, "credentials")
    assert done.stdout.splitlines()[-2:] == ["Google was not asked more.", "Missing: credentials."]


@pytest.mark.usefixtures("deploying")
def test_an_old_pulumi_is_told(here: Machine) -> None:
    tool(here, "pulumi", "echo v3.200.0")

    said = line(doctor(), "Pulumi")
    assert "Pulumi 3.200.0 is older than the SDK" in said
    assert f"sh -s -- --version {metadata.version('pulumi')}" in said


@pytest.mark.usefixtures("deploying")
def test_each_thing_that_a_deployment_takes_is_told_with_how_to_get_it(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(here, "dev", omnipipe__webhookUrl="https://hooks.example.com/x")
    monkeypatch.setenv("PULUMI_HOME", "/nowhere")
    monkeypatch.setenv("DOCKER_CONFIG", "/nowhere")
    monkeypatch.setenv("PATH", str(here.programs))
    for name in ("pulumi", "docker", "gcloud", "gh"):
        (here.programs / name).unlink()

    done = doctor()

    assert done.exit_code == 1
    assert line(done, "addresses").endswith("→ pulumi config set omnipipe:webhookUrl VALUE --stack dev")
    assert "curl -fsSL https://get.pulumi.com | sh" in line(done, "Pulumi")
    assert "→ pulumi plugin install resource random v" in line(done, "plugin random")
    assert "→ pulumi plugin install resource docker-build v" in line(done, "plugin docker-build")
    assert line(done, "Docker").endswith("→ see https://docs.docker.com/engine/install/")
    assert line(done, "Docker's login").endswith("→ gcloud auth configure-docker europe-west1-docker.pkg.dev")
    assert line(done, "gcloud").endswith("→ see https://cloud.google.com/sdk/docs/install")
    assert line(done, "gh").endswith("→ see https://github.com/cli/cli#installation")


@pytest.mark.usefixtures("deploying")
def test_what_hangs_is_given_up_and_whoever_waits_is_told(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(here, "docker", "exec sleep 60")
    monkeypatch.setattr(deployment, "_TOOL_S", 2.0)
    monkeypatch.setattr(examination, "_SILENT_S", 1)

    done = doctor()

    assert line(done, "Docker").startswith("missing  Docker: it does not answer: it has not ended after 2 s")
    assert "… looking for 1 s: Docker\n" in done.stderr
