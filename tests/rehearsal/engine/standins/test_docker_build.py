"""An image without Docker: the same content has the same digest, in whatever folder, and what is missing is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnipipe.rehearsal.engine.standins.docker_build import DockerBuild

IMAGE = "docker-build:index:Image"
REPOSITORY = "europe-west1-docker.pkg.dev/p/images"


def inputs(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "context": {"location": str(folder)},
        "dockerfile": {"location": str(folder / "jobs" / "Dockerfile")},
        "tags": [f"{REPOSITORY}/job:latest"],
        **more,
    }


def context(folder: Path, **files: str) -> Path:
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "Dockerfile").write_text(
        "FROM python\nCOPY --chown=1 jobs/main.py lib ./\nCOPY --from=x /a /b\n"
    )
    (folder / "jobs" / "main.py").write_text("print(1)")
    (folder / "lib").mkdir()
    (folder / "lib" / "a.py").write_text("a")
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_the_digest_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    one, other = context(tmp_path / "one"), context(tmp_path / "a-longer-name")
    digest, outputs = DockerBuild().made(IMAGE, inputs(one))

    assert outputs == {"digest": digest, "ref": f"{REPOSITORY}/job:latest@{digest}"}
    assert DockerBuild().made(IMAGE, inputs(other))[0] == digest
    (other / "lib" / "a.py").write_text("b")
    assert DockerBuild().made(IMAGE, inputs(other))[0] != digest
    assert DockerBuild().made(IMAGE, inputs(one, buildArgs={"A": "1"}))[0] != digest


def test_what_is_ignored_is_not_seen(tmp_path: Path) -> None:
    folder = context(tmp_path / "one")
    (folder / "jobs" / "Dockerfile.dockerignore").write_text("*\n!jobs/main.py\n!lib\n")
    before = DockerBuild().made(IMAGE, inputs(folder))[0]
    (folder / "notes.txt").write_text("no part of it")
    assert DockerBuild().made(IMAGE, inputs(folder))[0] == before


@pytest.mark.parametrize(
    ("gone", "words"),
    [("jobs/Dockerfile", "there is no Dockerfile"), ("lib/a.py", "copies lib, which is not in its context")],
)
def test_what_is_missing_is_told(tmp_path: Path, gone: str, words: str) -> None:
    folder = context(tmp_path / "one")
    (folder / gone).unlink()
    with pytest.raises(ValueError, match=words):
        DockerBuild().made(IMAGE, inputs(folder))


def test_what_is_ignored_cannot_be_copied(tmp_path: Path) -> None:
    folder = context(tmp_path / "one")
    (folder / ".dockerignore").write_text("lib\n")
    with pytest.raises(ValueError, match="copies lib, which is not in its context"):
        DockerBuild().made(IMAGE, inputs(folder))


def test_a_context_that_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        DockerBuild().made(IMAGE, inputs(tmp_path / "nowhere"))
