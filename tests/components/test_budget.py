"""A budget of one project, in the form that Google keeps it in."""

from typing import Any

import pulumi
import pytest

from components.api_services import ApiServices
from components.budget import Budget, BudgetArgs
from components.place import Place
from components.quota_provider import quota_provider
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
ACCOUNT = "01AB23-CD45EF-678901"


def budget(*, preview: bool = False, **changed: Any) -> Recorder:
    def program() -> None:
        apis = ApiServices("apis", PLACE, ["cloudkms"])
        args: dict[str, Any] = {
            "place": PLACE,
            "provider": quota_provider("quota", PLACE),
            "billing_account": ACCOUNT,
            "monthly_amount": 200,
        }
        Budget("budget", BudgetArgs(**args | changed), pulumi.ResourceOptions(depends_on=[apis]))

    return record(program, preview=preview)


def test_a_budget_is_of_this_project_alone_by_its_number_and_a_month() -> None:
    made = budget().named("budget-monthly")

    assert made.inputs["budgetFilter"] == {"projects": ["projects/100000000001"], "calendarPeriod": "MONTH"}
    assert made.inputs["billingAccount"] == ACCOUNT
    assert made.inputs["amount"] == {"specifiedAmount": {"units": "200"}}
    assert made.inputs["displayName"] == "shop-prod: budget"
    assert made.parent == "budget"


def test_it_tells_before_it_is_spent_and_when_it_will_be() -> None:
    assert budget().named("budget-monthly").inputs["thresholdRules"] == [
        {"thresholdPercent": 0.5},
        {"thresholdPercent": 0.9},
        {"thresholdPercent": 1},
        {"thresholdPercent": 1, "spendBasis": "FORECASTED_SPEND"},
    ]


def test_it_tells_the_channels_that_are_given() -> None:
    assert budget(channels=("channels/1",)).named("budget-monthly").inputs["allUpdatesRule"] == {
        "monitoringNotificationChannels": ["channels/1"]
    }
    assert "allUpdatesRule" not in budget().named("budget-monthly").inputs


def test_it_outlives_the_rest_in_every_stack_because_a_deployer_could_not_make_it_again() -> None:
    assert budget().named("budget-monthly").protect


def test_the_projects_number_is_looked_up_when_the_apis_are_enabled() -> None:
    program = budget()
    apis = {service.name for service in program.of("projects.Service")}

    assert apis <= program.named("budget-monthly").property_dependencies["budgetFilter"]
    preview = budget(preview=True)
    assert preview.named("budget-monthly").inputs["budgetFilter"]["projects"] == [UNKNOWN]
    assert preview.exposed["budget"] == {"budget_id": UNKNOWN}
    assert program.exposed["budget"] == {"budget_id": "id/budget-monthly"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"billing_account": "billingAccounts/01AB23-CD45EF-678901"}, "billing_account is 'billingAccounts/"),
        ({"billing_account": "01ab23-cd45ef-678901"}, "gcloud billing accounts list"),
        ({"monthly_amount": 0}, "monthly_amount is 0: give whole units"),
        ({"monthly_amount": 199.5}, "monthly_amount is 199.5"),
        ({"monthly_amount": True}, "monthly_amount is True"),
        ({"channels": ["c"] * 6}, "6 channels are given: a budget tells at most 5"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        budget(**wrong)
