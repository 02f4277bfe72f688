"""`omnipipe bootstrap`: printed for a shell, or applied, and again: with stand-ins for gcloud, gh and pulumi."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from omnipipe.cli import app
from omnipipe.laptop.errors import LaptopError
from omnipipe.setup import apply
from tests.setup.conftest import Machine

LOOKS = re.compile(r"\b(list|describe|get-iam-policy|select|get)\b|--jq")


def bootstrap(*more: str, project: str = "shop-dev-1") -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["bootstrap", "--project", project, "--repo", "acme/omnipipe", *more])


def applied(*more: str, project: str = "shop-dev-1") -> list[str]:
    """Run it with --apply; its lines."""
    done = bootstrap("--apply", *more, project=project)
    assert done.exit_code == 0, (done.stdout, done.exception)
    return done.stdout.splitlines()


def failure(*arguments: str) -> str:
    """What it says when it cannot."""
    done = bootstrap(*arguments)
    assert isinstance(done.exception, LaptopError)
    return str(done.exception)


def without_calls(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != "calls"}


def making(state: dict[str, Any]) -> list[str]:
    """The calls that make something."""
    return [line for line in map(" ".join, state["calls"]) if not LOOKS.search(line)]


def test_all_of_it_is_made_and_said_to_be(machine: Machine) -> None:
    lines = applied()

    said = [line for line in lines if line.startswith(("+ made: ", "✓ there already: "))]
    assert len(said) == 22
    # Pulumi is told of the key when it makes the stack.
    assert [line for line in said if line.startswith("✓")] == [
        "✓ there already: its secrets, encrypted with the key"
    ]
    assert lines[-4:] == [
        "Made 21. Commit Pulumi.dev.yaml, and then:",
        "  export PULUMI_BACKEND_URL=gs://shop-dev-1-pulumi-state",
        "  omnipipe doctor --stack dev",
        "  pulumi up --stack dev",
    ]
    state = machine.state
    assert state["buckets"]["shop-dev-1-pulumi-state"]["versioning"] is True
    assert state["buckets"]["shop-dev-1-pulumi-state"]["location"] == "europe-west1"
    assert {"uniform-bucket-level-access", "public-access-prevention"} <= state["buckets"][
        "shop-dev-1-pulumi-state"
    ].keys()
    assert state["variables"]["DEV_WORKLOAD_IDENTITY_PROVIDER"] == (
        "projects/123456789/locations/global/workloadIdentityPools/github/providers/github-oidc"
    )
    key = "projects/shop-dev-1/locations/europe-west1/keyRings/pulumi/cryptoKeys/secrets"
    settings = machine.stack_file("dev")
    assert f"secretsprovider: gcpkms://{key}\n" in settings
    assert 'gcp:project: "shop-dev-1"' in settings
    assert 'omnipipe:githubRepositoryId: "4711"' in settings
    assert 'omnipipe:githubOwnerId: "815"' in settings


def test_again_it_only_looks(machine: Machine) -> None:
    applied()
    first = machine.state
    machine.set(calls=[])

    lines = applied()

    assert making(machine.state) == []
    assert without_calls(machine.state) == without_calls(first)
    assert len([line for line in lines if line.startswith("✓ there already: ")]) == 22
    assert "Nothing was missing of dev." in lines


def test_what_is_printed_does_the_same_and_again_only_looks(machine: Machine, tmp_path: Path) -> None:
    done = bootstrap()
    assert done.exit_code == 0

    def run() -> None:
        subprocess.run(["sh"], input=done.stdout, text=True, cwd=tmp_path, check=True)

    run()
    by_shell, settings = machine.state, machine.stack_file("dev")
    machine.set(calls=[])
    run()
    assert making(machine.state) == []
    assert without_calls(machine.state) == without_calls(by_shell)
    # And applied, it finds all that the shell has made.
    machine.set(calls=[])
    assert "Nothing was missing of dev." in applied()
    assert machine.stack_file("dev") == settings


def test_printing_runs_nothing(machine: Machine) -> None:
    machine.set(calls=[])
    assert bootstrap().exit_code == 0
    assert machine.state["calls"] == []


def test_what_is_half_there_is_finished(machine: Machine) -> None:
    bucket = {"project": "shop-dev-1", "policy": []}
    machine.set(buckets={"shop-dev-1-pulumi-state": bucket}, stacks=["dev"])

    lines = applied()

    there = [line.partition(": ")[2] for line in lines if line.startswith("✓")]
    assert there == ["the bucket gs://shop-dev-1-pulumi-state for the state", "the stack dev"]
    # The stack was encrypted with something else.
    assert "+ made: its secrets, encrypted with the key" in lines


def test_prod_gets_its_environment_and_nobody_who_previews(machine: Machine) -> None:
    applied("--stack", "prod", project="shop-prod-1")

    state = machine.state
    assert state["environments"] == {"prod": [{"name": "main"}]}
    assert set(state["accounts"]) == {"github-deployer@shop-prod-1.iam.gserviceaccount.com"}
    assert set(state["variables"]) == {
        "PROD_PULUMI_BACKEND_URL",
        "PROD_DEPLOYER",
        "PROD_WORKLOAD_IDENTITY_PROVIDER",
    }


def test_a_bucket_of_somebody_else_is_not_taken_for_ours(machine: Machine) -> None:
    """Its name is for the whole world, and whoever took it may have opened it to us."""
    machine.set(buckets={"shop-dev-1-pulumi-state": {"project": "evil", "policy": []}})

    said = failure("--apply")

    assert "the bucket gs://shop-dev-1-pulumi-state for the state: `gcloud storage buckets create" in said
    assert "The requested bucket name is not available" in said


def test_what_google_does_not_know_everywhere_yet_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(apply, "sleep", waited.append)
    machine.set(late=2)

    lines = applied()

    assert waited == [10, 10]
    assert len([line for line in lines if "Google does not know everywhere yet" in line]) == 2


def test_it_does_not_try_for_ever(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(apply, "sleep", waited.append)
    machine.set(late=1000)

    said = failure("--apply")

    assert "says: HTTPError 400: Service account github-deployer@" in said
    assert sum(waited) == 230


def test_each_program_that_is_missing_is_told_with_how_to_get_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.programs / "gh").unlink()
    (machine.programs / "pulumi").unlink()
    monkeypatch.setenv("PATH", str(machine.programs))

    said = failure("--apply").splitlines()

    assert said[0] == "gh is not on PATH: see https://github.com/cli/cli#installation"
    assert said[1].startswith("pulumi is not on PATH: curl -fsSL https://get.pulumi.com | sh -s -- --version 3.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--repo", "omnipipe"), "--repo is 'omnipipe': write OWNER/NAME"),
        (("--repo", "https://github.com/acme/omnipipe"), "write OWNER/NAME"),
        (("--project", "123"), "project is '123': give its id"),
        (("--stack", "staging"), "no stack 'staging': choose one of dev, prod"),
    ],
)
def test_what_does_not_fit_is_told(machine: Machine, arguments: tuple[str, str], words: str) -> None:
    assert words in failure(*arguments)
