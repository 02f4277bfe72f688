"""What is not deleted by mistake."""

from collections.abc import Iterator

from policy.subject import Resource, resource_policy

# Kind -> inputs with the value that keeps its data, and what counts when the program does not say: the provider's.
PROTECTED = {
    "alloydb.Cluster": {"deletionProtection": (True, True)},
    "bigquery.Dataset": {"deleteContentsOnDestroy": (False, False)},
    "bigquery.Table": {"deletionProtection": (True, True)},
    "bigtable.Instance": {"deletionProtection": (True, True)},
    "firestore.Database": {"deleteProtectionState": ("DELETE_PROTECTION_ENABLED", "")},
    "spanner.Database": {"deletionProtection": (True, True), "enableDropProtection": (True, False)},
    "sql.DatabaseInstance": {
        "deletionProtection": (True, True),
        "settings.deletionProtectionEnabled": (True, False),
    },
    "storage.Bucket": {"forceDestroy": (False, False)},
}


@resource_policy(
    *PROTECTED,
    source="https://cloud.google.com/sql/docs/postgres/deletion-protection",
    config={
        "stacks": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["prod"],
            "description": "The stacks whose data is kept.",
        }
    },
)
def deletion_protection(resource: Resource) -> Iterator[str]:
    """In production, what holds data is protected from being deleted."""
    if resource.stack not in resource.config["stacks"]:
        return
    for path, (kept, unsaid) in PROTECTED[resource.kind].items():
        value = next(resource.at(path), unsaid)
        if value != kept and resource.is_known(path):
            yield f"{path} is {value!r}, and its data could be deleted by mistake: set {kept!r}"
