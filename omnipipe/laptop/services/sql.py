"""Cloud SQL: one embedded PostgreSQL for each instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.postgres import STOP_SIGNAL, Postgres
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.services.base import Kind

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
# Cloud SQL's flags that stand for a setting which it does not let anybody set by its own name.
_FLAGS = {"cloudsql.logical_decoding": ("wal_level", {"on": "logical", "off": "replica"})}


class DatabaseInstance(Kind):
    """An instance: a server process, with the settings of the program's flags."""

    effect = "an embedded PostgreSQL"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        process = f"postgres-{resource.name}"
        name = resource.inputs.get("name", resource.name)
        if previous is not None and previous.id != name:
            raise LaptopError(
                f"the instance {previous.id} cannot become {name} with its data: "
                "start anew with `omnipipe down --purge`"
            )
        server = _server(cloud, resource)
        server.initialise()
        spec = Spec(
            process,
            server.argv(_settings(resource.inputs["settings"].get("databaseFlags", []))),
            env=clean_environment(),
            stop_signal=STOP_SIGNAL,
        )
        cloud.processes.ensure(spec)
        cloud.processes.wait_ready(process, server.is_ready)
        server.prepare()
        resource.id = name
        resource.outputs = {
            **resource.inputs,
            "name": name,
            "connectionName": f"{cloud.project}:{cloud.region}:{name}",
            "pscServiceAttachmentLink": str(server.socket_dir),
        }

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        if resource.inputs.get("deletionProtection", True):
            raise LaptopError(f"the database instance {resource.name} is protected from deletion")
        cloud.processes.stop([f"postgres-{resource.name}"])

    def describe(self, cloud: Cloud, resource: Resource) -> str:
        return resource.outputs["pscServiceAttachmentLink"]


class Database(Kind):
    """A database of an instance, owned by cloudsqlsuperuser."""

    effect = "a database"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        _instance(cloud, resource).ensure_database(resource.inputs["name"])
        resource.id = f"projects/{cloud.project}/instances/{resource.inputs['instance']}/databases/{resource.name}"
        resource.outputs = dict(resource.inputs)

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        _instance(cloud, resource).drop_database(resource.inputs["name"])


class User(Kind):
    """A login: a member of cloudsqlsuperuser, not a superuser."""

    effect = "a login"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        _instance(cloud, resource).ensure_user(resource.inputs["name"], resource.inputs["password"])
        resource.id = f"{resource.inputs['name']}//{resource.inputs['instance']}"
        resource.outputs = dict(resource.inputs)

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        if resource.inputs.get("deletionPolicy") != "ABANDON":
            _instance(cloud, resource).drop_user(resource.inputs["name"])


def _settings(flags: list[dict[str, str]]) -> dict[str, str]:
    """PostgreSQL's settings from Cloud SQL's flags; wal_level is replica until logical decoding is switched on."""
    settings = {"wal_level": "replica"}
    for flag in flags:
        name, value = flag["name"], flag["value"]
        if name in _FLAGS:
            name, values = _FLAGS[name]
            if value not in values:
                raise LaptopError(f"the database flag {flag['name']} takes {' or '.join(values)}, not {value!r}")
            value = values[value]
        elif name.startswith("cloudsql.") or name == "wal_level":
            raise LaptopError(f"Cloud SQL for PostgreSQL has no database flag {name!r}")
        settings[name] = value
    return settings


def _server(cloud: Cloud, instance: Resource) -> Postgres:
    return Postgres(
        cloud.home.path("postgres") / instance.name,
        cloud.sockets / f"{instance.name}.pg",
        cloud.home.log_file(f"postgres-{instance.name}"),
    )


def _instance(cloud: Cloud, resource: Resource) -> Postgres:
    return _server(cloud, cloud.registry.find(INSTANCE, resource.inputs["instance"]))


KINDS: dict[str, Kind] = {
    INSTANCE: DatabaseInstance(),
    "gcp:sql/database:Database": Database(),
    "gcp:sql/user:User": User(),
}
