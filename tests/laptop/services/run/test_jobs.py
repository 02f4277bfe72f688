"""Cloud Run jobs: the contract of a task, kept by real processes."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask.testing import FlaskClient

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from omnipipe.laptop.services.run import jobs
from omnipipe.laptop.services.run.resources import JOB
from tests.laptop.conftest import grant, owners_client

EMAIL = "hello-job@omnipipe-test.iam.gserviceaccount.com"
SECRET_GRANT = "gcp:secretmanager/secretIamMember:SecretIamMember"
ACCESSOR = "roles/secretmanager.secretAccessor"
JOB_ID = "projects/omnipipe-test/locations/europe-west1/jobs/hello"
DOCKERFILE = """
FROM python:3.12-slim
WORKDIR /app
ENV MODE=quiet FROM_IMAGE=yes
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY main.py ./
ENTRYPOINT ["python", "main.py"]
CMD ["--of-the-image"]
"""
# It says what it was given, as one line, and then does what the test asks.
MAIN = """
import json, os, sys
said = {"env": dict(os.environ), "argv": sys.argv, "cwd": os.getcwd(), "prefix": sys.prefix}
sys.stdout.write(json.dumps(said) + "\\n")
exec(os.environ.get("PROGRAM", ""))
"""


@pytest.fixture
def image(cloud: Cloud, tmp_path: Path) -> Image:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "requirements.txt").write_text("")
    (context / "main.py").write_text(MAIN)
    return build(context, context / "Dockerfile", cloud.home.path("images"))


class Hello:
    """A job whose definition a test may change, and what its tasks have said."""

    def __init__(self, cloud: Cloud, image: Image) -> None:
        self._cloud = cloud
        self.jobs = jobs.Jobs(cloud)
        self.container: dict[str, Any] = {"image": f"repository/hello:latest@{image.digest}", "envs": []}
        self.task: dict[str, Any] = {"serviceAccount": EMAIL, "maxRetries": 0, "containers": [self.container]}
        self.template: dict[str, Any] = {"template": self.task}

    @property
    def resource(self) -> Resource:
        inputs = {"name": "hello", "location": "europe-west1", "template": self.template}
        return Resource(JOB, "hello-job", inputs, {"name": "hello"}, JOB_ID)

    def set(self, name: str, value: str) -> None:
        """Give the job's container an environment variable."""
        self.container["envs"].append({"name": name, "value": value})

    def start(self) -> str:
        """Start the job; the operation's name."""
        return self.jobs.start(self.resource, {})["name"]

    def run(self, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the job to its end; the operation."""
        started = self.jobs.start(self.resource, overrides or {})
        ended = self.jobs.wait(started["name"], 30)
        assert ended is not None
        assert ended["done"], ended
        return ended

    @property
    def log(self) -> str:
        file = self._cloud.home.log_file("hello")
        return file.read_text() if file.exists() else ""

    @property
    def said(self) -> list[dict[str, Any]]:
        """What each attempt of each task was given, in the order of tasks and attempts."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return sorted(lines, key=lambda one: (one["env"]["CLOUD_RUN_TASK_INDEX"], _attempt(one)))


def _attempt(said: dict[str, Any]) -> int:
    return int(said["env"]["CLOUD_RUN_TASK_ATTEMPT"])


@pytest.fixture
def hello(cloud: Cloud, image: Image) -> Hello:
    return Hello(cloud, image)


def test_a_task_gets_the_contracts_environment_and_nothing_of_the_users(
    hello: Hello, image: Image, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json")
    monkeypatch.setenv("PYTHONPATH", "/home/me/code")
    monkeypatch.setenv("VIRTUAL_ENV", "/home/me/.venv")
    hello.set("MODE", "loud")

    operation = hello.run()

    assert operation["response"] == {
        "name": operation["metadata"]["name"],
        "job": JOB_ID,
        "taskCount": 1,
        "succeededCount": 1,
    }
    (said,) = hello.said
    env = said["env"]
    execution = operation["metadata"]["name"].removeprefix(f"{JOB_ID}/executions/")
    assert {name: value for name, value in env.items() if name.startswith("CLOUD_RUN")} == {
        "CLOUD_RUN_JOB": "hello",
        "CLOUD_RUN_EXECUTION": execution,
        "CLOUD_RUN_TASK_INDEX": "0",
        "CLOUD_RUN_TASK_COUNT": "1",
        "CLOUD_RUN_TASK_ATTEMPT": "0",
    }
    assert execution.startswith("hello-")
    assert (env["MODE"], env["FROM_IMAGE"]) == ("loud", "yes")  # the job's word counts more than the image's
    assert env["GCE_METADATA_HOST"].endswith(f"/metadata/{EMAIL}")
    assert not env.keys() & {"GOOGLE_APPLICATION_CREDENTIALS", "PYTHONPATH", "VIRTUAL_ENV", "USER"}
    assert env["HOME"].startswith(str(cloud.home.directory))
    assert said["cwd"] == f"{image.root}/app"
    assert said["prefix"] == image.environment  # the image's own packages, not ours


def test_the_jobs_command_and_arguments_take_the_place_of_the_images(hello: Hello) -> None:
    hello.run()
    hello.container["args"] = ["--of-the-job"]
    hello.run()
    del hello.container["args"]
    hello.container["commands"] = ["python", "main.py", "--command"]
    hello.run()

    assert sorted(one["argv"][1:] for one in hello.said) == [["--command"], ["--of-the-image"], ["--of-the-job"]]


def test_overrides_of_one_execution(hello: Hello) -> None:
    hello.set("KEPT", "job")
    hello.set("RUN_ID", "job")
    hello.container["args"] = ["--of-the-job"]
    override = {"args": ["--of-the-run", "1"], "env": [{"name": "RUN_ID", "value": "run"}]}

    hello.run({"containerOverrides": [override], "taskCount": 2})
    first = hello.said
    hello.run()

    assert [one["env"]["CLOUD_RUN_TASK_INDEX"] for one in first] == ["0", "1"]
    for one in first:
        assert one["argv"][1:] == ["--of-the-run", "1"]
        assert (one["env"]["KEPT"], one["env"]["RUN_ID"], one["env"]["CLOUD_RUN_TASK_COUNT"]) == (
            "job",
            "run",
            "2",
        )
    (second,) = [one for one in hello.said if one not in first]
    assert (second["argv"][1:], second["env"]["RUN_ID"]) == (["--of-the-job"], "job")


def test_a_task_is_tried_again_until_it_succeeds(hello: Hello) -> None:
    hello.task["maxRetries"] = 3
    hello.set("PROGRAM", "sys.exit(int(os.environ['CLOUD_RUN_TASK_ATTEMPT']) < 2)")

    assert "error" not in hello.run()
    assert [_attempt(one) for one in hello.said] == [0, 1, 2]


def test_without_a_number_of_retries_there_are_googles_three(hello: Hello) -> None:
    del hello.task["maxRetries"]
    hello.set("PROGRAM", "sys.exit(1)")

    assert "error" in hello.run()
    assert [_attempt(one) for one in hello.said] == [0, 1, 2, 3]


def test_every_task_is_attempted_and_one_that_fails_fails_the_execution(hello: Hello) -> None:
    hello.template |= {"taskCount": 3, "parallelism": 1}
    hello.set("PROGRAM", "sys.exit(os.environ['CLOUD_RUN_TASK_INDEX'] == '1')")

    operation = hello.run()

    execution = operation["metadata"]["name"].rpartition("/")[2]
    assert "response" not in operation
    assert operation["error"]["message"] == (
        f"Task {execution}-task1 failed with message: The container exited with an error."
    )
    assert [one["env"]["CLOUD_RUN_TASK_INDEX"] for one in hello.said] == ["0", "1", "2"]


@pytest.mark.parametrize("where", ["job", "run"])
def test_a_task_that_takes_too_long_is_ended_with_what_it_started(hello: Hello, where: str) -> None:
    hello.task["timeout"] = "1s" if where == "job" else "600s"
    program = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    hello.set("PROGRAM", program)

    began = time.monotonic()
    operation = hello.run({"timeout": "1s"} if where == "run" else {})

    assert time.monotonic() - began < 10
    assert "error" in operation
    assert "the task was ended after its timeout of 1 s" in hello.log
    (child,) = [int(line) for line in hello.log.splitlines() if line.isdigit()]
    _until(lambda: _is_gone(child))


def test_what_a_task_leaves_running_ends_with_it(hello: Hello) -> None:
    hello.set("PROGRAM", "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)")

    assert "error" not in hello.run()
    (child,) = [int(line) for line in hello.log.splitlines() if line.isdigit()]
    _until(lambda: _is_gone(child))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_closing_ends_the_tasks_and_tries_none_again(hello: Hello) -> None:
    hello.task["maxRetries"] = 3
    hello.set("PROGRAM", "import time; print(os.getpid(), flush=True); time.sleep(60)")
    operation = hello.start()
    _until(lambda: any(line.isdigit() for line in hello.log.splitlines()))

    hello.jobs.close()

    (task,) = [int(line) for line in hello.log.splitlines() if line.isdigit()]
    assert _is_gone(task)
    assert "error" in (hello.jobs.wait(operation, 10) or {})
    assert len(hello.said) == 1
    assert "the laptop cloud is being taken down" in hello.log


def test_secrets_come_from_secret_manager_by_version(hello: Hello, cloud: Cloud) -> None:
    for version, data in enumerate(("old", "new"), start=1):
        inputs = {"secret": "projects/omnipipe-test/secrets/password", "secretData": data}
        _, outputs = Deployment(cloud).register(
            "gcp:secretmanager/secretVersion:SecretVersion", f"v{version}", inputs, False
        )
        assert outputs["version"] == str(version)
    grant(cloud, SECRET_GRANT, ACCESSOR, EMAIL, secretId="password")
    for name, version in (("FIRST", "1"), ("LATEST", "latest")):
        source = {"secretKeyRef": {"secret": "password", "version": version}}
        hello.container["envs"].append({"name": name, "valueSource": source})

    hello.run()

    assert (hello.said[0]["env"]["FIRST"], hello.said[0]["env"]["LATEST"]) == ("old", "new")


def test_a_secret_that_its_account_may_not_read_fails_the_execution_in_googles_words(
    hello: Hello, cloud: Cloud
) -> None:
    inputs = {"secret": "projects/omnipipe-test/secrets/password", "secretData": "s3cret"}
    Deployment(cloud).register("gcp:secretmanager/secretVersion:SecretVersion", "v1", inputs, False)
    grant(cloud, SECRET_GRANT, ACCESSOR, EMAIL, secretId="another")
    grant(cloud, SECRET_GRANT, ACCESSOR, EMAIL.replace("hello", "other"), secretId="password")
    source = {"secretKeyRef": {"secret": "password", "version": "1"}}
    hello.container["envs"].append({"name": "PASSWORD", "valueSource": source})

    assert "error" in hello.run()
    assert hello.said == []
    assert (
        "Permission denied on secret: projects/omnipipe-test/secrets/password/versions/1 "
        f"for Revision service account {EMAIL}"
    ) in hello.log


def test_a_job_whose_account_may_not_read_its_secret_is_not_deployed(hello: Hello, cloud: Cloud) -> None:
    source = {"secretKeyRef": {"secret": "password", "version": "1"}}
    hello.container["envs"].append({"name": "PASSWORD", "valueSource": source})

    with pytest.raises(LaptopError, match=r"Job hello-job: Permission denied on secret: .*/password/versions/1"):
        Deployment(cloud).register(JOB, "hello-job", hello.resource.inputs, False)


def test_a_secret_version_that_does_not_exist_fails_the_execution_by_name(hello: Hello, cloud: Cloud) -> None:
    grant(cloud, SECRET_GRANT, ACCESSOR, EMAIL, secretId="password")
    source = {"secretKeyRef": {"secret": "password", "version": "7"}}
    hello.container["envs"].append({"name": "PASSWORD", "valueSource": source})

    assert "error" in hello.run()
    assert "there is no version 7 of the secret 'password'" in hello.log


def test_a_command_that_does_not_exist_fails_the_execution_and_says_so(hello: Hello) -> None:
    hello.container["commands"] = ["no-such-program"]

    assert "error" in hello.run()
    assert "the task could not be started" in hello.log
    assert "no-such-program" in hello.log


def test_an_image_that_is_not_there_fails_the_execution_and_says_so(hello: Hello, image: Image) -> None:
    shutil.rmtree(image.root)

    assert "error" in hello.run()
    assert "there is no image" in hello.log


@pytest.fixture
def client(cloud: Cloud) -> FlaskClient:
    return owners_client(cloud)


def test_the_api_starts_a_job_and_a_poll_waits_for_its_end(
    client: FlaskClient, hello: Hello, cloud: Cloud, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    hello.set("PROGRAM", f"import time\nwhile not os.path.exists({os.fspath(go)!r}): time.sleep(0.02)")
    cloud.registry.put(hello.resource)
    body = {"overrides": {"containerOverrides": [{"env": [{"name": "RUN_ID", "value": "r1"}]}]}}

    assert client.get(f"/v2/{JOB_ID}").get_json() == {"name": JOB_ID}
    operation = client.post(f"/v2/{JOB_ID}:run", json=body).get_json()
    assert operation["done"] is False
    _until(lambda: bool(hello.said))
    going_on = client.get(f"/v2/{JOB_ID}").get_json()["latestCreatedExecution"]
    go.touch()
    ended = client.get(f"/v2/{operation['name']}").get_json()

    assert ended["done"] is True
    assert ended["response"]["succeededCount"] == 1
    over = client.get(f"/v2/{JOB_ID}").get_json()["latestCreatedExecution"]
    assert "completionTime" not in going_on
    assert over["completionTime"] > over["createTime"]
    assert going_on["name"] == over["name"] == ended["response"]["name"]
    assert hello.said[0]["env"]["RUN_ID"] == "r1"


def test_a_poll_of_a_long_job_answers_that_it_is_not_done(
    client: FlaskClient, hello: Hello, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LONG_POLL_S", 0.1)
    hello.set("PROGRAM", "import time; time.sleep(2)")
    cloud.registry.put(hello.resource)
    operation = client.post(f"/v2/{JOB_ID}:run").get_json()

    polled = client.get(f"/v2/{operation['name']}")

    assert (polled.status_code, polled.get_json()["done"]) == (200, False)
    monkeypatch.setattr(jobs, "LONG_POLL_S", 20)
    assert client.get(f"/v2/{operation['name']}").get_json()["done"] is True


def test_an_unknown_job_or_operation_is_told_in_googles_words(client: FlaskClient) -> None:
    place = "projects/omnipipe-test/locations/europe-west1"

    job = client.post(f"/v2/{place}/jobs/helo:run", json={})
    operation = client.get(f"/v2/{place}/operations/none")

    assert (job.status_code, operation.status_code) == (404, 404)
    assert job.get_json() == {
        "error": {
            "code": 404,
            "message": "Resource 'helo' of kind 'JOB' in region 'europe-west1' in project 'omnipipe-test' "
            "does not exist.",
            "status": "NOT_FOUND",
        }
    }


V1 = "/apis/run.googleapis.com/v1/namespaces/omnipipe-test"


def completed(execution: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in execution["status"]["conditions"] if each["type"] == "Completed")


def test_the_older_api_runs_the_same_job_with_its_own_words(hello: Hello, cloud: Cloud) -> None:
    cloud.registry.put(hello.resource)
    client = owners_client(cloud)
    overrides = {"containerOverrides": {"args": ["--v1"], "env": [{"name": "A", "value": "1"}]}, "taskCount": 2}

    started = client.post(
        f"{V1}/jobs/hello:run", json={"overrides": {**overrides, "timeoutSeconds": 30}}
    ).get_json()
    assert (started["kind"], completed(started)) == ("Execution", {"type": "Completed", "status": "Unknown"})
    path = f"{V1}/executions/{started['metadata']['name']}"
    ended = client.get(path).get_json()

    assert completed(ended) == {"type": "Completed", "status": "True"}
    assert (ended["status"]["succeededCount"], ended["metadata"]["namespace"]) == (2, "omnipipe-test")
    assert [(said["argv"][1:], said["env"]["A"]) for said in hello.said] == [(["--v1"], "1")] * 2


def test_the_older_api_tells_of_a_failure_and_of_a_time_that_is_over(hello: Hello, cloud: Cloud) -> None:
    hello.set("PROGRAM", "import time; time.sleep(60)")
    cloud.registry.put(hello.resource)
    client = owners_client(cloud)
    started = client.post(f"{V1}/jobs/hello:run", json={"overrides": {"timeoutSeconds": 1}}).get_json()

    ended = completed(client.get(f"{V1}/executions/{started['metadata']['name']}").get_json())

    assert (ended["status"], "The container exited with an error" in ended["message"]) == ("False", True)


def test_the_older_api_knows_the_jobs_of_its_region(hello: Hello, cloud: Cloud) -> None:
    cloud.registry.put(hello.resource)
    client = owners_client(cloud)

    assert client.get(f"{V1}/jobs/hello").get_json()["metadata"]["name"] == "hello"
    assert [job["metadata"]["name"] for job in client.get(f"{V1}/jobs").get_json()["items"]] == ["hello"]
    for answer in (client.get(f"{V1}/jobs/helo"), client.post(f"{V1}/jobs/helo:run", json={})):
        assert (answer.status_code, "'helo' of kind 'JOB'" in answer.get_json()["error"]["message"]) == (404, True)
    assert client.get(f"{V1}/executions/hello-1").status_code == 404
