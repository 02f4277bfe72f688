"""What is not deleted by mistake."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.protection import PROTECTED, deletion_protection
from tests.policy.conftest import said

DATABASE = {"deletionProtection": True, "settings": {"deletionProtectionEnabled": True}}


@pytest.mark.parametrize(
    ("kind", "inputs", "path"),
    [
        ("sql.DatabaseInstance", DATABASE | {"deletionProtection": False}, "deletionProtection is False"),
        ("sql.DatabaseInstance", DATABASE | {"settings": {}}, "settings.deletionProtectionEnabled is False"),
        ("bigquery.Table", {"deletionProtection": False}, "deletionProtection is False"),
        ("bigquery.Dataset", {"deleteContentsOnDestroy": True}, "deleteContentsOnDestroy is True"),
        ("storage.Bucket", {"forceDestroy": True}, "forceDestroy is True"),
        ("firestore.Database", {}, "deleteProtectionState is ''"),
        ("spanner.Database", {}, "enableDropProtection is False"),
        ("alloydb.Cluster", {"deletionProtection": False}, "deletionProtection is False"),
        ("bigtable.Instance", {"deletionProtection": False}, "deletionProtection is False"),
    ],
)
def test_what_could_be_deleted_is_refused_in_production(kind: str, inputs: dict[str, Any], path: str) -> None:
    (message,) = said(deletion_protection, kind, inputs, stack="prod")
    assert message.startswith(path)
    assert not said(deletion_protection, kind, inputs, stack="dev")
    assert said(deletion_protection, kind, inputs, stack="dev", stacks=["dev"])


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("sql.DatabaseInstance", DATABASE),
        ("sql.DatabaseInstance", {"settings": {"deletionProtectionEnabled": UNKNOWN}}),
        *((kind, {}) for kind in ("bigquery.Table", "bigquery.Dataset", "storage.Bucket")),
        *((kind, {}) for kind in ("bigtable.Instance", "alloydb.Cluster")),
        ("bigquery.Dataset", {"deleteContentsOnDestroy": False}),
        ("storage.Bucket", {"forceDestroy": False}),
        ("firestore.Database", {"deleteProtectionState": "DELETE_PROTECTION_ENABLED"}),
        ("spanner.Database", {"enableDropProtection": True}),
    ],
)
def test_what_is_protected_is_taken(kind: str, inputs: dict[str, Any]) -> None:
    assert kind in PROTECTED
    assert not said(deletion_protection, kind, inputs, stack="prod")
