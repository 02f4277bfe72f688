"""IAM: service accounts, roles, workload identity, deny policies. https://cloud.google.com/iam/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import operations, propagation, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "iam",
    errors_have_reasons=True,
    missing={
        "serviceAccounts": "Unknown service account",
        "roles": "The role named {id} was not found.",
        "denypolicies": 'Policy "{name}" not found.',
        "": "Requested entity was not found.",
    },
    duplicate={
        "serviceAccounts": "Service account {id} already exists within project projects/{project}.",
        "roles": "A role named {id} in projects/{project} already exists.",
        "": "Requested entity already exists",
    },
    metadata="PolicyOperationMetadata",
)

# 6 to 30 characters: https://cloud.google.com/iam/docs/service-accounts-create
_ACCOUNT = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
# 4 to 32 characters, without Google's own prefix: https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers
_POOL = re.compile(r"(?!gcp-)[a-z][-a-z0-9]{3,31}")


@service.names("serviceAccounts")
def account_email(call: Call, body: dict[str, Any]) -> str:
    """An account is named by its address."""
    id_ = body.get("accountId", "")
    long = 6 <= len(id_) <= 30
    form = (
        "does not match the pattern [a-z]([-a-z0-9]*[a-z0-9])."
        if long
        else "does not have a length between 6 and 30."
    )
    call.require_form(_ACCOUNT, id_, f'The account ID "{id_}" {form}')
    return f"{id_}@{call.project}.iam.gserviceaccount.com"


@service.fills("serviceAccounts")
def account(call: Call, record: Record) -> None:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts#ServiceAccount"""
    number = call.plane.clock.number(21)
    record.body |= {
        "email": record.id,
        "projectId": call.project,
        "uniqueId": number,
        "oauth2ClientId": number,
    }
    propagation.begin(call.plane, record)


@service.fills("workloadIdentityPools")
def pool(call: Call, record: Record) -> None:
    """Others hear of it later than of its making."""
    propagation.begin(call.plane, record)


def _account(call: Call) -> Record:
    """An account by its address or its unique id, in a project or in any (`-`)."""
    id_ = call.name.rpartition("/")[2]
    for record in call.store:
        if record.collection == "serviceAccounts" and id_ in (record.id, record.body["uniqueId"]):
            return record
    raise service.not_found(call, call.name)


@service.answers("serviceAccounts.get")
def get_account(call: Call) -> dict[str, Any]:
    """An account."""
    return standard.shown(call, _account(call))


@service.answers("serviceAccounts.patch")
def patch_account(call: Call) -> dict[str, Any]:
    """Only the display name and the description can be changed."""
    record, sent = _account(call), call.body.get("serviceAccount", {})
    for field in filter(None, str(call.body.get("updateMask", "")).split(",")):
        if field not in ("displayName", "description", "display_name"):
            raise Refused(400, f"Invalid update mask: {field}", reason="badRequest")
        name = "displayName" if field == "display_name" else field
        record.body[name] = sent.get(name, "")
    return standard.shown(call, record)


@service.answers("serviceAccounts.delete")
def delete_account(call: Call) -> dict[str, Any]:
    """Bindings keep its name, with `deleted:` before it: https://cloud.google.com/iam/docs/policies#handling-deleted-members"""
    record = _account(call)
    call.store.remove(record)
    live, gone = f"serviceAccount:{record.id}", f"deleted:serviceAccount:{record.id}?uid={record.body['uniqueId']}"
    for other in call.store:
        for binding in (other.policy or {}).get("bindings", []):
            binding["members"] = [gone if member == live else member for member in binding["members"]]
    return {}


@service.answers("serviceAccounts.enable", "serviceAccounts.disable")
def switch(call: Call) -> dict[str, Any]:
    """Enable or disable an account."""
    record = _account(call)
    record.body["disabled"] = call.method.verb == "disable"
    return {}


@service.answers("permissions.queryTestablePermissions")
def permissions(call: Call) -> dict[str, Any]:
    """The documents hold no list of permissions, so none is claimed."""
    return {}


@service.removes("roles")
def delete_role(call: Call, record: Record) -> dict[str, Any]:
    """It stays for 7 days, marked: https://cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role"""
    record.body["deleted"] = True
    return standard.shown(call, record)


