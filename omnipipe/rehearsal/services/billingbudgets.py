"""Budgets. https://cloud.google.com/billing/docs/reference/budget/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service

service = Service(
    "billingbudgets",
    missing={"budgets": 'budget "{name}" not found'},
    defaults={
        "budgets": {
            "budgetFilter": {"creditTypesTreatment": "INCLUDE_ALL_CREDITS", "calendarPeriod": "MONTH"},
        }
    },
)


@service.checks("budgets")
def check(call: Call, body: dict[str, Any]) -> None:
    """An amount is a must, and is either told or last period's."""
    if len(body.get("amount") or {}) != 1:
        raise Refused(400, "Request contains an invalid argument.")
