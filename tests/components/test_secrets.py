"""Secrets: made up by the program, with a first version, in clear nowhere, each readable by whom it is granted to."""

import pulumi_gcp as gcp
import pytest

from components.place import Place
from components.secrets import Secrets, SecretsArgs
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
SHOP = "serviceAccount:shop@shop-prod.iam.gserviceaccount.com"


def secrets(*, kms_key: str | None = None, preview: bool = False) -> Recorder:
    """A password and a signing key, each used by something that takes no secrets by itself."""

    def program() -> None:
        made = Secrets("secrets", SecretsArgs(place=PLACE, kms_key=kms_key))
        for kind in (made.password, made.signing_keys):
            secret = kind(f"shop-{kind.__name__.replace('_', '-')}")
            secret.grant_access("shop", SHOP)
            gcp.pubsub.Topic(f"user-of-{secret.name}", labels={"value": secret.value})

    return record(program, preview=preview)


@pytest.mark.parametrize("name", ["shop-password", "shop-signing-keys"])
def test_each_secret_has_a_first_version_with_a_random_value(name: str) -> None:
    program = secrets()

    version = program.named(f"secrets-{name}-version")
    assert version.inputs["secret"] == f"id/secrets-{name}"
    assert version.property_dependencies["secretData"] == {f"secrets-{name}-value"}
    assert program.named(f"secrets-{name}").inputs["secretId"] == name
    children = {f"secrets-{name}{part}" for part in ("", "-value", "-version", "-shop")}
    assert {r.name for r in program.resources if r.parent == "secrets"} >= children
    assert program.exposed["secrets"] == {}


def test_a_password_is_long_and_fits_into_an_address() -> None:
    assert secrets().named("secrets-shop-password-value").inputs == {"length": 32, "special": False}
    assert secrets().named("secrets-shop-password-version").inputs["secretData"] == "generated"


def test_a_signing_key_has_the_form_of_standard_webhooks() -> None:
    assert secrets().named("secrets-shop-signing-keys-value").inputs["length"] == 32  # bytes
    assert secrets().named("secrets-shop-signing-keys-version").inputs["secretData"] == "whsec_Z2VuZXJhdGVk"


def test_while_a_key_is_replaced_there_are_both_and_the_old_one_stays_what_it_is() -> None:
    def program() -> None:
        Secrets("secrets", SecretsArgs(place=PLACE)).signing_keys("hook", ("2026-12", "1"))

    made = record(program)
    assert {each.name for each in made.of("random.RandomBytes")} == {
        "secrets-hook-value",
        "secrets-hook-value-2026-12",
    }
    assert made.named("secrets-hook-version").inputs["secretData"] == "whsec_Z2VuZXJhdGVk whsec_Z2VuZXJhdGVk"


@pytest.mark.parametrize("name", ["shop-password", "shop-signing-keys"])
def test_values_are_secret_in_the_state_wherever_they_go(name: str) -> None:
    program = secrets()

    assert program.named(f"secrets-{name}-version").secrets == {"secretData"}
    assert program.named(f"user-of-secrets-{name}").secrets == {"labels"}
    assert secrets(preview=True).named(f"secrets-{name}-version").inputs["secretData"] == UNKNOWN


def test_access_is_to_one_secret_and_one_member() -> None:
    grants = secrets().of("secretmanager.SecretIamMember")

    assert {grant.inputs["secretId"] for grant in grants} == {"shop-password", "shop-signing-keys"}
    for grant in grants:
        assert grant.inputs["role"] == "roles/secretmanager.secretAccessor"
        assert grant.inputs["member"] == SHOP
        assert grant.inputs["project"] == "shop-prod"
        assert grant.property_dependencies["secretId"] == {grant.name.removesuffix("-shop")}


def test_google_chooses_where_copies_are_with_its_key_or_ours() -> None:
    def replications(program: Recorder) -> list[dict[str, object]]:
        return [secret.inputs["replication"] for secret in program.of("secretmanager.Secret")]

    assert replications(secrets()) == [{"auto": {}}] * 2
    key = {"kmsKeyName": "keys/secrets"}
    assert replications(secrets(kms_key="keys/secrets")) == [{"auto": {"customerManagedEncryption": key}}] * 2


@pytest.mark.parametrize("name", ["", "shop.password", "shop/password", "s" * 256, "sécret"])
def test_a_name_that_secret_manager_refuses_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a secret's id: take letters, digits, hyphens and underscores"):
        record(lambda: Secrets("secrets", SecretsArgs(place=PLACE)).password(name))
