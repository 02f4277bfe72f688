"""Which rights a change gives and takes."""

from collections.abc import Mapping
from typing import Any

import pytest

from omnipipe.review import grants
from omnipipe.review.grants import Grant, Grants
from omnipipe.review.preview import Change, read
from tests.review.test_preview import SHOP

CLERK = "serviceAccount:shop-clerk@shop-dev.iam.gserviceaccount.com"
COOK = "serviceAccount:shop-cook@shop-dev.iam.gserviceaccount.com"
MEMBER = "gcp:pubsub/topicIAMMember:TopicIAMMember"
TOPIC = {"topic": "orders", "role": "roles/pubsub.publisher", "member": CLERK, "project": "shop-dev"}


def change(before: Mapping[str, Any], after: Mapping[str, Any], type_: str = MEMBER) -> list[Change]:
    return [Change("replaced", "urn", type_, (), before, after)]


def test_of_a_recorded_preview() -> None:
    found = grants.of(read(SHOP.read_text().splitlines()).changes)
    assert found == Grants(
        given=(
            Grant("roles/bigquery.dataEditor", CLERK, "datasetId sales"),
            Grant("roles/bigquery.jobUser", COOK, "project shop-dev"),
            Grant("roles/pubsub.publisher", CLERK, "topic incoming-orders"),
        ),
        taken=(
            Grant("roles/bigquery.dataViewer", CLERK, "datasetId sales"),
            Grant("roles/pubsub.publisher", CLERK, "topic orders"),
        ),
    )


def test_one_that_is_made_anew_as_it_was_is_neither_given_nor_taken() -> None:
    assert grants.of(change(TOPIC, TOPIC)) == Grants((), ())


@pytest.mark.parametrize("type_", ["gcp:projects/iAMMember:IAMMember", "gcp:bigquery/iamMember:IamMember"])
def test_the_types_of_grants_are_known_by_their_names(type_: str) -> None:
    assert len(grants.of(change({}, TOPIC, type_)).given) == 1


@pytest.mark.parametrize("type_", ["gcp:pubsub/topic:Topic", "gcp:projects/iAMCustomRole:IAMCustomRole"])
def test_what_is_no_grant_is_none(type_: str) -> None:
    assert grants.of(change({}, TOPIC, type_)).given == ()


def test_a_binding_is_each_of_its_members_and_a_policy_is_what_it_says() -> None:
    binding = {"topic": "orders", "role": "roles/pubsub.viewer", "members": [CLERK, COOK]}
    assert [each.member for each in grants.of(change({}, binding, "gcp:x:TopicIAMBinding")).given] == [CLERK, COOK]
    (policy,) = grants.of(change({}, {"topic": "orders", "policyData": "…"}, "gcp:x:TopicIAMPolicy")).given
    assert policy == Grant("all roles", "those of the policy", "topic orders")


def test_what_only_the_deployment_knows_is_said_to_be_so() -> None:
    unknown = TOPIC | {"member": "serviceAccount:04da6b54-80e4-46f7-96ec-b56ff0331ba9"}
    (grant,) = grants.of(change({}, unknown)).given
    assert grant.member == "serviceAccount:(known after the deployment)"
