"""Keys: each where its service demands it, usable by that service alone, and not before it may use it."""

import pulumi
import pulumi_gcp as gcp
import pytest

from components.api_services import ApiServices
from components.encryption import Encryption, EncryptionArgs
from components.place import Place
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")


def encryption(location: str = "EU", *, preview: bool = False) -> Recorder:
    def program() -> None:
        apis = ApiServices("apis", PLACE, ["cloudkms"])
        made = Encryption(
            "keys",
            EncryptionArgs(place=PLACE, bigquery_location=location),
            pulumi.ResourceOptions(depends_on=[apis]),
        ).keys
        gcp.storage.Bucket("files", location="europe-west1", encryption={"default_kms_key_name": made.storage})

    return record(program, preview=preview)


@pytest.mark.parametrize(("dataset", "ring"), [("EU", "europe"), ("US", "us"), ("europe-west1", "europe-west1")])
def test_each_key_is_where_its_service_demands_it(dataset: str, ring: str) -> None:
    program = encryption(dataset)

    location_of = {f"id/{r.name}": r.inputs["location"] for r in program.of("kms.KeyRing")}
    assert len(set(location_of.values())) == len(location_of), "one ring a location"
    assert {k.inputs["name"]: location_of[k.inputs["keyRing"]] for k in program.of("kms.CryptoKey")} == {
        "database": "europe-west1",
        "storage": "europe-west1",
        "images": "europe-west1",
        "bigquery": ring,
        "secrets": "global",
    }
    assert {key.inputs["rotationPeriod"] for key in program.of("kms.CryptoKey")} == {"7776000s"}


def test_each_key_is_for_its_services_agent_and_for_nobody_else() -> None:
    grants = encryption().of("kms.CryptoKeyIAMMember")

    assert {grant.inputs["cryptoKeyId"]: grant.inputs["member"] for grant in grants} == {
        "id/keys-database": "serviceAccount:sqladmin@agents.example",
        "id/keys-secrets": "serviceAccount:secretmanager@agents.example",
        "id/keys-images": "serviceAccount:artifactregistry@agents.example",
        "id/keys-bigquery": "serviceAccount:bq-100000000001@bigquery-encryption.iam.gserviceaccount.com",
        "id/keys-storage": "serviceAccount:service-100000000001@gs-project-accounts.iam.gserviceaccount.com",
    }
    assert {grant.inputs["role"] for grant in grants} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}


@pytest.mark.parametrize("preview", [False, True])
def test_what_takes_a_key_waits_for_the_grant(preview: bool) -> None:
    bucket = encryption(preview=preview).named("files")

    assert bucket.property_dependencies["encryption"] == {"keys-storage", "keys-storage-agent"}


def test_a_keys_grant_has_time_to_count() -> None:
    grants = encryption().of("kms.CryptoKeyIAMMember")

    assert {grant.after_create for grant in grants} == {("keys-settling",)}


def test_a_lookup_waits_for_the_apis() -> None:
    program = encryption()
    apis = {service.name for service in program.of("projects.Service")}

    for purpose in ("storage", "bigquery"):
        assert apis <= program.named(f"keys-{purpose}-agent").property_dependencies["member"]


def test_all_of_it_is_protected_in_every_stack() -> None:
    kept = [resource for resource in encryption().resources if resource.parent == "keys"]

    assert {r.kind for r in kept} == {
        "kms.KeyRing",
        "kms.CryptoKey",
        "kms.CryptoKeyIAMMember",
        "projects.ServiceIdentity",
    }
    assert all(resource.protect for resource in kept)


def test_a_key_ring_has_no_name_of_ours_because_a_name_is_never_free_again() -> None:
    assert all("name" not in ring.inputs for ring in encryption().of("kms.KeyRing"))


def test_the_keys_are_exposed_and_unknown_in_a_preview() -> None:
    purposes = ("bigquery", "database", "images", "secrets", "storage")
    assert encryption().exposed["keys"] == {purpose: f"id/keys-{purpose}" for purpose in purposes}
    assert encryption(preview=True).exposed["keys"] == dict.fromkeys(purposes, UNKNOWN)


def test_a_location_that_bigquery_does_not_have_is_told() -> None:
    with pytest.raises(ValueError, match="bigquery_location is 'Europe': give EU, US, or a region"):
        EncryptionArgs(place=PLACE, bigquery_location="Europe")
