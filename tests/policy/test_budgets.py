"""Budgets."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.budgets import budget_amounts
from tests.policy.conftest import said


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"billingAccount": "my account"}, "billingAccount is 'my account'"),
        ({"amount": {"specifiedAmount": {"units": "200 EUR"}}}, "amount.specifiedAmount.units is '200 EUR'"),
        ({"amount": {"specifiedAmount": {"units": "0"}}}, "write a whole number, as text"),
        ({"amount": {"specifiedAmount": {"units": "12.5"}}}, "write a whole number, as text"),
        ({"amount": {"specifiedAmount": {"currencyCode": "€"}}}, "amount.specifiedAmount.currencyCode is '€'"),
    ],
)
def test_a_budget_that_google_refuses(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(budget_amounts, "billing.Budget", inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        {"billingAccount": "01AB23-CD45EF-678901", "amount": {"specifiedAmount": {"units": "200"}}},
        {"billingAccount": "billingAccounts/01AB23-CD45EF-678901", "amount": {"lastPeriodAmount": True}},
        {"billingAccount": UNKNOWN, "amount": {"specifiedAmount": {"units": UNKNOWN, "currencyCode": "EUR"}}},
    ],
)
def test_a_budget_that_google_takes(inputs: dict[str, Any]) -> None:
    assert not said(budget_amounts, "billing.Budget", inputs)