@service.answers("roles.undelete")
def undelete_role(call: Call) -> dict[str, Any]:
    """Back within these 7 days."""
    record = call.record()
    record.body.pop("deleted", None)
    return standard.shown(call, record)


@service.checks("workloadIdentityPools", "providers")
def check_pool(call: Call, body: dict[str, Any]) -> None:
    """Ids have a form, a provider a source, and a source https."""
    id_ = call.query.get("workloadIdentityPoolId") or call.query.get("workloadIdentityPoolProviderId")
    if id_:
        wrong = f"The id {id_!r} must be 4 to 32 of a-z, 0-9 and -, and must not start with gcp-."
        call.require_form(_POOL, id_, wrong)
    issuer = (body.get("oidc") or {}).get("issuerUri")
    if issuer is not None and not issuer.startswith("https://"):
        raise Refused(400, "The issuer URI must start with https://.")


@service.removes("workloadIdentityPools", "providers")
def delete_pool(call: Call, record: Record) -> dict[str, Any]:
    """It stays for 30 days, and so does its id: https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers"""
    if record.body.get("state") == "DELETED":
        raise failed_precondition(f"{record.name} is deleted already.")
    record.body["state"] = "DELETED"
    return standard.shown(call, record)


@service.answers("workloadIdentityPools.listAttestationRules")
def list_rules(call: Call) -> dict[str, Any]:
    """Which workloads may have an identity of the pool; nobody until somebody is told so."""
    rules = call.record().hidden.get("rules")
    return {"attestationRules": rules} if rules else {}


@service.answers("workloadIdentityPools.setAttestationRules")
def set_rules(call: Call) -> dict[str, Any]:
    """In place of those that were there."""
    record = call.record()
    record.hidden["rules"] = call.body.get("attestationRules", [])
    return operations.finished(call, record.name, record, standard.shown(call, record))


@service.fills("denypolicies")
def deny_policy(call: Call, record: Record) -> None:
    """https://cloud.google.com/iam/docs/reference/rest/v2/policies"""
    record.body["kind"] = "DenyPolicy"
    _number(call, record)


def _number(call: Call, record: Record) -> None:
    """A policy's name holds the attachment point as it was asked for, with the project's number."""
    for id_, number in call.plane.numbers.items():
        record.body["name"] = record.body["name"].replace(f"%2Fprojects%2F{id_}/", f"%2Fprojects%2F{number}/")


@service.answers("policies.createPolicy")
def create_policy(call: Call) -> dict[str, Any]:
    """A deny policy, below what it is attached to."""
    name = f"{call.path}/{call.query.get('policyId') or call.plane.clock.number()}"
    if call.store.get("iam", name):
        raise service.exists(call, name)
    body = dict(call.body) | {"name": name, "kind": "DenyPolicy", "uid": call.plane.clock.uuid()}
    record = Record("iam", name, "denypolicies", body)
    now = call.plane.clock.timestamp()
    body |= {"createTime": now, "updateTime": now}
    _number(call, record)
    standard.computed.touch(call, call.schema, record)
    call.store.add(record)
    return operations.finished(call, name, record, standard.shown(call, record))


@service.answers("policies.listPolicies")
def list_policies(call: Call) -> dict[str, Any]:
    """The policies of an attachment point, without their rules."""
    found = [
        {key: value for key, value in record.body.items() if key != "rules"}
        for record in call.store.children("iam", call.path)
    ]
    return {"policies": found} if found else {}


@service.answers("policies.update")
def update_policy(call: Call) -> dict[str, Any]:
    """Put in its place as a whole."""
    record = call.record()
    kept = {key: record.body[key] for key in ("name", "kind", "uid", "createTime", "etag")}
    record.body = dict(call.body) | kept
    standard.computed.touch(call, call.schema, record)
    return operations.finished(call, record.name, record, standard.shown(call, record))


@service.answers("policies.delete")
def delete_policy(call: Call) -> dict[str, Any]:
    """It comes back once more, with the time of its end."""
    record = call.record()
    call.store.remove(record)
    body = record.body | {"deleteTime": call.plane.clock.timestamp()}
    return operations.finished(call, record.name, record, body)
