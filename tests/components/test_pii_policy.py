"""Who reads personal data: one tag and one mask a level, and nobody without a grant."""

from typing import Any

import pytest

from components.pii_policy import MASKS, PiiPolicy, PiiPolicyArgs, tagger_role
from components.place import Place
from components.quota_provider import quota_provider
from components.workload import Workload, WorkloadArgs
from omnipipe.contracts.schema import Sensitivity
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
SUPPORT, ANALYSTS = "group:support@example.com", "group:analysts@example.com"
ARGS: dict[str, Any] = {
    "place": PLACE,
    "physical_name": "shop-pii",
    "location": "EU",
    "protect": True,
    "readers": {Sensitivity.HIGH: [SUPPORT], Sensitivity.MEDIUM: [SUPPORT]},
    "masked_readers": {Sensitivity.HIGH: [ANALYSTS]},
}


def policy(*, preview: bool = False, **changed: Any) -> Recorder:
    def program() -> None:
        args = PiiPolicyArgs(provider=quota_provider("quota", PLACE), **ARGS | changed)
        made = PiiPolicy("shop-pii", args)
        dbt = Workload("dbt-job", WorkloadArgs(place=PLACE, physical_name="dbt-job", purpose="Job dbt"))
        made.grant_reader(dbt, Sensitivity.HIGH)
        made.grant_tagger(dbt)

    return record(program, preview=preview)


def test_the_taxonomy_is_enforced_where_the_datasets_are() -> None:
    taxonomy = policy().named("shop-pii-taxonomy")

    assert taxonomy.inputs["region"] == "eu"
    assert taxonomy.inputs["activatedPolicyTypes"] == ["FINE_GRAINED_ACCESS_CONTROL"]
    assert taxonomy.parent == "shop-pii"


def test_each_sensitivity_has_a_tag_and_a_mask() -> None:
    program = policy()

    tags = {tag.inputs["displayName"]: tag for tag in program.of("datacatalog.PolicyTag")}
    assert set(tags) == set(Sensitivity) == set(MASKS)
    assert {tag.inputs["taxonomy"] for tag in tags.values()} == {"id/shop-pii-taxonomy"}
    masks = {mask.inputs["policyTag"]: mask.inputs for mask in program.of("bigquerydatapolicy.DataPolicy")}
    assert {tag: mask["dataMaskingPolicy"]["predefinedExpression"] for tag, mask in masks.items()} == {
        "id/shop-pii-high": "ALWAYS_NULL",
        "id/shop-pii-medium": "DEFAULT_MASKING_VALUE",
    }
    assert {mask["dataPolicyType"] for mask in masks.values()} == {"DATA_MASKING_POLICY"}
    assert {mask["dataPolicyId"] for mask in masks.values()} == {"shop_pii_high", "shop_pii_medium"}
    assert {mask["location"] for mask in masks.values()} == {"eu"}


def test_readers_get_the_tag_and_masked_readers_the_mask() -> None:
    program = policy()

    readers = {
        (grant.inputs["policyTag"], grant.inputs["member"])
        for grant in program.of("datacatalog.PolicyTagIamMember")
    }
    dbt = "serviceAccount:dbt-job@shop-prod.iam.gserviceaccount.com"
    assert readers == {
        ("id/shop-pii-high", SUPPORT),
        ("id/shop-pii-medium", SUPPORT),
        ("id/shop-pii-high", dbt),
    }
    assert {g.inputs["role"] for g in program.of("datacatalog.PolicyTagIamMember")} == {
        "roles/datacatalog.categoryFineGrainedReader"
    }
    (masked,) = program.of("bigquerydatapolicy.DataPolicyIamMember")
    assert masked.inputs == {
        "project": "shop-prod",
        "location": "eu",
        "dataPolicyId": "shop_pii_high",
        "role": "roles/bigquerydatapolicy.maskedReader",
        "member": ANALYSTS,
    }
    assert "shop-pii-high-mask" in masked.dependencies


def test_a_tagger_may_put_tags_on_columns_and_do_nothing_else() -> None:
    program = policy()

    role = program.named("shop-pii-tagger")
    assert role.inputs["permissions"] == ["bigquery.tables.setCategory", "datacatalog.taxonomies.get"]
    assert role.inputs["roleId"] == tagger_role("shop-pii") == "shop_pii_tagger"
    (grant,) = program.of("projects.IAMMember")
    assert grant.inputs["role"] == "projects/shop-prod/roles/shop_pii_tagger"
    assert grant.inputs["member"] == "serviceAccount:dbt-job@shop-prod.iam.gserviceaccount.com"


def test_tags_are_protected_on_demand_and_the_role_always() -> None:
    def protected(protect: bool) -> set[str]:
        return {resource.name for resource in policy(protect=protect).resources if resource.protect}

    assert protected(False) == {"shop-pii-tagger"}
    assert protected(True) == {"shop-pii-tagger", "shop-pii-taxonomy", "shop-pii-high", "shop-pii-medium"}


def test_the_ids_of_the_tags_are_exposed_and_unknown_in_a_preview() -> None:
    assert policy().exposed["shop-pii"] == {
        "tag_ids": {"high": "id/shop-pii-high", "medium": "id/shop-pii-medium"}
    }

    preview = policy(preview=True)
    assert preview.exposed["shop-pii"] == {"tag_ids": {"high": UNKNOWN, "medium": UNKNOWN}}
    assert preview.named("shop-pii-high-mask").inputs["policyTag"] == UNKNOWN
    assert len(preview.resources) == len(policy().resources)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="location is 'eu'") as error:
        policy(
            location="eu",
            readers={Sensitivity.HIGH: ["allAuthenticatedUsers", SUPPORT]},
            masked_readers={Sensitivity.HIGH: [SUPPORT, "support@example.com"]},
        )
    assert "readers has 'allAuthenticatedUsers': write one such as group:" in str(error.value)
    assert "masked_readers has 'support@example.com'" in str(error.value)
    assert f"{SUPPORT!r} is a reader and a masked reader of high: choose one" in str(error.value)
