"""What things may be called."""

from collections.abc import Iterator

from components.checks import is_account_id, is_dataset_id, is_secret_id
from policy.forms import Form, broken, kinds, pattern
from policy.subject import Resource, resource_policy

_HYPHENATED = "take lower-case letters, digits and hyphens, a letter first and no hyphen last, at most"
_LOWER = pattern(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_POOL = pattern(r"(?!gcp-)[a-z0-9-]{4,32}")
_POOL_WORDS = "take 4 to 32 lower-case letters, digits and hyphens, not gcp- first"
_POOL_SOURCE = "https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers"
_MESSAGING = pattern(r"(?!goog)[A-Za-z][\w.~+%-]{2,254}")
_MESSAGING_WORDS = "take 3 to 255 letters, digits and -_.~+%, a letter first, not goog"
_MESSAGING_SOURCE = "https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names"
_STREAM = pattern(r"[a-z]([a-z0-9-]{0,58}[a-z0-9])?")
_STREAM_SOURCE = "https://cloud.google.com/datastream/docs/reference/rest/v1/projects.locations.streams/create"
_KEY = pattern(r"[A-Za-z0-9_-]{1,63}")
_KEY_SOURCE = "https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings/create"
_MASK = pattern(r"\w{1,64}")
_MASK_WORDS = "take letters, digits and underscores, at most 64"
_MASK_SOURCE = (
    "https://cloud.google.com/bigquery/docs/reference/bigquerydatapolicy/rest/v1/projects.locations.dataPolicies"
)

_is_bucket = pattern(r"(?!goog)(?!.*google)(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def _is_bucket_name(name: str) -> bool:
    return _is_bucket(name) and all(len(part) <= 63 for part in name.split("."))


_FORMS = (
    Form(
        "storage.Bucket",
        "name",
        _is_bucket_name,
        "take 3 to 63 lower-case letters, digits, hyphens, underscores and dots, a letter or digit first and last, "
        "nothing of Google's",
        "https://cloud.google.com/storage/docs/buckets#naming",
    ),
    Form(
        "secretmanager.Secret",
        "secretId",
        is_secret_id,
        "take letters, digits, hyphens and underscores, at most 255",
        "https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create",
    ),
    Form(
        "artifactregistry.Repository",
        "repositoryId",
        _LOWER,
        f"{_HYPHENATED} 63",
        "https://cloud.google.com/artifact-registry/docs/repositories/create-repos",
    ),
    Form(
        "bigquery.Dataset",
        "datasetId",
        is_dataset_id,
        "take letters, digits and underscores, at most 1024",
        "https://cloud.google.com/bigquery/docs/datasets#dataset-naming",
    ),
    Form(
        "bigquery.Table",
        "tableId",
        lambda name: 1 <= len(name.encode()) <= 1024 and all(each.isalnum() or each in "_- ‿⁀" for each in name),
        "take letters, digits, underscores, hyphens and spaces, at most 1024 bytes",
        "https://cloud.google.com/bigquery/docs/tables#table_naming",
    ),
    Form("bigquerydatapolicy.DataPolicy", "dataPolicyId", _MASK, _MASK_WORDS, _MASK_SOURCE),
    Form("bigquery.Datapolicyv2DataPolicy", "dataPolicyId", _MASK, _MASK_WORDS, _MASK_SOURCE),
    Form(
        "cloudrunv2.Job",
        "name",
        _LOWER,
        f"{_HYPHENATED} 63",
        "https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/create",
    ),
    Form(
        "cloudrunv2.Service",
        "name",
        pattern(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?"),
        f"{_HYPHENATED} 49",
        "https://cloud.google.com/run/docs/deploying",
    ),
    Form(
        "cloudfunctionsv2.Function",
        "name",
        _LOWER,
        f"{_HYPHENATED} 63",
        "https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions/create",
    ),
    Form(
        "cloudscheduler.Job",
        "name",
        pattern(r"[A-Za-z\d_-]{1,500}"),
        "take letters, digits, hyphens and underscores, at most 500",
        "https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#Job.FIELDS.name",
    ),
    Form(
        "workflows.Workflow",
        "name",
        pattern(r"[A-Za-z]([\w-]{0,62}[A-Za-z0-9])?"),
        "take letters, digits, hyphens and underscores, a letter first and a letter or digit last, at most 64",
        "https://cloud.google.com/workflows/docs/reference/rest/v1/projects.locations.workflows/create",
    ),
    Form(
        "sql.DatabaseInstance",
        "name",
        pattern(r"[a-z]([a-z0-9-]{0,96}[a-z0-9])?"),
        f"{_HYPHENATED} 98",
        "https://cloud.google.com/sql/docs/postgres/instance-settings#instance-id-2ndgen",
    ),
    Form(
        "serviceaccount.Account",
        "accountId",
        is_account_id,
        "take 6 to 30 lower-case letters, digits and hyphens, a letter first and no hyphen last",
        "https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create",
    ),
    Form(
        "projects.IAMCustomRole",
        "roleId",
        pattern(r"[A-Za-z0-9_.]{3,64}"),
        "take 3 to 64 letters, digits, underscores and dots",
        "https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/create",
    ),
    Form(
        "logging.Metric",
        "name",
        pattern(r"(?!/)[A-Za-z0-9_\-.,+!*',()%/]{1,100}"),
        "take letters, digits and _-.,+!*',()%/, at most 100, no slash first",
        "https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.metrics",
    ),
    Form("iam.WorkloadIdentityPool", "workloadIdentityPoolId", _POOL, _POOL_WORDS, _POOL_SOURCE),
    Form("iam.WorkloadIdentityPoolProvider", "workloadIdentityPoolProviderId", _POOL, _POOL_WORDS, _POOL_SOURCE),
    Form("pubsub.Topic", "name", _MESSAGING, _MESSAGING_WORDS, _MESSAGING_SOURCE),
    Form("pubsub.Subscription", "name", _MESSAGING, _MESSAGING_WORDS, _MESSAGING_SOURCE),
    *(
        Form(f"datastream.{kind}", path, _STREAM, f"{_HYPHENATED} 60", _STREAM_SOURCE)
        for kind, path in (
            ("Stream", "streamId"),
            ("ConnectionProfile", "connectionProfileId"),
            ("PrivateConnection", "privateConnectionId"),
        )
    ),
    *(
        Form(f"kms.{kind}", "name", _KEY, "take letters, digits, hyphens and underscores, at most 63", _KEY_SOURCE)
        for kind in ("KeyRing", "CryptoKey")
    ),
    *(
        Form(
            f"compute.{kind}",
            "name",
            _LOWER,
            f"{_HYPHENATED} 63",
            "https://cloud.google.com/compute/docs/naming-resources",
        )
        for kind in (
            "Network",
            "Subnetwork",
            "Address",
            "ForwardingRule",
            "NetworkAttachment",
            "Firewall",
            "Router",
        )
    ),
)


@resource_policy(*kinds(*_FORMS), source="https://google.aip.dev/122")
def names(resource: Resource) -> Iterator[str]:
    """What a thing is called on Google has the form that its service takes."""
    yield from broken(resource, *_FORMS)
