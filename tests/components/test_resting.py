"""A stack that rests differs from one that runs in what costs money or would cry, and in nothing else."""

from typing import Any

import pytest

from tests.components.conftest import deploy_with
from tests.components.mocks import Registration

AWAKE, RESTING = (
    {made.name: made for made in program.resources}
    for program in (
        deploy_with("dev", {"omnipipe:schedulePaused": "false", "omnipipe:resting": resting})
        for resting in ("false", "true")
    )
)


def changed(kind: str) -> dict[str, tuple[Any, Any]]:
    """What is told otherwise to the resources of a kind, by name: of each input that differs, how it was and is."""
    return {
        name: ({key: awake.inputs.get(key) for key in keys}, {key: rests.inputs.get(key) for key in keys})
        for name, awake in AWAKE.items()
        if awake.kind == kind and (keys := _differing(awake, rests := RESTING[name]))
    }


def _differing(awake: Registration, rests: Registration) -> set[str]:
    return {key for key in awake.inputs | rests.inputs if awake.inputs.get(key) != rests.inputs.get(key)}


def test_nothing_is_made_or_removed_and_no_other_kind_is_told_otherwise() -> None:
    assert RESTING.keys() == AWAKE.keys()
    assert {AWAKE[name].kind for name in AWAKE if _differing(AWAKE[name], RESTING[name])} == {
        "sql.DatabaseInstance",
        "datastream.Stream",
        "cloudscheduler.Job",
        "monitoring.AlertPolicy",
    }


def test_the_database_is_stopped_and_otherwise_as_it_was() -> None:
    ((before, after),) = changed("sql.DatabaseInstance").values()
    settings = before.pop("settings")
    assert settings["activationPolicy"] == "ALWAYS"
    assert after.pop("settings") == {**settings, "activationPolicy": "NEVER"}
    assert before == after == {}


def test_the_stream_is_paused() -> None:
    assert list(changed("datastream.Stream").values()) == [
        ({"desiredState": "RUNNING"}, {"desiredState": "PAUSED"})
    ]


def test_every_schedule_is_paused() -> None:
    clocks = changed("cloudscheduler.Job")
    assert clocks.keys() == {name for name, made in AWAKE.items() if made.kind == "cloudscheduler.Job"}
    assert all(each == ({"paused": False}, {"paused": True}) for each in clocks.values())


def test_a_deployment_does_not_run_migrate_on_a_stopped_database() -> None:
    """Whatever is changed meanwhile, the job stays as it is; with what is different then, it is run on waking."""
    held = {made.name: made.ignore_changes for made in RESTING.values() if made.ignore_changes}
    assert held == {"omnipipe-capture-migrate-job": ("template", "runExecutionToken")}
    assert RESTING["omnipipe-capture-migrate-job"].replace_on_changes == ()


def test_no_alert_fires_and_each_does_otherwise() -> None:
    policies = changed("monitoring.AlertPolicy")
    assert policies.keys() == {name for name, made in AWAKE.items() if made.kind == "monitoring.AlertPolicy"}
    assert all(each == ({"enabled": True}, {"enabled": False}) for each in policies.values())


def test_a_stack_that_protects_its_data_does_not_rest() -> None:
    with pytest.raises(ValueError, match="a stack that protects its data serves somebody"):
        deploy_with("prod", {"omnipipe:resting": "true"})
