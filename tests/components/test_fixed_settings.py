"""What holds data is not moved, nor encrypted otherwise, by a changed setting: it is refused with words."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.fixed_settings import FixedSettings, FixedSettingsArgs
from tests.components.conftest import deploy_with, deployed
from tests.components.mocks import Recorder, record
from tests.components.test_bring_back import destroyed

SETTINGS: dict[str, str | bool] = {"gcp:region": "europe-west1", "customerManagedKeys": True}


def fixed(before: Mapping[str, Any] | None = None, *, preview: bool = False) -> Recorder:
    args = FixedSettingsArgs(settings=SETTINGS, runbook="https://example.com/move.md")
    stashed = {"shop-made-with": before} if before is not None else {}
    return record(lambda: FixedSettings("shop", args), preview=preview, stashed=stashed)


@pytest.mark.parametrize("before", [None, SETTINGS, {"gcp:region": "europe-west1"}])
@pytest.mark.parametrize("preview", [False, True])
def test_the_first_values_and_the_same_ones_again_are_taken(
    before: Mapping[str, Any] | None, preview: bool
) -> None:
    program = fixed(before, preview=preview)

    assert program.named("shop-made-with").inputs == {"input": SETTINGS}


@pytest.mark.parametrize("preview", [False, True])
def test_other_values_are_refused_with_both_and_what_to_do(preview: bool) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        fixed({"gcp:region": "europe-west3", "customerManagedKeys": False}, preview=preview)

    assert str(refused.value) == (
        "gcp:region is europe-west1, and the stack was made with europe-west3; customerManagedKeys is true, and the "
        "stack was made with false: what holds data cannot be changed so. Set it back, or destroy the stack first: "
        "https://example.com/move.md"
    )


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("omnipipe:customerManagedKeys", "true", "customerManagedKeys is true, and the stack was made with false"),
        ("gcp:region", "europe-west3", "gcp:region is europe-west3, and the stack was made with europe-west1"),
        (
            "omnipipe:bigqueryLocation",
            "europe-west1",
            "bigqueryLocation is europe-west1, and the stack was made with EU",
        ),
        ("gcp:project", "another-one", "gcp:project is another-one, and the stack was made with omnipipe-dev"),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_a_stack_that_is_up_keeps_where_its_data_is_and_whose_keys_encrypt_it(
    setting: str, value: str, words: str, preview: bool
) -> None:
    before = deployed("dev").named("omnipipe-fixed-made-with").inputs["input"]

    refused = Recorder()
    with pytest.raises(pulumi.RunError, match=words):
        deploy_with(
            "dev", {setting: value}, preview=preview, stashed={"omnipipe-fixed-made-with": before}, into=refused
        )

    # Nothing was made, nor changed, for the part of the program that did not see it yet.
    assert {made.name for made in refused.resources} <= {"omnipipe-fixed-made-with", "omnipipe-quota"}


def test_one_with_keys_keeps_them() -> None:
    before = deployed("everything").named("omnipipe-fixed-made-with").inputs["input"]

    with pytest.raises(pulumi.RunError, match="customerManagedKeys is false, and the stack was made with true"):
        deploy_with("prod", {}, stashed={"omnipipe-fixed-made-with": before})


def test_a_stack_that_was_destroyed_may_choose_again() -> None:
    assert "omnipipe-fixed-made-with" in {made.name for made in destroyed(deployed("dev-everything"))}
