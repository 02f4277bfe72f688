"""Labels, on everything that takes some."""

import re
from pathlib import Path

import pulumi_gcp
import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import PolicyProviderResource, ResourceValidationArgs

from policy.labelling import LABELLED, labels
from tests.policy.conftest import resource, said

BOTH = {"environment": "dev", "owner": "us"}


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("storage.Bucket", {}, "labels has no environment and no owner:"),
        ("storage.Bucket", {"labels": {"owner": "us"}}, "labels has no environment:"),
        ("monitoring.AlertPolicy", {"labels": BOTH}, "userLabels has no environment and no owner:"),
        ("monitoring.NotificationChannel", {"labels": BOTH}, "userLabels has no environment and no owner:"),
        ("container.Cluster", {}, "resourceLabels has no environment and no owner:"),
        (
            "sql.DatabaseInstance",
            {"settings": {"tier": "t"}},
            "settings.userLabels has no environment and no owner:",
        ),
    ],
)
def test_what_has_no_labels_is_refused(kind: str, inputs: dict[str, object], expected: str) -> None:
    (message,) = said(labels, kind, inputs)
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("storage.Bucket", {"labels": BOTH | {"more": "x"}}),
        ("storage.Bucket", {"labels": UNKNOWN}),
        ("sql.DatabaseInstance", {"settings": {"userLabels": BOTH}}),
        ("storage.BucketObject", {}),
        ("monitoring.MetricDescriptor", {}),
    ],
)
def test_what_has_them_or_takes_none_is_taken(kind: str, inputs: dict[str, object]) -> None:
    assert not said(labels, kind, inputs)


def test_which_labels_is_chosen() -> None:
    assert not said(labels, "storage.Bucket", {"labels": BOTH}, required=["owner"])
    (message,) = said(labels, "storage.Bucket", {"labels": BOTH}, required=["owner", "team"])
    assert message.startswith("labels has no team:")


@pytest.mark.parametrize("given", ['{"environment": "dev"}', {"environment": "dev"}])
def test_the_labels_of_a_provider_count(given: object) -> None:
    bucket = resource("storage.Bucket", {"labels": {"owner": "us"}})
    provider = PolicyProviderResource("pulumi:providers:gcp", {"defaultLabels": given}, "urn", "gcp")
    said_of: list[str] = []
    for provided in (provider, None):
        args = ResourceValidationArgs(
            *(bucket.type, bucket.inputs, "urn", "it", None, provided, {"required": ["environment", "owner"]})  # pyright: ignore[reportArgumentType] - options are not looked at
        )
        labels.validate(args, lambda message, _: said_of.append(message))
    (message,) = said_of
    assert message.startswith("labels has no environment:")


def test_the_table_is_what_the_provider_says() -> None:
    """Labels that are Google's own have `pulumiLabels` beside them, with those of the provider in it."""
    found = {"sql.DatabaseInstance": "settings.userLabels"}
    for file in sorted(Path(pulumi_gcp.__file__).parent.rglob("*.py")):
        text = file.read_text()
        type_ = re.search(r'@pulumi\.type_token\("gcp:(\w+)/\w+:(\w+)"\)\nclass', text)
        if type_ is None:
            continue
        getter = r"    @pulumi\.getter(?:\(name=\"\w+\"\))?\n    def (\w+)\(self\)"
        inputs = set(re.findall(getter, text.partition("@pulumi.input_type\nclass _")[0]))
        outputs = set(re.findall(getter, text))
        for name, path in (
            ("labels", "labels"),
            ("user_labels", "userLabels"),
            ("resource_labels", "resourceLabels"),
        ):
            if name in inputs and (name != "labels" or "pulumi_labels" in outputs):
                found[f"{type_[1]}.{type_[2]}"] = path

    assert found == LABELLED
