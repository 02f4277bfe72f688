"""What a grant allows: to whom, on what, under which condition; and which grants the program may not make."""

from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import ACCOUNT, CUSTOM_ROLE, DATASTREAM_AGENT, TARGETS, Bindings
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Resource
from tests.laptop.conftest import PROJECT, grant

WHO = f"weather@{PROJECT}.iam.gserviceaccount.com"
OTHER = f"dbt@{PROJECT}.iam.gserviceaccount.com"
PLACE = f"projects/{PROJECT}/locations/europe-west1"
TAXONOMY = f"projects/{PROJECT}/locations/eu/taxonomies/pii"
PROJECT_GRANT = "gcp:projects/iAMMember:IAMMember"
DATASET_GRANT = "gcp:bigquery/datasetIamMember:DatasetIamMember"

# Type -> inputs, role, permission, what it is on or above, and what it is not.
CASES: dict[str, tuple[dict[str, str], str, str, str, str]] = {
    PROJECT_GRANT: (
        {},
        "bigquery.jobUser",
        "bigquery.jobs.create",
        f"projects/{PROJECT}",
        "projects/another",
    ),
    DATASET_GRANT: (
        {"datasetId": "raw"},
        "bigquery.dataViewer",
        "bigquery.tables.getData",
        f"projects/{PROJECT}/datasets/raw/tables/weather",
        f"projects/{PROJECT}/datasets/raw2/tables/weather",
    ),
    "gcp:bigquery/iamMember:IamMember": (
        {"datasetId": "raw", "tableId": "weather"},
        "bigquery.dataEditor",
        "bigquery.tables.updateData",
        f"projects/{PROJECT}/datasets/raw/tables/weather",
        f"projects/{PROJECT}/datasets/raw/tables/weather2",
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": (
        {"secretId": "password"},
        "secretmanager.secretAccessor",
        "secretmanager.versions.access",
        f"projects/{PROJECT}/secrets/password",
        f"projects/{PROJECT}/secrets/other",
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": (
        {"bucket": "sources"},
        "storage.objectViewer",
        "storage.objects.get",
        "projects/_/buckets/sources/objects/a.zip",
        "projects/_/buckets/other/objects/a.zip",
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": (
        {"location": "europe-west1", "repository": f"{PLACE}/repositories/images"},  # a whole name is taken too
        "artifactregistry.writer",
        "artifactregistry.repositories.uploadArtifacts",
        f"{PLACE}/repositories/images",
        f"{PLACE}/repositories/others",
    ),
    "gcp:cloudrunv2/jobIamMember:JobIamMember": (
        {"location": "europe-west1", "name": "dbt"},
        "run.jobsExecutorWithOverrides",
        "run.jobs.runWithOverrides",
        f"{PLACE}/jobs/dbt",
        f"{PLACE}/jobs/migrate",
    ),
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": (
        {"location": "europe-west1", "name": "weather"},
        "run.invoker",
        "run.routes.invoke",
        f"{PLACE}/services/weather",
        f"{PLACE}/services/reverse-sync",
    ),
    "gcp:datacatalog/policyTagIamMember:PolicyTagIamMember": (
        {"policyTag": f"{TAXONOMY}/policyTags/high"},
        "datacatalog.categoryFineGrainedReader",
        "datacatalog.categories.fineGrainedGet",
        f"{TAXONOMY}/policyTags/high",
        f"{TAXONOMY}/policyTags/low",
    ),
    "gcp:datacatalog/taxonomyIamMember:TaxonomyIamMember": (
        {"taxonomy": TAXONOMY},
        "datacatalog.categoryFineGrainedReader",
        "datacatalog.categories.fineGrainedGet",
        f"{TAXONOMY}/policyTags/low",
        f"{TAXONOMY}2/policyTags/low",
    ),
    "gcp:bigquerydatapolicy/dataPolicyIamMember:DataPolicyIamMember": (
        {"location": "eu", "dataPolicyId": "high"},
        "bigquerydatapolicy.maskedReader",
        "bigquery.dataPolicies.maskedGet",
        f"projects/{PROJECT}/locations/eu/dataPolicies/high",
        f"projects/{PROJECT}/locations/eu/dataPolicies/low",
    ),
}


