"""A preview as the CLI recorded it is read as it was meant; what is none is refused with what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from omnipipe.review.preview import Change, NoPreview, Preview, Said, Violation, read

# What Pulumi 3.259 streamed of a small program: `pulumi preview --json`, less its debug lines and outputs.
SHOP = Path(__file__).with_name("recorded") / "shop.jsonl"
URN = "urn:pulumi:dev::shop::gcp:pubsub/topic:Topic::orders"


@pytest.fixture(scope="module")
def shop() -> Preview:
    return read(SHOP.read_text().splitlines())


def events(*told: dict[str, Any]) -> list[str]:
    return [json.dumps({"sequence": number, **each}) for number, each in enumerate(told)]


def step(op: str, **more: Any) -> dict[str, Any]:
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": URN, "type": "gcp:pubsub/topic:Topic", **more}}}


def test_each_resource_is_told_once_with_what_becomes_of_it(shop: Preview) -> None:
    assert {each.name: each.what for each in shop.changes} == {
        "cook": "created",
        "asks": "created",
        "menu": "created",
        "receipts": "replaced",
        "orders": "replaced",
        "publishes": "replaced",
        "reads": "replaced",
        "returns": "deleted",
    }
    assert shop.unchanged == 6
    assert shop.ended
    assert not shop.stops


def test_a_replacement_says_what_forces_it_and_nothing_of_the_providers_own(shop: Preview) -> None:
    forced = {each.name: each.properties for each in shop.changes if each.what == "replaced"}
    assert forced == {"orders": ("name",), "publishes": ("topic",), "reads": ("role",), "receipts": ("schema",)}


def test_inputs_are_known_before_and_after(shop: Preview) -> None:
    (reads,) = [each for each in shop.changes if each.name == "reads"]
    assert (reads.before["role"], reads.after["role"]) == (
        "roles/bigquery.dataViewer",
        "roles/bigquery.dataEditor",
    )
    assert "__defaults" not in reads.after
    (returns,) = [each for each in shop.changes if each.name == "returns"]
    assert (returns.before["name"], returns.after) == ("returns", {})


def test_warnings_of_the_program_are_kept_and_debugging_is_not(shop: Preview) -> None:
    assert shop.warnings == [Said("", "the menu is empty")]
    debug = {"diagnosticEvent": {"message": "waiting", "severity": "debug"}}
    passing = {"diagnosticEvent": {"message": "1 of 2", "severity": "warning", "ephemeral": True}}
    assert read(events(debug, passing)) == Preview()


def test_a_change_says_which_properties_differ_but_not_those_that_follow_from_them() -> None:
    differing = {"labels.owner": {}, "effectiveLabels.owner": {}, "pulumiLabels.owner": {}, "__meta": {}}
    (change,) = read(events(step("update", detailedDiff=differing))).changes
    assert change == Change("changed", URN, "gcp:pubsub/topic:Topic", ("labels.owner",))


def test_where_only_google_was_changed_what_follows_from_properties_is_told() -> None:
    (change,) = read(events(step("update", detailedDiff={"effectiveLabels.somebody": {}, "__meta": {}}))).changes
    assert change.properties == ("effectiveLabels.somebody",)


@pytest.mark.parametrize("op", ["read", "refresh"])
def test_what_is_only_looked_at_is_no_change(op: str) -> None:
    preview = read(events(step(op)))
    assert (preview.changes, preview.unchanged) == ([], 0)


def test_policies_speak_in_the_events_and_a_mandatory_one_stops() -> None:
    policy = {"resourceUrn": URN, "message": "no labels\n", "policyName": "labels", "enforcementLevel": "advisory"}
    summary = {"summaryEvent": {"result": "succeeded", "PolicyPacks": {"omnipipe": "v1"}}}
    advice = read(events({"policyEvent": policy}, summary))
    assert advice.violations == [Violation(URN, "no labels", "labels", False)]
    assert advice.packs == ("omnipipe",)
    assert not advice.stops
    assert read(events({"policyEvent": policy | {"enforcementLevel": "mandatory"}}, summary)).stops


@pytest.mark.parametrize(
    "told",
    [
        (
            {"diagnosticEvent": {"message": "preview failed", "severity": "error"}},
            {"summaryEvent": {"result": "failed"}},
        ),
        ({"diagnosticEvent": {"message": "boom", "severity": "error"}}, {"summaryEvent": {"result": "succeeded"}}),
        ({"summaryEvent": {"result": "failed"}},),
        (),
    ],
    ids=["its end", "an error", "failed", "cut off"],
)
def test_what_did_not_end_well_stops(told: tuple[dict[str, Any], ...]) -> None:
    assert read(events(*told)).stops


def test_that_it_failed_is_no_error_beside_the_one_that_made_it_fail() -> None:
    cause = {"diagnosticEvent": {"message": "boom", "severity": "error"}}
    preview = read(events(cause, {"diagnosticEvent": {"message": "preview failed", "severity": "error"}}))
    assert preview.errors == [Said("", "boom")]


@pytest.mark.parametrize("text", ['{\n    "steps": []\n}', "error: no stack", "[]", "3", '{"steps": []}'])
def test_anything_else_is_refused_with_what_to_set(text: str) -> None:
    with pytest.raises(NoPreview, match="set PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true"):
        read(text.splitlines())
