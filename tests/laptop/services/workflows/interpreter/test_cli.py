"""`omnipipe workflow run`, as a process: what is on stdout, what on stderr, the exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from .conftest import as_json

PROGRAM = "from omnipipe.cli import main; main()"


def omnipipe(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "workflow", "run", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "flow.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_result_alone_is_on_stdout(file):
    source = """
main:
  params: [args]
  steps:
    - log: {call: sys.log, args: {text: "hello é", severity: INFO}}
    - more: {call: sys.log, args: {json: {a: 1}}}
    - done: {return: ["${args.name}", '${sys.get_env("COLOUR")}', '${sys.get_env("GOOGLE_CLOUD_WORKFLOW_ID")}']}
"""
    done = omnipipe(file(source), "--data", '{"name": "é"}', "--env", "COLOUR=a=b", "--env", "OTHER=")
    assert (done.returncode, json.loads(done.stdout)) == (0, ["é", "a=b", "flow"])
    assert done.stderr == 'INFO hello é\nDEFAULT {"a": 1}\n'


def test_an_uncaught_error_is_its_map_and_exit_code_1(file):
    done = omnipipe(file("- a: {return: '${1 / 0}'}"))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "message": "ZeroDivisionError: division by zero",
        "tags": ["ZeroDivisionError", "ArithmeticError"],
    }
    assert done.stderr == (
        'the workflow failed: ZeroDivisionError: division by zero (in step "a", routine "main", line: 1)\n'
    )


def test_a_refused_file_is_exit_code_2(file):
    path = file("- a: {return: '${x}'}\n- b: {next: c}\n")
    done = omnipipe(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"{path}:1: step 'a': 'x' is neither a variable nor a subworkflow — assign it first",
        f"{path}:2: step 'b': next: there is no step 'c' to jump to — name one of this list or one around it",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "yes"], "--data is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (["--env", "NAME"], "--env takes NAME=VALUE, not 'NAME'"),
        (["--env", "=1"], "--env takes NAME=VALUE, not '=1'"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line_and_exit_code_2(file, arguments, message):
    done = omnipipe(file("- a: {return: 1}"), *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{message}\n")


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "no.yaml"
    assert omnipipe(missing).stderr == f"cannot read {missing}: No such file or directory\n"
    assert omnipipe(tmp_path).stderr == f"cannot read {tmp_path}: Is a directory\n"
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    done = omnipipe(binary)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"cannot read {binary}: it is not UTF-8 text\n")


def test_ctrl_c_stops_sleeping_branches(file):
    path = file(
        "- p: {parallel: {for: {value: v, range: [1, 3], steps:"
        " [{a: {call: sys.log, args: {text: up}}}, {b: {call: sys.sleep, args: {seconds: 60}}}]}}}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "workflow", "run", str(path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert process.stderr.readline() == "DEFAULT up\n"
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in errors


def test_a_connector_that_is_not_here_is_a_warning_and_the_error_of_its_step(file):
    path = file(
        """
main:
  params: [args]
  steps:
    - first: {switch: [{condition: "${map.get(args, [\\"stop\\"]) == true}", return: early}]}
    - build: {call: googleapis.cloudbuild.v1.projects.builds.create, args: {projectId: p, body: {steps: []}}}
"""
    )
    said = (
        "there is no connector googleapis.cloudbuild.v1.projects.builds.create on this machine — "
        "call http.post on https://cloudbuild.googleapis.com/v1/projects/{projectId}/builds with auth type OAuth2"
    )
    early = omnipipe(path, "--data", '{"stop": true}')
    assert (early.returncode, early.stdout) == (0, '"early"\n')
    assert early.stderr == f"warning: {path}:6: step 'build': {said}\n"
    reached = omnipipe(path)
    assert (reached.returncode, json.loads(reached.stdout)["tags"]) == (1, ["SystemError"])
    assert reached.stderr.splitlines() == [
        f"warning: {path}:6: step 'build': {said}",
        f'the workflow failed: SystemError: {said} (in step "build", routine "main", line: 6)',
    ]


def test_an_emulator_that_the_environment_names_is_called(file, server):
    server.answers(as_json({"messageIds": ["7"]}))
    path = file(
        """
- publish:
    call: googleapis.pubsub.v1.projects.topics.publish
    args: {topic: projects/p/topics/t, body: {messages: [{data: eA==}]}}
    result: published
- done: {return: "${published.messageIds}"}
"""
    )
    done = omnipipe(path, PUBSUB_EMULATOR_HOST=server.url.removeprefix("http://"))
    assert (done.returncode, done.stdout, done.stderr) == (0, '["7"]\n', "")
    without = omnipipe(path, PUBSUB_EMULATOR_HOST="")
    assert without.returncode == 1
    assert "nothing on this machine answers for pubsub.googleapis.com: set PUBSUB_EMULATOR_HOST" in without.stderr


EXAMPLES = Path(__file__).parents[5] / "docs" / "examples"


def test_the_examples_run_as_they_say():
    hello = omnipipe(EXAMPLES / "hello.yaml", "--data", '{"name": "Ada Lovelace"}')
    assert (hello.returncode, json.loads(hello.stdout)["greeting"]) == (0, "Hello, Ada Lovelace")
    alone = omnipipe(EXAMPLES / "approval.yaml", "--data", '{"seconds": 0.1}')
    assert (alone.returncode, json.loads(alone.stdout)) == (0, "nobody answered")


def test_a_callback_on_this_machine():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "workflow", "run", str(EXAMPLES / "approval.yaml")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    url = process.stderr.readline().split()[-1]
    assert requests.post(url, json={"ok": True}, timeout=10).status_code == 200
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, json.loads(output), errors) == (0, "approved", "")