def _of_pubsub(kind: str, collection: str, form: str, role: str, permission: str) -> dict[str, Any]:
    """The cases of a kind of Pub/Sub's resources, whose grants are called alike."""
    place = f"projects/{PROJECT}/{collection}"
    case = ({kind: "events"}, f"pubsub.{role}", f"pubsub.{permission}", f"{place}/events", f"{place}/events2")
    name = kind.capitalize()
    return {
        f"gcp:pubsub/{kind}{form}Member:{name}{form}Member": case,
        f"gcp:pubsub/{kind}{form}Binding:{name}{form}Binding": case,
    }


CASES |= {
    **_of_pubsub("topic", "topics", "IAM", "publisher", "topics.publish"),
    **_of_pubsub("subscription", "subscriptions", "IAM", "subscriber", "subscriptions.consume"),
    **_of_pubsub("schema", "schemas", "Iam", "viewer", "schemas.get"),
}


def allow(cloud: Cloud, email: str | None, permission: str, resource: str) -> bool:
    return Bindings(cloud.registry, PROJECT).allow(email, permission, resource)


@pytest.mark.parametrize("type_", CASES)
def test_a_grant_counts_for_its_member_on_its_resource_and_below(cloud: Cloud, type_: str) -> None:
    inputs, role, permission, granted, another = CASES[type_]
    assert not allow(cloud, WHO, permission, granted)

    made = grant(cloud, type_, f"roles/{role}", WHO, **inputs)

    assert allow(cloud, WHO, permission, granted)
    assert not allow(cloud, WHO, permission, another)
    assert not allow(cloud, WHO, "run.operations.get", granted)
    assert not allow(cloud, OTHER, permission, granted)
    assert not allow(cloud, None, permission, granted)
    cloud.registry.remove(made)
    assert not allow(cloud, WHO, permission, granted)


def test_every_kind_of_grant_has_a_case() -> None:
    without_a_request = {
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:serviceaccount/iAMMember:IAMMember",
    }
    assert set(CASES) == set(TARGETS) - without_a_request


@pytest.mark.parametrize(
    "below", ["datasets/raw", "datasets/raw/tables/weather", "secrets/s", "locations/l/jobs/j"]
)
def test_a_grant_on_the_project_counts_for_all_of_it(cloud: Cloud, below: str) -> None:
    grant(cloud, PROJECT_GRANT, "roles/bigquery.dataViewer", WHO)
    assert allow(cloud, WHO, "bigquery.tables.getData", f"projects/{PROJECT}/{below}")
    assert not allow(cloud, WHO, "bigquery.tables.getData", f"projects/another/{below}")


def test_a_grant_on_the_project_counts_for_its_buckets(cloud: Cloud) -> None:
    grant(cloud, PROJECT_GRANT, "roles/storage.objectViewer", WHO)
    assert allow(cloud, WHO, "storage.objects.get", "projects/_/buckets/sources")


def test_any_condition_is_taken_of_a_role_that_no_request_here_asks_for(cloud: Cloud) -> None:
    """So a stack whose deployer may grant some roles only comes up here too."""
    condition = {"expression": "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['a'])"}
    grant(cloud, PROJECT_GRANT, "roles/resourcemanager.projectIamAdmin", WHO, condition=condition)

    Bindings(cloud.registry, PROJECT)
    grant(cloud, PROJECT_GRANT, "roles/storage.objectViewer", WHO, condition=condition)
    with pytest.raises(LaptopError, match=r"resource\.name\.startsWith"):
        Bindings(cloud.registry, PROJECT)


def test_a_condition_narrows_a_grant_to_names_that_begin_so(cloud: Cloud) -> None:
    expression = 'resource.name.startsWith("projects/_/buckets/gcf-")'
    grant(cloud, PROJECT_GRANT, "roles/storage.objectViewer", WHO, condition={"expression": expression})

    assert allow(cloud, WHO, "storage.objects.get", "projects/_/buckets/gcf-v2/objects/a.zip")
    assert allow(cloud, WHO, "storage.objects.get", "projects/_/buckets/gcf-v2/objects/folder/a.zip")
    assert not allow(cloud, WHO, "storage.objects.get", "projects/_/buckets/sources/objects/a.zip")


