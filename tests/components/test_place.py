"""Where an environment is, and the checks that components share: what Google would refuse half-way is told before."""

import pytest

from components.checks import is_bigquery_location, is_member, require
from components.place import Place


@pytest.mark.parametrize("project", ["shop-prod", "a12345", "a" * 30])
@pytest.mark.parametrize("region", ["europe-west1", "us-east5", "northamerica-northeast2", "europe-west12"])
def test_a_project_and_a_region(project: str, region: str) -> None:
    place = Place(project, region)

    assert (place.project, place.region) == (project, region)


@pytest.mark.parametrize(
    "project",
    ["", "short", "a" * 31, "123456789012", "1-shop", "Shop-prod", "Shop Production", "shop_prod", "shop-prod-"],
)
def test_what_no_project_is_called_is_refused(project: str) -> None:
    with pytest.raises(ValueError, match=f"^project is '{project}': give its id .* not its name or number$"):
        Place(project, "europe-west1")


@pytest.mark.parametrize("region", ["", "EU", "global", "europe-west1-b", "Europe-West1", "europe-west", "europe"])
def test_what_no_region_is_called_is_refused(region: str) -> None:
    with pytest.raises(
        ValueError, match=f"^region is '{region}': give one such as [a-z]+-[a-z]+[0-9]+, not a zone"
    ):
        Place("shop-prod", region)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"^project is 'x': .*; region is 'y': "):
        Place("x", "y")


def test_only_the_broken_rules_are_told() -> None:
    require((True, "fits"))
    with pytest.raises(ValueError, match=r"^too long; too late$"):
        require((False, "too long"), (True, "fits"), (False, "too late"))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("user:ada@example.com", True),
        ("group:support@example.com", True),
        ("serviceAccount:dbt-job@shop-prod.iam.gserviceaccount.com", True),
        ("domain:example.com", True),
        ("allUsers", False),
        ("allAuthenticatedUsers", False),
        ("ada@example.com", False),
        ("user:ada", False),
        ("user:ada@localhost", False),
        ("domain:ada@example.com", False),
        ("deleted:user:ada@example.com?uid=1", False),
        ("group:support@example.com, group:sales@example.com", False),
        ("projectOwner:shop-prod", False),
        ("", False),
    ],
)
def test_whom_a_grant_may_name(text: str, may: bool) -> None:
    assert is_member(text) is may


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("EU", True),
        ("US", True),
        ("europe-west1", True),
        ("eu", False),
        ("europe", False),
        ("europe-west1-b", False),
    ],
)
def test_where_bigquery_may_keep_data(text: str, may: bool) -> None:
    assert is_bigquery_location(text) is may


def test_a_region_that_google_does_not_have_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^region is 'europe-west99': give one such as europe-west9, not a zone"):
        Place("my-project", "europe-west99")
