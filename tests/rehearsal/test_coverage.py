"""Every resource type of the program has an API here that does what the provider asks of it."""

import re
from pathlib import Path

import pytest

from omnipipe.rehearsal import discovery
from omnipipe.rehearsal.control_plane import ControlPlane

GOLDEN = Path(__file__).resolve().parent.parent / "components" / "golden"
# What a provider asks for to make, read, change and delete a resource, and for its policy.
VERBS = {"create", "insert", "get", "list", "patch", "update", "delete", "getIamPolicy", "setIamPolicy"}

# Type -> the API (host, and a path from which its version is read) and the collection that the provider asks.
TYPES = {
    "artifactregistry.Repository": ("artifactregistry", "v1", "repositories"),
    "artifactregistry.RepositoryIamMember": ("artifactregistry", "v1", "repositories"),
    "bigquery.Dataset": ("bigquery", "v2", "datasets"),
    "bigquery.DatasetIamMember": ("bigquery", "v2", "datasets"),
    "bigquery.IamMember": ("bigquery", "v2", "tables"),
    "bigquery.Table": ("bigquery", "v2", "tables"),
    "bigquerydatapolicy.DataPolicy": ("bigquerydatapolicy", "v1", "dataPolicies"),
    "bigquerydatapolicy.DataPolicyIamMember": ("bigquerydatapolicy", "v1", "dataPolicies"),
    "billing.Budget": ("billingbudgets", "v1", "budgets"),
    "cloudfunctionsv2.Function": ("cloudfunctions", "v2", "functions"),
    "cloudrunv2.Job": ("run", "v2", "jobs"),
    "cloudrunv2.JobIamMember": ("run", "v2", "jobs"),
    "cloudrunv2.ServiceIamMember": ("run", "v2", "services"),
    "cloudscheduler.Job": ("cloudscheduler", "v1", "jobs"),
    "compute.Address": ("compute", "beta", "addresses"),
    "compute.ForwardingRule": ("compute", "beta", "forwardingRules"),
    "compute.Network": ("compute", "beta", "networks"),
    "compute.NetworkAttachment": ("compute", "beta", "networkAttachments"),
    "compute.Subnetwork": ("compute", "beta", "subnetworks"),
    "datacatalog.PolicyTag": ("datacatalog", "v1beta1", "policyTags"),
    "datacatalog.PolicyTagIamMember": ("datacatalog", "v1beta1", "policyTags"),
    "datacatalog.Taxonomy": ("datacatalog", "v1beta1", "taxonomies"),
    "datastream.ConnectionProfile": ("datastream", "v1", "connectionProfiles"),
    "datastream.PrivateConnection": ("datastream", "v1", "privateConnections"),
    "datastream.Stream": ("datastream", "v1", "streams"),
    "iam.WorkloadIdentityPool": ("iam", "v1", "workloadIdentityPools"),
    "iam.WorkloadIdentityPoolProvider": ("iam", "v1", "providers"),
    "kms.CryptoKey": ("cloudkms", "v1", "cryptoKeys"),
    "kms.CryptoKeyIAMMember": ("cloudkms", "v1", "cryptoKeys"),
    "kms.KeyRing": ("cloudkms", "v1", "keyRings"),
    "logging.Metric": ("logging", "v2", "metrics"),
    "monitoring.AlertPolicy": ("monitoring", "v3", "alertPolicies"),
    "monitoring.Dashboard": ("monitoring", "v1", "dashboards"),
    "monitoring.NotificationChannel": ("monitoring", "v3", "notificationChannels"),
    "projects.IAMCustomRole": ("iam", "v1", "roles"),
    "projects.IAMMember": ("cloudresourcemanager", "v1", "projects"),
    "projects.Service": ("serviceusage", "v1", "services"),
    "projects.ServiceIdentity": ("serviceusage", "v1beta1", "services"),
    "secretmanager.Secret": ("secretmanager", "v1", "secrets"),
    "secretmanager.SecretIamMember": ("secretmanager", "v1", "secrets"),
    "secretmanager.SecretVersion": ("secretmanager", "v1", "versions"),
    "serviceaccount.Account": ("iam", "v1", "serviceAccounts"),
    "serviceaccount.IAMMember": ("iam", "v1", "serviceAccounts"),
    "sql.Database": ("sqladmin", "v1beta4", "databases"),
    "sql.DatabaseInstance": ("sqladmin", "v1beta4", "instances"),
    "sql.User": ("sqladmin", "v1beta4", "users"),
    "storage.Bucket": ("storage", "v1", "b"),
    "storage.BucketIAMMember": ("storage", "v1", "b"),
    "storage.BucketObject": ("storage", "v1", "o"),
    "workflows.Workflow": ("workflows", "v1", "workflows"),
}
NOT_GOOGLES = ("components.", "pulumi.", "random.")


def test_every_type_of_the_program_is_listed() -> None:
    declared = {
        found[1]
        for file in GOLDEN.glob("*.yaml")
        for found in re.finditer(r"^([a-z0-9]+\.\w+) ", file.read_text(), re.MULTILINE)
    }
    assert {each for each in declared if not each.startswith(NOT_GOOGLES)} == set(TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_what_the_provider_asks_for_is_done(type_: str) -> None:
    host, version, collection = TYPES[type_]
    api = discovery.api(host, version)
    assert api is not None
    methods = [each for each in api.methods if each.collection == collection and each.verb in VERBS]
    assert methods
    plane = ControlPlane()
    assert not [each.id for each in methods if plane.handler(api, each) is None]
