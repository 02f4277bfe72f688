"""BigQuery. https://cloud.google.com/bigquery/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import identities, keys, policies
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "bigquery"
service = Service(
    HOST,
    older=True,
    missing={
        "datasets": "Not found: Dataset {project}:{id}",
        "tables": "Not found: Table {project}:{datasets}.{id}",
        "routines": "Not found: Routine {project}:{datasets}.{id}",
        "models": "Not found: Model {project}:{datasets}.{id}",
    },
    duplicate={
        "datasets": "Already Exists: Dataset {project}:{id}",
        "tables": "Already Exists: Table {project}:{datasets}.{id}",
        "routines": "Already Exists: Routine {project}:{datasets}.{id}",
    },
    defaults={"datasets": {"type": "DEFAULT", "location": "US"}},
)
# https://cloud.google.com/bigquery/docs/datasets#dataset-naming, …/tables#table_naming
_DATASET = re.compile(r"\w{1,1024}", re.ASCII)
# https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
_TYPES = {
    *("STRING", "BYTES", "INTEGER", "INT64", "FLOAT", "FLOAT64", "BOOLEAN", "BOOL", "TIMESTAMP", "DATE", "TIME"),
    *(
        "DATETIME",
        "GEOGRAPHY",
        "NUMERIC",
        "BIGNUMERIC",
        "JSON",
        "RECORD",
        "STRUCT",
        "RANGE",
        "INTERVAL",
        "FOREIGN",
    ),
}
# Google keeps the names of legacy SQL: https://cloud.google.com/bigquery/docs/data-types#type_names
_LEGACY = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
_MULTI = {"US", "EU"}
_OLDER_ROLES = {
    "roles/bigquery.dataOwner": "OWNER",
    "roles/bigquery.dataEditor": "WRITER",
    "roles/bigquery.dataViewer": "READER",
}


@service.checks("datasets")
def check_dataset(call: Call, body: dict[str, Any]) -> None:
    """Letters, digits and underscores; accounts that there are; a key that may be used."""
    id_ = (body.get("datasetReference") or {}).get("datasetId", "")
    wrong = f'Invalid dataset ID "{id_}". Dataset IDs must be alphanumeric (plus underscores) and must be at most'
    call.require_form(_DATASET, id_, f"{wrong} 1024 characters long.")
    _check_access(call, f"{call.project}:{id_}", body.get("access") or [])
    # https://cloud.google.com/bigquery/docs/customer-managed-encryption
    key = (body.get("defaultEncryptionConfiguration") or {}).get("kmsKeyName")
    keys.require_place(call, key, body.get("location") or "US", "BigQuery")
    _check_key(call, body.get("defaultEncryptionConfiguration"))


def _check_key(call: Call, encryption: dict[str, Any] | None) -> None:
    """The words: https://cloud.google.com/bigquery/docs/troubleshoot-security#customer-managed-encryption-keys"""
    agent = identities.agent(call.plane, HOST, call.project)
    words = f"Please grant Cloud KMS CryptoKey Encrypter/Decrypter role to BigQuery service account: {agent}."
    keys.require(call, (encryption or {}).get("kmsKeyName"), Refused(400, words))


@service.fills("datasets")
def dataset(call: Call, record: Record) -> None:
    """Who may what if nothing is told: https://cloud.google.com/bigquery/docs/access-control-basic-roles"""
    body = record.body
    body["datasetReference"] = {"projectId": call.project, "datasetId": record.id}
    body["id"] = f"{call.project}:{record.id}"
    body["location"] = body["location"].upper() if body["location"].upper() in _MULTI else body["location"].lower()
    body.setdefault("maxTimeTravelHours", "168")
    body.setdefault(
        "access",
        [
            {"role": "OWNER", "specialGroup": "projectOwners"},
            {"role": "OWNER", "userByEmail": "user@example.com"},
            {"role": "READER", "specialGroup": "projectReaders"},
            {"role": "WRITER", "specialGroup": "projectWriters"},
        ],
    )
    body["creationTime"] = call.plane.clock.milliseconds()


def _check_access(call: Call, dataset: str, access: list[dict[str, Any]]) -> None:
    for entry in access:
        policies.require_role(call, str(entry.get("role", "")), f"IAM setPolicy failed for Dataset {dataset}: ")
        email = entry.get("userByEmail") or str(entry.get("iamMember") or "").partition(":")[2]
        if email and not identities.exists(call, email):
            message = f"IAM setPolicy failed for Dataset {dataset}: Service account {email} does not exist."
            raise Refused(400, message)


@service.follows("datasets")
def dataset_changed(call: Call, record: Record) -> None:
    """Of the roles that have an older name, that is told: OWNER for roles/bigquery.dataOwner (``access.role``)."""
    for entry in record.body.get("access") or ():
        if entry.get("role") in _OLDER_ROLES:
            entry["role"] = _OLDER_ROLES[entry["role"]]
    changed(call, record)


