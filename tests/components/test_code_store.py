"""Where code is kept: closed to the public, and open to the builder as far as building needs it."""

import pulumi
import pulumi_gcp as gcp
import pytest

from components.code_store import CodeStore, CodeStoreArgs
from components.place import Place
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
BUILDER = "code-builder@shop-prod.iam.gserviceaccount.com"


def store(
    *, bucket_kms_key: str | None = None, images_kms_key: str | None = None, preview: bool = False
) -> Recorder:
    def program() -> None:
        args = CodeStoreArgs(place=PLACE, bucket_kms_key=bucket_kms_key, images_kms_key=images_kms_key)
        code = CodeStore("code", args)
        gcp.pubsub.Topic(
            "built", labels={"in": code.repository_id}, opts=pulumi.ResourceOptions(depends_on=code.ready)
        )

    return record(program, preview=preview)


def test_the_bucket_is_closed_to_the_public_and_goes_with_the_stack() -> None:
    bucket = store().named("code-sources")

    assert bucket.inputs == {
        "project": "shop-prod",
        "name": "shop-prod-sources",
        "location": "europe-west1",
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "forceDestroy": True,
    }
    assert not bucket.protect  # every zip in it can be built again


def test_images_are_kept_beside_where_they_run() -> None:
    repository = store().named("code-images").inputs

    assert (repository["format"], repository["location"]) == ("DOCKER", "europe-west1")
    assert repository["repositoryId"] == "images"
    assert "kmsKeyName" not in repository


def test_old_images_are_deleted_but_the_newest_of_each_stay() -> None:
    repository = store().named("code-images").inputs

    assert repository["cleanupPolicyDryRun"] is False
    # A policy to keep comes before one to delete: https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy
    assert {policy["action"]: policy for policy in repository["cleanupPolicies"]} == {
        "DELETE": {"id": "old", "action": "DELETE", "condition": {"tagState": "ANY", "olderThan": "2592000s"}},
        "KEEP": {"id": "newest", "action": "KEEP", "mostRecentVersions": {"keepCount": 10}},
    }


def test_each_store_takes_its_own_key() -> None:
    program = store(bucket_kms_key="keys/storage", images_kms_key="keys/images")

    assert program.named("code-sources").inputs["encryption"] == {"defaultKmsKeyName": "keys/storage"}
    assert program.named("code-images").inputs["kmsKeyName"] == "keys/images"


def test_the_builder_may_build_and_do_nothing_else() -> None:
    program = store()
    grants = [r for r in program.resources if r.kind.lower().endswith("iammember")]

    assert {grant.inputs["member"] for grant in grants} == {f"serviceAccount:{BUILDER}"}
    assert {
        (
            grant.inputs["role"],
            grant.inputs.get("bucket") or grant.inputs.get("repository") or grant.inputs["project"],
        )
        for grant in grants
    } == {
        ("roles/storage.objectViewer", "shop-prod-sources"),
        ("roles/artifactregistry.writer", "images"),
        ("roles/logging.logWriter", "shop-prod"),
        ("roles/storage.objectViewer", "shop-prod"),
    }
    # Google's own copies of sources, and no other bucket of the project.
    copies = program.named("code-builder-storage-objectviewer").inputs
    assert copies["condition"]["expression"] == 'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-")'


@pytest.mark.parametrize("preview", [False, True])
def test_what_is_built_waits_for_all_that_the_builder_needs(preview: bool) -> None:
    program = store(preview=preview)

    grants = {r.name for r in program.resources if r.kind.lower().endswith("iammember")}
    assert len(grants) == 4
    assert grants <= program.named("built").dependencies
    assert program.named("built").property_dependencies["labels"] == {"code-images"}


def test_the_builders_grants_have_time_to_count_before_a_function_is_built() -> None:
    grants = [r for r in store().resources if r.kind.lower().endswith("iammember")]

    assert {grant.after_create for grant in grants} == {("code-settling",)}


def test_all_of_it_belongs_to_the_component() -> None:
    program = store()

    assert {r.parent for r in program.registrations if r.name != "built"} == {
        "omnipipe-test",
        "code",
        "code-builder",
    }


@pytest.mark.parametrize("preview", [False, True])
def test_where_code_goes_is_exposed_and_the_builder_unknown_in_a_preview(preview: bool) -> None:
    assert store(preview=preview).exposed["code"] == {
        "bucket": "shop-prod-sources",
        "registry": "europe-west1-docker.pkg.dev/shop-prod/images",
        "builder": UNKNOWN if preview else f"projects/shop-prod/serviceAccounts/{BUILDER}",
    }
