"""Budgets: an account that there can be, and an amount that is a number."""

from collections.abc import Iterator

from components.checks import is_billing_account
from policy.forms import Form, broken, kinds, pattern
from policy.subject import Resource, resource_policy

_API = "https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets"

_FORMS = (
    Form(
        "billing.Budget",
        "billingAccount",
        lambda text: is_billing_account(text.removeprefix("billingAccounts/")),
        "give its id, such as 01AB23-CD45EF-678901",
        _API,
    ),
    Form(
        "billing.Budget",
        "amount.specifiedAmount.units",
        pattern(r"[1-9]\d*"),
        "write a whole number, as text",
        _API,
    ),
    Form(
        "billing.Budget",
        "amount.specifiedAmount.currencyCode",
        pattern(r"[A-Z]{3}"),
        "write one such as EUR",
        _API,
    ),
)


@resource_policy(*kinds(*_FORMS), source=_API)
def budget_amounts(budget: Resource) -> Iterator[str]:
    """A budget is of a billing account, and a whole number of its currency."""
    yield from broken(budget, *_FORMS)
