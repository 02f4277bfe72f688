"""Cloud Billing. https://cloud.google.com/billing/docs/reference/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "cloudbilling"
# It answers zeros and empty texts, unlike its like: see the examples of the reference.
service = Service(
    HOST,
    older=True,
    errors_have_reasons=False,
    missing={"billingAccounts": 'billingAccount "{name}" not found'},
    defaults={"billingAccounts": {"open": True, "masterBillingAccount": "", "parent": "", "currencyCode": "USD"}},
)


@service.prepares()
def world(plane: Any) -> None:
    """The account that pays for the project."""
    name = f"billingAccounts/{plane.world.billing_account}"
    body = {"name": name, "displayName": "Billing account", "open": True, "masterBillingAccount": ""}
    body |= {"currencyCode": "USD", "parent": f"organizations/{plane.world.organization}"}
    plane.store.add(Record(HOST, name, "billingAccounts", body))


@service.fills("billingAccounts")
def account(call: Call, record: Record) -> None:
    """Its name is the whole one."""
    record.body["name"] = record.name


@service.answers("billingInfo.getBillingInfo", "billingInfo.updateBillingInfo")
def info(call: Call) -> dict[str, Any]:
    """Which account pays for a project."""
    call.plane.require_project(call)
    project = call.other("cloudresourcemanager", f"projects/{call.project}")
    assert project is not None  # noqa: S101 - required above
    if call.method.verb == "updateBillingInfo":
        project.hidden["billing"] = call.body.get("billingAccountName", "")
    account = project.hidden.get("billing", f"billingAccounts/{call.plane.world.billing_account}")
    return {
        "name": f"projects/{call.project}/billingInfo",
        "projectId": call.project,
        "billingAccountName": account,
        "billingEnabled": bool(account),
    }
