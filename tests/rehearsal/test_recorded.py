"""The requests that the real provider sends for a whole stack are answered as when they were recorded."""

from __future__ import annotations

import json
import re
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from tests.rehearsal.recording import STACKS, Recorded, leaves, load
from tests.rehearsal.test_coverage import TYPES

_CHANGING = ("POST", "PUT", "PATCH")


@cache
def replayed(stack: str) -> tuple[ControlPlane, list[tuple[Recorded, int, str]]]:
    """A control plane after all requests of a stack; each request with the status and the message it got."""
    plane = ControlPlane(World(project=f"omnipipe-{stack}", enabled=()))
    instead: dict[str, str] = {}
    answers = []
    for each in load(stack):
        sent = json.dumps([each.path, each.body])
        for recorded, own in instead.items():
            sent = sent.replace(json.dumps(recorded)[1:-1], json.dumps(own)[1:-1])
        path, body = json.loads(sent)
        parts = urlsplit(path)
        query = parse_qs(parts.query, keep_blank_values=True)
        status, answer = plane.answer(each.method, each.host, parts.path, query, body)
        own_leaves = dict(leaves(answer))
        instead |= {text: own_leaves[place] for place, text in each.used.items() if place in own_leaves}
        message = (
            (answer.get("error") or {}).get("message", "") if isinstance(answer, dict) and status >= 400 else ""
        )
        answers.append((each, status, message))
    return plane, answers


@pytest.mark.parametrize("stack", STACKS)
def test_each_request_has_the_status_that_it_had(stack: str) -> None:
    _, answers = replayed(stack)

    differing = [
        f"{each.method} {each.host}{each.path}: {each.status}, now {status} {message}"
        for each, status, message in answers
        if status != each.status
    ]
    assert len(answers) > 500
    assert not differing


@pytest.mark.parametrize("type_", TYPES)
def test_each_resource_type_of_the_program_has_a_recorded_request(type_: str) -> None:
    host, _, collection = TYPES[type_]
    of_policy = re.compile(r"(?i)iam") if type_.lower().endswith(("iammember", "iambinding")) else None
    made = [
        each
        for stack in STACKS
        for each in load(stack)
        if each.host == host and each.method in _CHANGING and each.status == 200 and f"/{collection}" in each.path
    ]
    assert [each for each in made if of_policy is None or of_policy.search(each.path)]


def test_what_is_recorded_is_no_secret_of_anybody() -> None:
    """The rehearsal has no credentials, and its passwords are its own; no address of a machine is in a request."""
    for stack in STACKS:
        text = "\n".join(json.dumps([each.path, each.body]) for each in load(stack))
        assert "/tmp/" not in text  # noqa: S108
        assert "BEGIN PRIVATE" not in text


@pytest.mark.parametrize("forgotten", ["compute", "iam", "secretmanager"])
def test_an_api_that_nobody_enables_makes_the_replay_fail(forgotten: str) -> None:
    """The replay notices a program that forgets one: this test of the test takes the request away."""
    plane = ControlPlane(World(project="omnipipe-dev", enabled=()))
    statuses = []
    for each in load("dev"):
        if each.host == "serviceusage" and f"{forgotten}.googleapis.com" in json.dumps([each.path, each.body]):
            continue
        parts = urlsplit(each.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        statuses.append(plane.answer(each.method, each.host, parts.path, query, each.body)[0])
        if each.host == forgotten:
            break
    assert statuses[-1] == 403
