"""Databases and users of an instance, those that it has from the start among them."""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import computed, operations
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.services.sqladmin.rules import HOST, engine_of, service
from omnipipe.rehearsal.store import Record

# https://cloud.google.com/sql/docs/postgres/create-manage-users, …/mysql/…, …/sqlserver/…
_FIRST_USER = {"POSTGRES": "postgres", "MYSQL": "root", "SQLSERVER": "sqlserver"}
_SYSTEM_DATABASES = {
    "POSTGRES": ("postgres",),
    "MYSQL": ("information_schema", "mysql", "performance_schema", "sys"),
    "SQLSERVER": ("master", "model", "msdb", "tempdb"),
}


def populate(call: Call, record: Record, engine: str) -> None:
    """Give a new instance the user and the databases that its engine has from the start."""
    if record.hidden.get("populated") or record.body.get("masterInstanceName"):
        return
    record.hidden["populated"] = True
    _user(call, record, {"name": _FIRST_USER.get(engine, "root"), "host": "%" if engine == "MYSQL" else ""})
    for name in _SYSTEM_DATABASES.get(engine, ()):
        full = f"{record.name}/databases/{name}"
        sets = {"POSTGRES": ("UTF8", "en_US.UTF8"), "MYSQL": ("utf8", "utf8_general_ci")}
        charset, collation = sets.get(engine, ("", "SQL_Latin1_General_CP1_CI_AS"))
        body = {"kind": "sql#database", "name": name, "instance": record.id, "project": call.project}
        body |= {"charset": charset, "collation": collation, "selfLink": call.link(full)}
        call.store.add(Record(HOST, full, "databases", body))


@service.fills("databases")
def database(call: Call, record: Record) -> None:
    """A database's set of characters is its engine's, unless it is told."""
    body = record.body
    instance = call.record(record.name.partition("/databases/")[0])
    engine = engine_of(instance.body)
    charset, collation = ("UTF8", "en_US.UTF8") if engine == "POSTGRES" else ("utf8", "utf8_general_ci")
    body |= {"kind": "sql#database", "instance": instance.id, "project": call.project}
    body["charset"] = body.get("charset") or charset
    body["collation"] = body.get("collation") or collation


# --- users: they have no address of their own, a query names them


def _user(call: Call, instance: Record, sent: dict[str, Any]) -> Record:
    name, host = sent["name"], sent.get("host") or ""
    full = f"{instance.name}/users/{name}@{host}"
    body = {
        "kind": "sql#user",
        "name": name,
        "host": host,
        "instance": instance.id,
        "project": instance.body["project"],
        "iamStatus": "IAM_STATUS_UNSPECIFIED",
        "passwordPolicy": {"status": {}},
    }
    body |= {key: value for key, value in sent.items() if key not in ("password", "etag")}
    record = Record(HOST, full, "users", body)
    computed.touch(call, call.api.schemas["User"], record)
    return call.store.add(record)


def _instance(call: Call) -> Record:
    return call.record(
        call.name.rpartition("/users")[0] if call.name.endswith("/users") else call.name.partition("/users/")[0]
    )


def _named(call: Call, instance: Record) -> Record:
    name, host = call.query.get("name") or call.name.partition("/users/")[2], call.query.get("host")
    found = [each for each in call.store.below(HOST, f"{instance.name}/users") if each.body["name"] == name]
    same = [each for each in found if each.body["host"] == host]
    if not found:
        raise Refused(404, "User not found", reason="notFound")
    return (same or found)[0]


@service.answers("users.list")
def list_users(call: Call) -> dict[str, Any]:
    """Every user of an instance, without passwords."""
    found = [each.body for each in call.store.below(HOST, f"{_instance(call).name}/users")]
    return {"kind": "sql#usersList"} | ({"items": found} if found else {})


@service.answers("users.get")
def get_user(call: Call) -> dict[str, Any]:
    """One user."""
    return _named(call, _instance(call)).body


@service.answers("users.insert")
def insert_user(call: Call) -> dict[str, Any]:
    """A built-in user has a password, one of IAM a whole address (without .gserviceaccount.com in Postgres)."""
    instance = _instance(call)
    sent = dict(call.body)
    kind, name = sent.get("type") or "BUILT_IN", sent.get("name", "")
    if not name:
        raise Refused(400, "Invalid request: User name cannot be empty.")
    if "IAM" in kind and engine_of(instance.body) == "POSTGRES" and name.endswith(".gserviceaccount.com"):
        raise Refused(
            400, "Invalid request: The database username for a service account leaves out .gserviceaccount.com."
        )
    if call.store.get(HOST, f"{instance.name}/users/{name}@{sent.get('host') or ''}"):
        raise Refused(409, f"Invalid request: user {name} already exists.", reason="userAlreadyExists")
    record = _user(call, instance, sent)
    return operations.finished(call, instance.name, record, None)


@service.answers("users.update")
def update_user(call: Call) -> dict[str, Any]:
    """A password, or a role."""
    instance = _instance(call)
    record = _named(call, instance)
    record.body |= {
        key: value for key, value in call.body.items() if key not in ("password", "etag", "name", "host")
    }
    return operations.finished(call, instance.name, record, None)


@service.answers("users.delete")
def delete_user(call: Call) -> dict[str, Any]:
    """Forget one."""
    instance = _instance(call)
    record = _named(call, instance)
    call.store.remove(record)
    return operations.finished(call, instance.name, record, None)
