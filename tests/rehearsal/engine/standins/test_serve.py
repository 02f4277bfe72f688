"""A stand-in answers the engine's questions: what differs, what is made, and what is not known yet.

In a process of its own, as the engine has it: beside Google's client libraries protobuf refuses to load it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_ASK = """
import asyncio, json, sys
from pulumi.provider.experimental import provider
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from omnipipe.rehearsal.engine.standins import STANDINS
from omnipipe.rehearsal.engine.standins.serve import StandIn

PASSWORD = "urn:pulumi:dev::shop::random:index/randomPassword:RandomPassword::password"
IMAGE = "urn:pulumi:dev::shop::docker-build:index:Image::image"
stand_in = StandIn(STANDINS[sys.argv[1]])
of = lambda **values: {key: PropertyValue(value) for key, value in values.items()}
ask = lambda answer: asyncio.run(answer)
"""


def answers(name: str, script: str) -> Any:
    told = subprocess.run(
        [sys.executable, "-c", f"{_ASK}\nprint(json.dumps({script}))", name],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(told.stdout)


def test_it_makes_a_value_and_keeps_a_secret_one() -> None:
    script = "(lambda m: [m.resource_id, len(m.properties['result'].value), m.properties['result'].is_secret])"
    create = "ask(stand_in.create(provider.CreateRequest(PASSWORD, of(length=40.0), 0, False)))"
    assert answers("random", f"{script}({create})") == ["none", 40, True]


def test_a_preview_makes_no_value() -> None:
    create = "ask(stand_in.create(provider.CreateRequest(PASSWORD, of(length=40.0), 0, True)))"
    assert answers("random", f"list({create}.properties)") == ["length"]


def test_a_changed_or_unknown_input_asks_for_another_value_and_an_equal_one_does_not() -> None:
    news = "[of(length=40.0), of(length=41.0), {'length': PropertyValue(Computed())}]"
    diff = "ask(stand_in.diff(provider.DiffRequest(PASSWORD, 'none', of(length=40.0, result='x'), new, [])))"
    assert answers("random", f"[(lambda d: [d.changes, d.replaces])({diff}) for new in {news}]") == [
        [False, []],
        [True, ["length"]],
        [True, ["length"]],
    ]


def test_what_cannot_be_made_is_told_in_the_preview() -> None:
    inputs = "{'context': PropertyValue(of(location='nowhere'))}"
    check = f"ask(stand_in.check(provider.CheckRequest(IMAGE, {{}}, {inputs}, b'')))"
    (reason,) = answers("docker-build", f"[failure.reason for failure in {check}.failures]")
    assert "the context nowhere is not a folder" in reason
