"""Keys of one's own."""

from collections.abc import Iterator

from policy.subject import Resource, resource_policy

# Where a kind takes its key. https://cloud.google.com/kms/docs/compatible-services
KEYS = {
    "artifactregistry.Repository": "kmsKeyName",
    "bigquery.Dataset": "defaultEncryptionConfiguration.kmsKeyName",
    "bigquery.Table": "encryptionConfiguration.kmsKeyName",
    "bigtable.Instance": "clusters.kmsKeyName",
    "compute.Disk": "diskEncryptionKey.kmsKeySelfLink",
    "dataproc.Cluster": "clusterConfig.encryptionConfig.kmsKeyName",
    "firestore.Database": "cmekConfig.kmsKeyName",
    "pubsub.Topic": "kmsKeyName",
    "secretmanager.Secret": "replication.auto.customerManagedEncryption.kmsKeyName",
    "spanner.Database": "encryptionConfig.kmsKeyName",
    "sql.DatabaseInstance": "encryptionKeyName",
    "storage.Bucket": "encryption.defaultKmsKeyName",
}
# Of a secret that is kept in places of one's choice, each has its own.
_REPLICAS = "replication.userManaged.replicas.customerManagedEncryption.kmsKeyName"


@resource_policy(
    *KEYS,
    source="https://cloud.google.com/kms/docs/cmek",
    config={
        "stacks": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "The stacks in which everything that holds data has a key of one's own.",
        }
    },
)
def customer_managed_keys(resource: Resource) -> Iterator[str]:
    """Where it is asked for, what holds data is encrypted with a key of one's own."""
    asked = resource.stack in resource.config["stacks"]
    if asked and not resource.has(KEYS[resource.kind]) and not resource.has(_REPLICAS):
        yield f"it has Google's own key: set {KEYS[resource.kind]}"