@pytest.mark.parametrize(
    ("member", "email", "is_let_in"),
    [
        ("allUsers", None, True),
        ("allUsers", WHO, True),
        ("allAuthenticatedUsers", None, False),
        ("allAuthenticatedUsers", WHO, True),
        ("user:you@example.com", "you@example.com", True),
        ("user:you@example.com", WHO, False),
        (f"user:{WHO}", WHO, False),
        ("group:readers@example.com", WHO, False),  # no workload is in a group
    ],
)
def test_who_a_member_is(cloud: Cloud, member: str, email: str | None, is_let_in: bool) -> None:
    grant(cloud, PROJECT_GRANT, "roles/run.invoker", member)
    assert allow(cloud, email, "run.routes.invoke", f"{PLACE}/services/weather") is is_let_in


def test_the_owner_may_do_everything_and_datastreams_agent_what_google_grants_it(cloud: Cloud) -> None:
    table = f"projects/{PROJECT}/datasets/raw/tables/public_trips"
    assert allow(cloud, OWNER, "bigquery.tables.delete", table)
    assert allow(cloud, DATASTREAM_AGENT, "bigquery.tables.updateData", table)
    assert not allow(cloud, DATASTREAM_AGENT, "bigquery.tables.delete", table)


def test_a_role_of_the_programs_own_has_the_permissions_that_it_says(cloud: Cloud) -> None:
    role = f"projects/{PROJECT}/roles/tagger"
    inputs = {"roleId": "tagger", "permissions": ["bigquery.tables.setCategory"]}
    made = Deployment(cloud).register(CUSTOM_ROLE, "tagger", inputs, False)
    assert made[0] == role
    deploy(cloud, PROJECT_GRANT, role=role)

    table = f"projects/{PROJECT}/datasets/prod/tables/t"
    assert allow(cloud, WHO, "bigquery.tables.setCategory", table)
    assert not allow(cloud, WHO, "bigquery.tables.update", table)


def deploy(cloud: Cloud, type_: str, **inputs: Any) -> None:
    Deployment(cloud).register(ACCOUNT, "weather", {"accountId": "weather"}, False)
    Deployment(cloud).register(type_, "grant", {"member": f"serviceAccount:{WHO}"} | inputs, False)


def test_a_grant_that_is_deployed_counts_at_once_for_who_reads_the_registry(cloud: Cloud) -> None:
    reader = Cloud(cloud.home, PROJECT, "europe-west1").registry
    cloud.registry.put(Resource("gcp:bigquery/dataset:Dataset", "raw", {}, {}, f"projects/{PROJECT}/datasets/raw"))

    deploy(cloud, DATASET_GRANT, role="roles/bigquery.dataViewer", datasetId="raw")

    reader.refresh()
    assert Bindings(reader, PROJECT).allow(WHO, "bigquery.tables.getData", f"projects/{PROJECT}/datasets/raw")


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"role": "roles/bigquery.dataVewer"}, r"does not know 'roles/bigquery.dataVewer'.*iam/roles\.py"),
        ({"role": "roles/owner"}, "roles/owner is a basic role"),
        ({"role": f"projects/{PROJECT}/roles/never_made"}, "does not know 'projects/.*/never_made'"),
        (
            {"role": "roles/run.invoker"},
            r"roles/run.invoker cannot be granted on .*/datasets/raw: only bigquery\.\*",
        ),
        ({"member": f"serviceAccount:{OTHER}"}, f"{OTHER} is no service account that the program registered"),
        ({"member": WHO}, f"the member is '{WHO}': write serviceAccount:EMAIL"),
        ({"member": "serviceaccount:x@y"}, "write serviceAccount:EMAIL"),
        (
            {"datasetId": "row"},
            f"it grants on projects/{PROJECT}/datasets/row, which the program did not register",
        ),
        ({"condition": {"expression": "request.time < timestamp('2027-01-01')"}}, "resource.name.startsWith"),
        ({"condition": {"expression": "resource.name.startsWith('a') && true"}}, "resource.name.startsWith"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_grant_that_google_would_refuse_or_the_laptop_does_not_know_stops_up(
    cloud: Cloud, inputs: dict[str, Any], complaint: str
) -> None:
    cloud.registry.put(Resource("gcp:bigquery/dataset:Dataset", "raw", {}, {}, f"projects/{PROJECT}/datasets/raw"))
    good = {"role": "roles/bigquery.dataViewer", "datasetId": "raw"}
    deploy(cloud, DATASET_GRANT, **good)

    with pytest.raises(LaptopError, match=f"DatasetIamMember grant: .*{complaint}"):
        deploy(cloud, DATASET_GRANT, **good | inputs)
