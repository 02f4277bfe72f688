"""What can be reached from outside, and keys."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import Policy

from policy.exposure import (
    no_account_keys,
    no_open_services,
    no_public_datasets,
    no_public_objects,
    private_buckets,
    private_databases,
)
from tests.policy.conftest import said

PRIVATE = {"uniformBucketLevelAccess": True, "publicAccessPrevention": "enforced"}


def database(**addresses: Any) -> dict[str, Any]:
    """The inputs of an instance."""
    return {"settings": {"ipConfiguration": addresses}}


REFUSED = [
    (
        private_buckets,
        "storage.Bucket",
        PRIVATE | {"uniformBucketLevelAccess": False},
        "access lists of their own",
    ),
    (private_buckets, "storage.Bucket", {"publicAccessPrevention": "enforced"}, "access lists of their own"),
    (private_buckets, "storage.Bucket", PRIVATE | {"publicAccessPrevention": "inherited"}, "opened to everybody"),
    (private_buckets, "storage.Bucket", {"uniformBucketLevelAccess": True}, "opened to everybody"),
    (no_public_objects, "storage.BucketACL", {"predefinedAcl": "publicRead"}, "predefined_acl is 'publicRead'"),
    (no_public_objects, "storage.ObjectACL", {"predefinedAcl": "publicReadWrite"}, "'publicReadWrite'"),
    (no_public_objects, "storage.ObjectACL", {"predefinedAcl": "authenticatedRead"}, "'authenticatedRead'"),
    (
        no_public_objects,
        "storage.DefaultObjectACL",
        {"roleEntities": ["OWNER:a", "READER:allUsers"]},
        "READER:allUsers",
    ),
    (no_public_objects, "storage.BucketAccessControl", {"entity": "allAuthenticatedUsers"}, "is let in"),
    (no_public_objects, "storage.ObjectAccessControl", {"entity": "allUsers"}, "allUsers is let in"),
    (no_public_objects, "storage.DefaultObjectAccessControl", {"entity": "allUsers"}, "allUsers is let in"),
    (
        *(no_public_datasets, "bigquery.Dataset"),
        *(
            {"accesses": [{"role": "OWNER"}, {"specialGroup": "allAuthenticatedUsers"}]},
            "accesses.specialGroup is all",
        ),
    ),
    (
        no_public_datasets,
        "bigquery.Dataset",
        {"accesses": [{"iamMember": "allUsers"}]},
        "accesses.iamMember is allUsers",
    ),
    (no_public_datasets, "bigquery.DatasetAccess", {"iamMember": "allUsers"}, "iamMember is allUsers"),
    (
        no_public_datasets,
        "bigquery.DatasetAccess",
        {"specialGroup": "allAuthenticatedUsers"},
        "specialGroup is all",
    ),
    (private_databases, "sql.DatabaseInstance", {}, "it has a public address"),
    (private_databases, "sql.DatabaseInstance", database(ipv4Enabled=True), "it has a public address"),
    (private_databases, "sql.DatabaseInstance", database(privateNetwork="n"), "it has a public address"),
    (
        *(private_databases, "sql.DatabaseInstance"),
        *(
            database(ipv4Enabled=False, authorizedNetworks=[{"value": "10.0.0.0/8"}, {"value": "0.0.0.0/0"}]),
            "0.0.0.0/0",
        ),
    ),
    (
        *(private_databases, "sql.DatabaseInstance"),
        *(database(ipv4Enabled=False, authorizedNetworks=[{"value": "::/0"}]), "lets ::/0 in"),
    ),
    (no_open_services, "cloudrunv2.Service", {"invokerIamDisabled": True}, "anybody may call it"),
    (no_account_keys, "serviceaccount.Key", {}, "a key is valid wherever it is copied to"),
    (no_account_keys, "storage.HmacKey", {}, "a key is valid wherever it is copied to"),
]
TAKEN = [
    (private_buckets, "storage.Bucket", PRIVATE),
    (private_buckets, "storage.Bucket", {"uniformBucketLevelAccess": UNKNOWN, "publicAccessPrevention": UNKNOWN}),
    (
        no_public_objects,
        "storage.BucketACL",
        {"predefinedAcl": "projectPrivate", "roleEntities": ["OWNER:user-a@b.c"]},
    ),
    (no_public_objects, "storage.ObjectAccessControl", {"entity": "group-a@example.com"}),
    (no_public_datasets, "bigquery.Dataset", {"accesses": [{"specialGroup": "projectOwners", "role": "OWNER"}]}),
    (
        *(private_databases, "sql.DatabaseInstance"),
        database(ipv4Enabled=False, authorizedNetworks=[{"value": "10.0.0.0/8"}, {"value": UNKNOWN}]),
    ),
    (private_databases, "sql.DatabaseInstance", database(ipv4Enabled=UNKNOWN)),
    (no_open_services, "cloudrunv2.Service", {"invokerIamDisabled": False}),
    (no_open_services, "cloudrunv2.Service", {}),
    (no_account_keys, "serviceaccount.Account", {}),
]


@pytest.mark.parametrize(("policy", "kind", "inputs", "words"), REFUSED)
def test_what_is_open_is_refused(policy: Policy, kind: str, inputs: dict[str, Any], words: str) -> None:
    (message,) = said(policy, kind, inputs)
    assert words in message


@pytest.mark.parametrize(("policy", "kind", "inputs"), TAKEN)
def test_what_is_closed_is_taken(policy: Policy, kind: str, inputs: dict[str, Any]) -> None:
    assert not said(policy, kind, inputs)
