"""Which CLI and which provider a rehearsal takes, and what it says where one is missing or does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from omnipipe.rehearsal.engine import installed
from omnipipe.rehearsal.engine.installed import CannotRehearse


def tool(file: Path, version: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {version}\n")
    file.chmod(0o755)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a CLI, an SDK of 10.2.0 and no provider."""
    tool(tmp_path / "bin" / "pulumi", "v3.272.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("omnipipe.rehearsal.engine.installed.metadata.version", lambda _: "10.2.0")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "requirements.txt").write_text("pulumi-gcp>=9.35,<11  # the program\nrequests\n")
    return tmp_path


def provider(machine: Path, version: str) -> Path:
    file = machine / "home" / "plugins" / f"resource-gcp-v{version}" / "pulumi-resource-gcp"
    tool(file, version)
    return file


def test_the_provider_of_the_sdk_is_taken_before_a_newer_one(machine: Path) -> None:
    own = provider(machine, "10.2.0")
    provider(machine, "10.3.0")

    found = installed.find(machine / "program")

    assert (found.plugin, found.provider, found.cli_version) == (own, Version("10.2.0"), Version("3.272.0"))
    assert found.line == "Pulumi 3.272.0, Google provider 10.2.0, SDK pulumi-gcp 10.2.0"


def test_without_it_the_newest_within_the_programs_bounds_is_and_the_line_says_so(machine: Path) -> None:
    for version in ("9.34.0", "9.35.0", "10.1.0", "11.0.0", "my-own-build"):
        provider(machine, version)

    found = installed.find(machine / "program")

    assert found.provider == Version("10.1.0")
    assert found.line.endswith("SDK pulumi-gcp 10.1.0 (in place of 10.2.0, which has no provider here)")


def test_a_provider_on_the_path_counts_too(machine: Path) -> None:
    tool(machine / "bin" / "pulumi-resource-gcp", "9.36.0")

    assert installed.find(machine / "program").plugin == machine / "bin" / "pulumi-resource-gcp"


def test_bounds_are_read_from_pyproject_as_well(machine: Path) -> None:
    (machine / "program" / "requirements.txt").unlink()
    (machine / "program" / "pyproject.toml").write_text(
        '[project]\ndependencies = ["pulumi-gcp==9.*", "pulumi"]\n'
    )
    provider(machine, "10.2.0")
    provider(machine, "9.40.0")

    assert installed.find(machine / "program").provider == Version("9.40.0")


def test_a_missing_cli_is_told_with_the_command_that_gets_it(machine: Path) -> None:
    (machine / "bin" / "pulumi").unlink()
    with pytest.raises(CannotRehearse, match=r"^pulumi is not on PATH: curl -fsSL https://get.pulumi.com \| sh$"):
        installed.find(machine / "program")


def test_a_missing_provider_is_told_with_the_command_that_gets_the_sdks(machine: Path) -> None:
    with pytest.raises(CannotRehearse, match=r"not on PATH: pulumi plugin install resource gcp v10\.2\.0$"):
        installed.find(machine / "program")


def test_a_provider_out_of_the_programs_bounds_is_refused_with_both(machine: Path) -> None:
    provider(machine, "8.1.0")
    with pytest.raises(
        CannotRehearse, match=r"is here in version 8\.1\.0, and the program takes pulumi-gcp.*>=9\.35"
    ):
        installed.find(machine / "program")


def test_a_tool_that_does_not_tell_its_version_is_named(machine: Path) -> None:
    provider(machine, "10.2.0")
    tool(machine / "bin" / "pulumi", "nonsense")
    with pytest.raises(CannotRehearse, match=r"bin/pulumi version does not tell its version"):
        installed.find(machine / "program")
