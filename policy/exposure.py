"""What can be reached from outside: buckets, databases, datasets; and keys, which go where they are copied to."""

from collections.abc import Iterator

from policy.grants import EVERYBODY
from policy.subject import Resource, resource_policy

_PUBLIC_ACLS = ("publicRead", "publicReadWrite", "authenticatedRead")


@resource_policy("storage.Bucket", source="https://cloud.google.com/storage/docs/public-access-prevention")
def private_buckets(bucket: Resource) -> Iterator[str]:
    """A bucket is private for good: access by IAM alone, and public access prevented."""
    if bucket.is_known("uniformBucketLevelAccess") and True not in bucket.at("uniformBucketLevelAccess"):
        yield "objects may have access lists of their own: set uniform_bucket_level_access=True"
    if bucket.is_known("publicAccessPrevention") and "enforced" not in bucket.at("publicAccessPrevention"):
        yield "it may be opened to everybody: set public_access_prevention='enforced'"


@resource_policy(
    *("storage.BucketACL", "storage.DefaultObjectACL", "storage.ObjectACL"),
    *("storage.BucketAccessControl", "storage.DefaultObjectAccessControl", "storage.ObjectAccessControl"),
    source="https://cloud.google.com/storage/docs/access-control/lists",
)
def no_public_objects(acl: Resource) -> Iterator[str]:
    """No access list lets everybody in."""
    for named in acl.at("predefinedAcl"):
        if named in _PUBLIC_ACLS:
            yield f"predefined_acl is {named!r}: grant a role on the bucket to who needs it"
    for entity in (*acl.at("entity"), *acl.at("roleEntities")):
        if entity.rpartition(":")[2] in EVERYBODY:
            yield f"{entity} is let in: grant a role on the bucket to who needs it"


@resource_policy(
    *("bigquery.Dataset", "bigquery.DatasetAccess"),
    source="https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset.FIELDS.access",
)
def no_public_datasets(dataset: Resource) -> Iterator[str]:
    """No access list of a dataset lets everybody in."""
    for path in ("accesses.specialGroup", "accesses.iamMember", "specialGroup", "iamMember"):
        for who in dataset.at(path):
            if who in EVERYBODY:
                yield f"{path} is {who}: name who needs it, such as group:analysts@example.com"


@resource_policy("sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/configure-ip")
def private_databases(instance: Resource) -> Iterator[str]:
    """A database has no public address, and none is let in from everywhere."""
    address = "settings.ipConfiguration.ipv4Enabled"
    if instance.is_known(address) and False not in instance.at(address):  # unsaid, it gets one
        yield "it has a public address: set ipv4_enabled=False, and a private network or psc_configs"
    for network in instance.at("settings.ipConfiguration.authorizedNetworks.value"):
        if network.endswith("/0"):
            yield f"authorized_networks lets {network} in, which is everybody: name the networks that need it"


@resource_policy("cloudrunv2.Service", source="https://cloud.google.com/run/docs/securing/managing-access")
def no_open_services(service: Resource) -> Iterator[str]:
    """A service asks who calls it."""
    if True in service.at("invokerIamDisabled"):
        yield "anybody may call it: take invoker_iam_disabled away, and grant roles/run.invoker to its callers"


@resource_policy(
    *("serviceaccount.Key", "storage.HmacKey"),
    source="https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys",
)
def no_account_keys(_: Resource) -> Iterator[str]:
    """No service account has a key: Google gives workloads their tokens, and who comes from outside federates."""
    yield "a key is valid wherever it is copied to: let the workload run as the account, or federate its identity"
