"""What a policy sees of a resource, and when it says nothing."""

from collections.abc import Iterator, Sequence

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import EnforcementLevel

from policy.subject import ADVISORY, MANDATORY, Resource, resource_policy, stack_policy
from tests.policy.conftest import asked, resource, said

SOURCE = "https://example.com"


def seen(inputs: dict[str, object]) -> Resource:
    """A resource as a policy sees it."""
    return Resource("storage.Bucket", "it", "urn:pulumi:prod::shop::gcp:storage/bucket:Bucket::it", inputs, {}, {})


@resource_policy("storage.Bucket", "pubsub.*", source=SOURCE)
def named_places(it: Resource) -> Iterator[str]:
    """Each place
    is told."""
    yield from it.at("location")


@stack_policy(source=SOURCE, level=ADVISORY)
def no_second(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """One is enough."""
    yield from ((it, f"{it.kind} is one too many") for it in stack[1:])


def test_values_are_found_by_their_path_through_lists() -> None:
    it = seen(
        {"rules": [{"action": {"type": "Delete"}}, {"action": {}}, {"action": {"type": "Keep"}}], "n": 540.0}
    )

    assert list(it.at("rules.action.type")) == ["Delete", "Keep"]
    assert [repr(value) for value in it.at("n")] == ["540"]
    assert list(it.at("rules.action.type.more")) == []
    assert list(it.at("nothing")) == []


def test_what_is_not_there_is_not_unknown_and_what_is_unknown_is_there() -> None:
    @resource_policy("storage.Bucket", source=SOURCE)
    def told(it: Resource) -> Iterator[str]:
        """Tell."""
        for path in ("location", "encryption.key", "nothing", "lists.each"):
            yield f"{path} {list(it.at(path))} {it.has(path)} {it.is_known(path)}"

    inputs = {
        "location": UNKNOWN,
        "encryption": UNKNOWN,
        "nothing": None,
        "lists": [{"each": 1}, {"each": UNKNOWN}],
    }
    assert said(told, "storage.Bucket", inputs) == [
        "location [] True False",
        "encryption.key [] True False",
        "nothing [] False True",
        "lists.each [1] True False",
    ]


def test_a_stack_is_told_by_the_urn() -> None:
    assert seen({}).stack == "prod"


def test_a_policy_is_named_and_described_by_its_function() -> None:
    assert (named_places.name, named_places.description) == ("named-places", "Each place is told.")
    assert (named_places.enforcement_level, named_places.url) == (MANDATORY, SOURCE)
    assert (no_second.name, no_second.enforcement_level) == ("no-second", ADVISORY)


@pytest.mark.parametrize(
    ("kind", "expected"), [("storage.Bucket", ["EU"]), ("pubsub.Topic", ["EU"]), ("storage.BucketObject", [])]
)
def test_a_policy_looks_at_its_kinds_only(kind: str, expected: list[str]) -> None:
    assert said(named_places, kind, {"location": "EU"}) == expected


def test_what_is_exempt_is_passed_over() -> None:
    exempt = {"other": "It is meant to be there."}
    assert said(named_places, "storage.Bucket", {"location": "EU"}, exempt=exempt) == ["EU"]
    assert said(named_places, "storage.Bucket", {"location": "EU"}, exempt={"it": "So is it."}) == []

    both = (resource("storage.Bucket", {}, "first"), resource("storage.Bucket", {}, "it"))
    (violation,) = asked(no_second, *both)
    assert str(violation) == "storage.Bucket it: storage.Bucket is one too many (policy no-second)"
    assert not violation.mandatory
    assert not asked(no_second, *both, exempt={"it": "It is."})


def test_the_level_can_be_chosen() -> None:
    (violation,) = asked(
        named_places, resource("storage.Bucket", {"location": "EU"}), enforcementLevel=EnforcementLevel.ADVISORY
    )
    assert not violation.mandatory
