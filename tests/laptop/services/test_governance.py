"""What is only recorded has the names that Google would give it, because others are told them."""

from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.registry import Resource


@pytest.fixture
def shop(cloud: Cloud) -> Cloud:
    """A cloud with a taxonomy, a tag, a key, an agent and a pool."""
    deployment = Deployment(cloud)
    here = {"project": cloud.project}

    def register(type_: str, resource: str, **inputs: Any) -> str:
        return deployment.register(type_, resource, inputs, False)[0]

    taxonomy = register("gcp:datacatalog/taxonomy:Taxonomy", "pii", region="eu", displayName="pii", **here)
    register("gcp:datacatalog/policyTag:PolicyTag", "high", taxonomy=taxonomy, displayName="high")
    ring = register("gcp:kms/keyRing:KeyRing", "ring", location="global", **here)
    register("gcp:kms/cryptoKey:CryptoKey", "key", keyRing=ring, name="secrets")
    register("gcp:projects/serviceIdentity:ServiceIdentity", "agent", service="sqladmin.googleapis.com", **here)
    register("gcp:iam/workloadIdentityPool:WorkloadIdentityPool", "pool", workloadIdentityPoolId="github", **here)
    return cloud


def _the(cloud: Cloud, name: str) -> Resource:
    (found,) = (resource for resource in cloud.registry if resource.name == name)
    return found


def test_a_policy_tag_has_the_name_that_a_columns_schema_takes(shop: Cloud) -> None:
    assert _the(shop, "high").id == f"projects/{shop.project}/locations/eu/taxonomies/pii/policyTags/high"


def test_a_key_is_within_its_ring(shop: Cloud) -> None:
    assert _the(shop, "key").id == f"projects/{shop.project}/locations/global/keyRings/ring/cryptoKeys/secrets"


def test_an_agent_is_a_member_that_a_grant_takes(shop: Cloud) -> None:
    assert _the(shop, "agent").outputs["member"] == (
        "serviceAccount:service-100000000001@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    )


def test_a_pools_name_has_the_projects_number_and_its_id_does_not(shop: Cloud) -> None:
    pool = _the(shop, "pool")

    assert pool.id == f"projects/{shop.project}/locations/global/workloadIdentityPools/github"
    assert pool.outputs["name"] == "projects/100000000001/locations/global/workloadIdentityPools/github"
