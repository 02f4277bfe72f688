"""Everything on Google that takes labels says of which environment and component it is, and whose."""

import importlib
import inspect
from collections.abc import Callable

import pulumi
import pulumi_gcp as gcp
import pytest

from components.labels import is_label_value, labels
from tests.components.conftest import EVERYTHING
from tests.components.mocks import Recorder, Registration, record

Deploy = Callable[[str], Recorder]


def taken(resource: Registration) -> str | None:
    """The argument for labels that the provider's class has, by Pulumi's name."""
    module, kind = resource.type.split(":")[1].split("/")[0], resource.type.split(":")[2]
    class_ = getattr(importlib.import_module(f"pulumi_gcp.{module}"), kind)
    parameters = inspect.signature(class_._internal_init).parameters
    if "user_labels" in parameters:  # `labels` of such a class are something else
        return "userLabels"
    return "labels" if "labels" in parameters else None


@pytest.mark.parametrize("stack", ["dev", "everything"])
def test_nothing_that_takes_labels_is_without_and_nothing_else_has_some(deploy: Deploy, stack: str) -> None:
    resources = [r for r in deploy(stack).resources if r.type.startswith("gcp:")]
    environment = "dev" if stack == "dev" else "prod"

    labelled = 0
    for resource in resources:
        expected = {"environment": environment, "owner": "data-platform", "component": resource.parent}
        key = taken(resource)
        if key is None:
            assert not {"labels", "userLabels"} & resource.inputs.keys(), resource.name
        else:
            assert expected.items() <= resource.inputs[key].items(), resource.name
            labelled += 1
    assert labelled > 50
    settings = deploy(stack).named("omnipipe-capture-oltp-instance").inputs["settings"]
    assert settings["userLabels"] == {
        "environment": environment,
        "owner": "data-platform",
        "component": "omnipipe-capture-oltp",
    }


def test_every_value_is_one_that_google_takes(deploy: Deploy) -> None:
    resources = [r for r in deploy("everything").resources if r.type.startswith("gcp:")]
    values = {value for r in resources for value in r.inputs.get(taken(r) or "", {}).values()}

    assert values
    assert all(map(is_label_value, values))
    assert "omnipipe:owner" not in EVERYTHING  # so what is seen is the default


def test_labels_of_its_own_stay() -> None:
    class Shop(pulumi.ComponentResource):
        def __init__(self) -> None:
            opts = pulumi.ResourceOptions(transformations=[labels("test", "ada")])
            super().__init__("test:components:Shop", "shop", {}, opts)
            child = pulumi.ResourceOptions(parent=self)
            gcp.pubsub.Topic("orders", labels={"owner": "grace", "kind": "events"}, opts=child)

    assert record(Shop).named("orders").inputs["labels"] == {
        "environment": "test",
        "owner": "grace",
        "component": "shop",
        "kind": "events",
    }


@pytest.mark.parametrize(
    ("text", "may"), [("data-platform", True), ("a_1", True), ("", False), ("Data", False), ("a b", False)]
)
def test_what_a_label_may_say(text: str, may: bool) -> None:
    assert is_label_value(text) is may
    assert is_label_value("x" * 63)
    assert not is_label_value("x" * 64)
