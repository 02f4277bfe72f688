"""A rehearsal has copies of the program and a home of its own: nothing of the user's is changed or used by mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from omnipipe.rehearsal.engine.installed import Installed
from omnipipe.rehearsal.engine.workspace import Workspace

ADDRESS = "http://127.0.0.1:9"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for name, text in {
        "Pulumi.yaml": "name: shop\nruntime: {name: python, options: {virtualenv: .venv}}\n",
        "Pulumi.dev.yaml": "config: {gcp:project: shop-dev}\n",
        "__main__.py": "print(1)\n",
        ".venv/bin/python": "not this one",
        "__pycache__/x.pyc": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    plugins = tmp_path / "home" / "plugins"
    for name in ("resource-tls-v5.0.0", "resource-gcp-v8.0.0", "resource-random-v1.0.0"):
        (plugins / name).mkdir(parents=True)
    plugin = tmp_path / "pulumi-resource-gcp"
    plugin.touch()
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    sdk = Version(metadata.version("pulumi-gcp"))
    installed = Installed(tmp_path / "bin" / "pulumi", Version("3.272.0"), plugin, sdk, sdk)
    return Workspace(tmp_path / "rehearsal", program, installed)


def test_its_home_has_the_users_plugins_the_chosen_provider_and_the_stand_ins(workspace: Workspace) -> None:
    plugins = {each.name for each in (workspace.home / "plugins").iterdir()}
    sdk, random = metadata.version("pulumi-gcp"), metadata.version("pulumi-random")
    docker = metadata.version("pulumi-docker-build")

    assert {"resource-tls-v5.0.0", f"resource-gcp-v{sdk}"} < plugins
    assert "resource-gcp-v8.0.0" not in plugins, "the engine must not take another"
    for name, version in (("random", random), ("docker-build", docker)):
        start = workspace.home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
        assert os.access(start, os.X_OK)
        assert sys.executable in start.read_text()


def test_a_copy_is_as_another_clone_with_the_environment_of_this_one(workspace: Workspace, program: Path) -> None:
    first, second = workspace.checkout("one"), workspace.checkout("another")

    assert first != second
    assert sorted(p.name for p in first.iterdir()) == [".venv", "Pulumi.dev.yaml", "Pulumi.yaml", "__main__.py"]
    assert (first / ".venv").resolve() == Path(sys.prefix).resolve()
    assert (program / ".venv" / "bin" / "python").read_text() == "not this one"
    times = {tree: (tree / "__main__.py").stat().st_mtime_ns for tree in (program, first, second)}
    assert len(set(times.values())) == 3, "a clone's files have times of their own"


def test_of_a_program_in_git_what_git_ignores_is_left_out_and_what_is_new_is_not(
    workspace: Workspace, program: Path
) -> None:
    (program / ".gitignore").write_text("*.secret\n")
    (program / "key.secret").touch()
    (program / "new.py").touch()
    for command in (["init", "-q"], ["add", "Pulumi.yaml", "__main__.py"]):
        subprocess.run(["git", *command], cwd=program, check=True)
    (program / "__main__.py").unlink()  # deleted, and not yet committed

    names = {path.name for path in workspace.checkout("one").iterdir()}
    assert "new.py" in names
    assert not names & {"key.secret", "__main__.py"}


def test_the_stacks_file_of_another_copy_can_take_the_place_of_its_own(workspace: Workspace) -> None:
    first = workspace.checkout("one")
    (first / "Pulumi.dev.yaml").write_text("encryptionsalt: x\n")

    second = workspace.checkout("another", first / "Pulumi.dev.yaml")
    assert (second / "Pulumi.dev.yaml").read_text() == "encryptionsalt: x\n"


def test_the_engine_has_no_credentials_no_settings_of_the_user_and_no_way_out(
    workspace: Workspace, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "PULUMI_ACCESS_TOKEN", "https_proxy"):
        monkeypatch.setenv(name, "of the user")
    monkeypatch.setenv("SHOP", "kept")

    variables = workspace.environment(ADDRESS, program)

    assert "of the user" not in variables.values()
    assert variables["SHOP"] == "kept"
    assert variables["HTTPS_PROXY"] == ADDRESS
    assert variables["PULUMI_BACKEND_URL"].startswith("file:///")
    assert variables["GOOGLE_SQL_CUSTOM_ENDPOINT"] == f"{ADDRESS}/sqladmin/sql/v1beta4/"
    assert variables["PYTHONPATH"].split(os.pathsep)[0] == str(program), (
        "the copy's code is run, not the installed"
    )
