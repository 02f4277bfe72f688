"""Where deployed code comes from, and which jobs a debugger can follow."""

from pathlib import Path

import pytest

from omnipipe.laptop import debugging
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from omnipipe.laptop.services.run.resources import JOB

DOCKERFILE = """
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY main.py ./
ENTRYPOINT {}
"""


def write(folder: Path, **files: str) -> None:
    """Files by their path, with a double underscore for a slash."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_folders_of_deployed_code_are_found_by_what_is_in_them(tmp_path: Path) -> None:
    program, code = tmp_path / "program", tmp_path / "code"
    write(
        program,
        functions__one__main="one",
        functions__two__main="two",
        lib__init="",
        lib__runtime__init="",
        lib__runtime__run="run",
        copies__runtime__init="",
    )
    (program / ".venv").mkdir()
    write(program / ".venv", one__main="two")
    (program / "env").mkdir()
    (program / "env/pyvenv.cfg").touch()
    write(program / "env", main="two")
    write(code, main="two", lib__init="", lib__runtime__init="", lib__runtime__run="run")

    found = debugging.sources(code, program)

    assert found.folders == [(program / "lib", code / "lib"), (program / "functions/two", code)]
    assert found.changed == []


def test_what_was_changed_since_the_deployment_is_told(tmp_path: Path) -> None:
    program, code = tmp_path / "program", tmp_path / "code"
    write(program, job__main="new", job__other="same")
    write(code, main="old", other="same")

    found = debugging.sources(code, program)

    assert found.folders == [(program / "job", code)]
    assert found.changed == [Path("main.py")]


def job(cloud: Cloud, folder: Path, entrypoint: str) -> Image:
    """Register the job hello, of an image with this entry point."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE.format(entrypoint))
    (folder / "requirements.txt").touch()
    (folder / "main.py").touch()
    image = build(folder, folder / "Dockerfile", cloud.home.path("images"))
    account = "hello-job@omnipipe-test.iam.gserviceaccount.com"
    containers = [{"image": f"repository/hello@{image.digest}", "envs": [{"name": "MODE", "value": "quiet"}]}]
    inputs = {"name": "hello", "template": {"template": {"serviceAccount": account, "containers": containers}}}
    cloud.registry.put(Resource(JOB, "hello-job", inputs, inputs, "projects/p/locations/l/jobs/hello"))
    return image


def test_a_job_keeps_its_environment_its_identity_and_its_packages(cloud: Cloud, tmp_path: Path) -> None:
    image = job(cloud, tmp_path / "context", '["python", "main.py"]')

    debuggee = debugging.prepare(cloud, "hello", 5678, {"RUN_ID": "r"})

    python, *_ = debuggee.spec.argv
    assert python == f"{image.environment}/bin/python"
    assert debuggee.spec.argv[-4:] == ["--listen", "127.0.0.1:5678", "--wait-for-client", "main.py"]
    environment = debuggee.spec.env
    assert "/metadata/hello-job@" in environment["GCE_METADATA_HOST"]
    assert {environment[name] for name in ("MODE", "RUN_ID", "CLOUD_RUN_JOB")} == {"quiet", "r", "hello"}
    assert debuggee.instead_of is None
    assert debuggee.spec.cwd == debuggee.code == cloud.home.directory / "debug/hello/app"


def test_what_is_no_python_and_what_is_no_workload_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    job(cloud, tmp_path / "context", '["sh", "-c", "true"]')
    with pytest.raises(LaptopError, match="the job hello starts sh"):
        debugging.prepare(cloud, "hello", 5678, {})
    with pytest.raises(LaptopError, match="no function or job 'nix': choose one of hello"):
        debugging.prepare(cloud, "nix", 5678, {})
