"""Keys of one's own, where they are asked for."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.encryption import KEYS, customer_managed_keys
from tests.policy.conftest import said

# What holds data, and takes a key of one's own for it.
KINDS = [
    *("artifactregistry.Repository", "bigquery.Dataset", "bigquery.Table", "bigtable.Instance", "compute.Disk"),
    *("dataproc.Cluster", "firestore.Database", "pubsub.Topic", "secretmanager.Secret", "spanner.Database"),
    *("sql.DatabaseInstance", "storage.Bucket"),
]
ASKED = {"stack": "prod", "stacks": ["prod"]}


def with_key(path: str, key: str) -> dict[str, Any]:
    """The inputs of what has its key at a path."""
    inputs: Any = key
    for part in reversed(path.split(".")):
        inputs = {part: inputs}
    return inputs


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_googles_key_is_refused_where_one_is_asked_for(kind: str) -> None:
    assert said(customer_managed_keys, kind, {}, **ASKED) == [f"it has Google's own key: set {KEYS[kind]}"]
    assert not said(customer_managed_keys, kind, {}, stack="dev", stacks=["prod"])
    assert not said(customer_managed_keys, kind, {}, stack="prod")


@pytest.mark.parametrize("key", ["projects/p/locations/l/keyRings/r/cryptoKeys/k", UNKNOWN])
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_a_key_is_taken(kind: str, key: str) -> None:
    assert not said(customer_managed_keys, kind, with_key(KEYS[kind], key), **ASKED)


def test_a_secret_that_is_kept_in_chosen_places_has_a_key_in_each() -> None:
    replica = {"location": "europe-west1", "customerManagedEncryption": {"kmsKeyName": "k"}}
    inputs = {"replication": {"userManaged": {"replicas": [replica]}}}
    assert not said(customer_managed_keys, "secretmanager.Secret", inputs, **ASKED)