@service.follows("tables", "routines")
def changed(call: Call, record: Record) -> None:
    """The time of the last change, as a number."""
    record.body["lastModifiedTime"] = call.plane.clock.milliseconds()


@service.keeps("datasets")
def keep_dataset(call: Call, record: Record) -> None:
    """Only an empty one, unless the contents are to go, too."""
    if call.store.below(HOST, record.name) and call.query.get("deleteContents") is not True:
        message = f"Dataset {call.project}:{record.id} is still in use"
        raise Refused(400, message, reason="resourceInUse")


@service.checks("tables")
def check_table(call: Call, body: dict[str, Any]) -> None:
    """Types that are BigQuery's; partitions and clusters of columns that are there; a key that may be used."""
    place = call.record(call.name.partition("/tables")[0]).body["location"]
    keys.require_place(call, (body.get("encryptionConfiguration") or {}).get("kmsKeyName"), place, "BigQuery")
    _check_key(call, body.get("encryptionConfiguration"))
    columns = (body.get("schema") or {}).get("fields") or []
    _check_columns(columns)
    names = {str(column.get("name", "")).lower() for column in columns}
    field = (body.get("timePartitioning") or body.get("rangePartitioning") or {}).get("field")
    if field and columns and field.lower() not in names:
        message = f"The field specified for partitioning cannot be found in the schema: {field}"
        raise Refused(400, message)
    clustered = (body.get("clustering") or {}).get("fields") or []
    if len(clustered) > 4:
        raise Refused(400, "Too many clustering columns: a table has 4 at most.")
    for name in clustered:
        if columns and name.partition(".")[0].lower() not in names:
            raise Refused(400, f"The field specified for clustering cannot be found in the schema: {name}")


def _check_columns(columns: list[dict[str, Any]]) -> None:
    for column in columns:
        kind = str(column.get("type", "")).upper()
        if kind not in _TYPES:
            raise Refused(400, f"Invalid value for type: {column.get('type')} is not a valid value")
        column["type"] = _LEGACY.get(kind, kind)
        if column["type"] == "RECORD" and not column.get("fields"):
            raise Refused(400, f"Field {column.get('name')} is type RECORD but has no schema")
        _check_columns(column.get("fields") or [])


@service.fills("tables")
def table(call: Call, record: Record) -> None:
    """A table takes its dataset's place, and its key and life where it has none of its own.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets: defaultEncryptionConfiguration,
    defaultTableExpirationMs, defaultPartitionExpirationMs.
    """
    body = record.body
    above = call.record(record.name.partition("/tables/")[0])
    body["tableReference"] = {"projectId": call.project, "datasetId": above.id, "tableId": record.id}
    body["id"] = f"{call.project}:{above.id}.{record.id}"
    body["location"] = above.body["location"]
    now = call.plane.clock.milliseconds()
    body["creationTime"] = now
    kinds = {"view": "VIEW", "materializedView": "MATERIALIZED_VIEW", "externalDataConfiguration": "EXTERNAL"}
    body["type"] = next((kind for key, kind in kinds.items() if body.get(key)), "TABLE")
    sizes = ("numBytes", "numLongTermBytes", "numRows", "numTotalLogicalBytes", "numActiveLogicalBytes")
    body |= dict.fromkeys((*sizes, "numLongTermLogicalBytes"), "0")
    key = above.body.get("defaultEncryptionConfiguration")
    if key and body["type"] != "VIEW":
        body.setdefault("encryptionConfiguration", key)
    life = above.body.get("defaultTableExpirationMs")
    partitioned = body.get("timePartitioning")
    partition_life = above.body.get("defaultPartitionExpirationMs")
    if partitioned is not None and partition_life:
        partitioned.setdefault("expirationMs", partition_life)
    elif life and body["type"] == "TABLE":
        body.setdefault("expirationTime", str(int(now) + int(life)))
    if partitioned is not None:
        partitioned.setdefault("type", "DAY")
    if partitioned and partitioned.get("field"):
        body["partitionDefinition"] = {"partitionedColumn": [{"field": partitioned["field"]}]}
    if view := body.get("view"):
        view.setdefault("useLegacySql", True)


@service.fills("routines")
def routine(call: Call, record: Record) -> None:
    """A routine is in SQL unless it is told otherwise."""
    body = record.body
    above = call.record(record.name.partition("/routines/")[0])
    body["routineReference"] = {"projectId": call.project, "datasetId": above.id, "routineId": record.id}
    body.setdefault("language", "SQL")
    body["creationTime"] = call.plane.clock.milliseconds()


@service.answers("datasets.undelete")
def undelete(call: Call) -> dict[str, Any]:
    """What is deleted here is gone."""
    raise service.not_found(call, call.name)


@service.answers("serviceAccount.getServiceAccount", "serviceAccount.get")
def agent(call: Call) -> dict[str, Any]:
    """https://cloud.google.com/bigquery/docs/customer-managed-encryption#service_account"""
    email = identities.agent(call.plane, HOST, call.project)
    identities.make(call.plane, email)
    return {"kind": "bigquery#getServiceAccountResponse", "email": email}
