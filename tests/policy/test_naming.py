"""What things may be called."""

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.naming import names
from tests.policy.conftest import said

LONG = "a" * 63

# Kind, input, names that it takes, names that it does not.
NAMES = [
    (
        "storage.Bucket",
        "name",
        ["my-bucket_1.x", LONG],
        ["My-Bucket", "ab", "my bucket", "goog-x", "a-google-x", "a..b"],
    ),
    ("storage.Bucket", "name", ["1bucket"], ["-bucket", "bucket-", "192.168.1.1", f"{LONG}a", f"{LONG}a.x"]),
    ("secretmanager.Secret", "secretId", ["My_secret-1", "a" * 255], ["my.secret", "a/b", "a" * 256]),
    (
        "artifactregistry.Repository",
        "repositoryId",
        ["images", LONG],
        ["Images", "my_images", "1x", "x-", f"{LONG}a"],
    ),
    ("bigquery.Dataset", "datasetId", ["raw_1", "Raw"], ["raw-1", "räw", "a.b"]),
    (
        "bigquery.Table",
        "tableId",
        ["orders", "a", "a" * 1024, "orders-1 x", "bestellungen_für"],
        ["a.b", "a$20260101", "a" * 1025],
    ),
    ("bigquerydatapolicy.DataPolicy", "dataPolicyId", ["pii_high"], ["pii-high", "a" * 65]),
    ("bigquery.Datapolicyv2DataPolicy", "dataPolicyId", ["pii_high"], ["pii-high", "a" * 65]),
    ("cloudrunv2.Job", "name", ["migrate-1", LONG], ["Migrate", "migrate_1", "1x", "x-", f"{LONG}a"]),
    ("cloudrunv2.Service", "name", ["shop", "a" * 49], ["Shop", "a" * 50]),
    ("cloudfunctionsv2.Function", "name", ["weather", LONG], ["Weather", "my_weather", f"{LONG}a"]),
    ("cloudscheduler.Job", "name", ["Daily_1-x"], ["daily.1", "a" * 501]),
    ("workflows.Workflow", "name", ["daily_run-1", "a"], ["1daily", "daily-", "a.b", "a" * 65]),
    ("sql.DatabaseInstance", "name", ["oltp-1", "a" * 98], ["Oltp", "1oltp", "oltp_1", "a" * 99]),
    (
        "serviceaccount.Account",
        "accountId",
        ["dbt-job", "a" * 30],
        ["dbt", "Dbt-job", "1dbt-job", "dbt-job-", "a" * 31],
    ),
    ("projects.IAMCustomRole", "roleId", ["pii_tagger", "a.b"], ["pii-tagger", "ab", "a" * 65]),
    ("logging.Metric", "name", ["errors/of-1"], ["/errors", "errors of", "a" * 101]),
    (
        "iam.WorkloadIdentityPool",
        "workloadIdentityPoolId",
        ["github", "a" * 32],
        ["git", "gcp-pool", "Github", "a" * 33],
    ),
    ("iam.WorkloadIdentityPoolProvider", "workloadIdentityPoolProviderId", ["github-oidc"], ["oid", "gcp-oidc"]),
    ("pubsub.Topic", "name", ["Events_1.x~+%"], ["ev", "1events", "googly", "events/1", "a" * 256]),
    ("pubsub.Subscription", "name", ["events"], ["ev", "googly"]),
    ("datastream.Stream", "streamId", ["shop-1", "a" * 60], ["Shop", "shop_1", "a" * 61]),
    ("datastream.ConnectionProfile", "connectionProfileId", ["shop-source"], ["shop_source"]),
    ("datastream.PrivateConnection", "privateConnectionId", ["shop-private"], ["shop_private"]),
    ("kms.KeyRing", "name", ["Ring_1-x", LONG], ["a.b", f"{LONG}a"]),
    ("kms.CryptoKey", "name", ["key"], ["a.b"]),
    ("compute.Network", "name", ["vpc-1"], ["Vpc", "vpc_1", "vpc-"]),
    ("compute.Subnetwork", "name", ["subnet"], ["Subnet"]),
]


@pytest.mark.parametrize(("kind", "path", "taken", "refused"), NAMES, ids=[f"{row[0]}-{row[1]}" for row in NAMES])
def test_names(kind: str, path: str, taken: list[str], refused: list[str]) -> None:
    assert not [name for name in (*taken, UNKNOWN, "") if said(names, kind, {path: name})]
    for name in refused:
        (message,) = said(names, kind, {path: name})
        assert message.startswith(f"{path} is {name!r}: take ")
        assert "https://" in message
