"""Cloud SQL: one embedded PostgreSQL for each instance."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import Bindings
from omnipipe.laptop.kind import Kind, Log
from omnipipe.laptop.processes import Spec, clean_environment

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource
    from omnipipe.laptop.services.sql.postgres import Postgres

INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
DATABASE = "gcp:sql/database:Database"
USER = "gcp:sql/user:User"
PORT = 5432
"""By which PostgreSQL names its socket, too."""
# Cloud SQL's own flags, and the setting that each stands for, which it lets nobody set by its own name.
_IAM_FLAG = "cloudsql.iam_authentication"
_FLAGS: dict[str, tuple[str | None, dict[str, str]]] = {
    "cloudsql.logical_decoding": ("wal_level", {"on": "logical", "off": "replica"}),
    _IAM_FLAG: (None, {"on": "on", "off": "off"}),
}
# https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances#sslmode. There is no network here that a
# connection could come by, and nothing to encrypt on a Unix socket.
_SSL_MODES = ("ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY")
# https://cloud.google.com/sql/docs/postgres/start-stop-restart-instance
_RUNS, _STOPPED = "ALWAYS", "NEVER"
_LOGIN = "cloudsql.instances.login"
_SERVICE_ACCOUNT = "CLOUD_IAM_SERVICE_ACCOUNT"
_DOMAIN = ".gserviceaccount.com"

_log = logging.getLogger(__name__)


class DatabaseInstance(Kind):
    """An instance: a server process, with the settings of the program's flags, unless it is to be stopped."""

    effect = "an embedded PostgreSQL"
    different = "Unix sockets without encryption, no TCP port; the version is that of the package"
    holds_data = True
    identity = ("name",)

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        process, name = process_name(resource), _name(resource)
        if previous is not None and previous.id != name:
            raise LaptopError(
                f"the instance {previous.id} cannot become {name} with its data: "
                "start anew with `omnipipe down --purge`"
            )
        mode = _ssl_mode(resource)
        if mode not in _SSL_MODES:
            raise LaptopError(
                f"sslMode is {mode}: on the laptop nobody has a client certificate, and a Unix socket asks for none. "
                f"Choose {' or '.join(_SSL_MODES)}"
            )
        policy = resource.inputs["settings"].get("activationPolicy", _RUNS)
        if policy not in (_RUNS, _STOPPED):
            raise LaptopError(f"activationPolicy is {policy}: choose {_RUNS} or {_STOPPED}")
        server = _server(cloud, resource)
        if policy == _STOPPED:
            cloud.processes.stop([process])
        else:
            self._start(cloud, resource, server)
        resource.id = name
        resource.outputs = {
            **resource.inputs,
            "name": name,
            "connectionName": f"{cloud.project}:{cloud.region}:{name}",
            "pscServiceAttachmentLink": str(server.socket_dir),
            # It signs nothing: a Unix socket has no certificate. But a program may tell somebody a wrong one.
            "serverCaCerts": [{"cert": f"the certificate of the instance {name}"}],
        }

    def _start(self, cloud: Cloud, resource: Resource, server: Postgres) -> None:
        process = process_name(resource)
        server.initialise()
        spec = Spec(
            process,
            server.argv(_settings(resource.inputs["settings"].get("databaseFlags", []))),
            env=clean_environment(),
            stop_signal=server.stop_signal,
        )
        cloud.processes.ensure(spec)
        cloud.processes.wait_ready(process, server.is_ready)
        server.prepare()

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        if resource.inputs.get("deletionProtection", True):
            raise LaptopError(f"the database instance {_name(resource)} is protected from deletion")
        cloud.processes.stop([process_name(resource)])

    def process(self, resource: Resource) -> str | None:
        return None if is_stopped(resource) else process_name(resource)

    def address(self, resource: Resource) -> str:
        return resource.outputs["pscServiceAttachmentLink"]

    def log(self, cloud: Cloud, resource: Resource) -> Log:
        labels = {"project_id": cloud.project, "region": cloud.region}
        return Log(
            process_name(resource),
            "cloudsql_database",
            labels | {"database_id": f"{cloud.project}:{resource.outputs['name']}"},
        )

    def without_effect(self, resource: Resource) -> str:
        return f"sslMode {_ssl_mode(resource)}, because its connections are Unix sockets"


def is_stopped(instance: Resource) -> bool:
    """Whether an instance is to be stopped. It keeps its data, and nothing in it is made, changed or asked for."""
    return instance.inputs["settings"].get("activationPolicy") == _STOPPED


def _ssl_mode(instance: Resource) -> str:
    return instance.inputs["settings"].get("ipConfiguration", {}).get("sslMode", _SSL_MODES[0])


class Database(Kind):
    """A database of an instance, owned by cloudsqlsuperuser."""

    effect = "a database"
    holds_data = True
    identity = ("instance", "name")

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        if not _sleeps(cloud, resource, previous):
            _instance(cloud, resource).ensure_database(resource.inputs["name"])
        resource.id = (
            f"projects/{cloud.project}/instances/{resource.inputs['instance']}/databases/{resource.inputs['name']}"
        )
        resource.outputs = dict(resource.inputs)

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        _instance(cloud, resource).drop_database(resource.inputs["name"])

    def problem(self, cloud: Cloud, resource: Resource) -> str | None:
        name = resource.inputs["name"]
        if _sleeps(cloud, resource, resource) or _instance(cloud, resource).has_database(name):
            return None
        return f"the database {name} is not there: `omnipipe up` makes it, without its earlier data"


class User(Kind):
    """A login, with a password or as an IAM service account; by itself a member of cloudsqlsuperuser or of nothing."""

    effect = "a login"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        if not _sleeps(cloud, resource, previous):
            self._make(_instance(cloud, resource), resource.inputs)
        resource.id = f"{resource.inputs['name']}//{resource.inputs['instance']}"
        resource.outputs = dict(resource.inputs)

    def _make(self, server: Postgres, inputs: dict[str, Any]) -> None:
        name, roles = inputs["name"], inputs.get("databaseRoles")
        match inputs.get("type", "BUILT_IN"):
            case "BUILT_IN":
                server.ensure_user(name, inputs["password"], roles)
            case "CLOUD_IAM_SERVICE_ACCOUNT" if name.endswith(_DOMAIN):
                raise LaptopError(
                    f"in PostgreSQL the user of a service account is called as its e-mail address without {_DOMAIN}: "
                    f"{name.removesuffix(_DOMAIN)}"
                )
            case "CLOUD_IAM_SERVICE_ACCOUNT":
                if "password" in inputs:
                    raise LaptopError(f"the IAM user {name} logs in with access tokens: give it no password")
                server.ensure_iam_user(name, roles or ())
            case other:
                raise LaptopError(f"the laptop cloud knows no database users of type {other}")

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        if resource.inputs.get("deletionPolicy") != "ABANDON":
            _instance(cloud, resource).drop_user(resource.inputs["name"])


def login_with_token(cloud: Cloud, account: str, scopes: str, token: str, expires: float) -> None:
    """Let the IAM users of a service account in with an access token that it was just given.

    ``account`` is its e-mail address, ``expires`` seconds since 1970. Cloud SQL asks Google about a token at each
    login. PostgreSQL cannot, so here a token becomes the user's password until it expires, if it is one for logins.
    The newest counts: the metadata server gives the same one as long as it can be used.

    Who is not let in is told in the instance's log, with Cloud SQL's words.
    """
    import psycopg

    from omnipipe.runtime import cloud_sql

    if cloud_sql.LOGIN_SCOPE not in scopes.split(","):
        return
    name = account.removesuffix(_DOMAIN)
    for user in _iam_users(cloud, account):
        instance = cloud.registry.find(INSTANCE, user.inputs["instance"])
        server = _server(cloud, instance)
        refusal = _refusal(cloud, instance, account)
        if refusal:
            with server.log_file.open("a") as log:
                log.write(
                    f'FATAL:  Cloud SQL IAM service account authentication failed for user "{name}"\n'
                    f"DETAIL:  {refusal}\n"
                )
        try:
            if refusal:
                server.shut_out(name)
            else:
                server.let_in(name, token, datetime.fromtimestamp(expires, UTC))
        except psycopg.OperationalError:  # it is down, and lets nobody in; who asks again, gets the token again
            _log.warning("the instance %s does not answer: %s cannot log in yet", instance.id, name)


def iam_user(cloud: Cloud, account: str) -> Resource | None:
    """The database user of a service account, by its e-mail address; None if it has none."""
    return next(iter(_iam_users(cloud, account)), None)


def place(cloud: Cloud, user: Resource) -> tuple[str, str]:
    """Where a user logs in: the folder of its instance's socket, and a database of it.

    Raises LaptopError when the program makes no database.
    """
    instance = user.inputs["instance"]
    databases = [each for each in cloud.registry.of_type(DATABASE) if each.inputs["instance"] == instance]
    if not databases:
        raise LaptopError(f"the program makes no database in the instance {instance}")
    return str(_server(cloud, cloud.registry.find(INSTANCE, instance)).socket_dir), databases[0].inputs["name"]


def _iam_users(cloud: Cloud, account: str) -> list[Resource]:
    name = account.removesuffix(_DOMAIN)
    return [
        user
        for user in cloud.registry.of_type(USER)
        if user.inputs.get("type") == _SERVICE_ACCOUNT and user.inputs["name"] == name
    ]


def _refusal(cloud: Cloud, instance: Resource, account: str) -> str | None:
    """Why an IAM user of an instance may not log in, or None when it may."""
    flags = {flag["name"]: flag["value"] for flag in instance.inputs["settings"].get("databaseFlags", [])}
    if flags.get(_IAM_FLAG) != "on":
        return f"The instance does not have the database flag {_IAM_FLAG}=on."
    name = f"projects/{cloud.project}/instances/{instance.id}"
    if not Bindings(cloud.registry, cloud.project).allow(account, _LOGIN, name):
        return f"The caller does not have permission: {_LOGIN} on {name}."
    return None


def _settings(flags: list[dict[str, str]]) -> dict[str, str]:
    """PostgreSQL's settings from Cloud SQL's flags; wal_level is replica until logical decoding is switched on."""
    settings = {"wal_level": "replica"}
    for flag in flags:
        name, value = flag["name"], flag["value"]
        if name in _FLAGS:
            setting, values = _FLAGS[name]
            if value not in values:
                raise LaptopError(f"the database flag {name} takes {' or '.join(values)}, not {value!r}")
            if setting is None:
                continue
            name, value = setting, values[value]
        elif name.startswith("cloudsql.") or name == "wal_level":
            raise LaptopError(f"Cloud SQL for PostgreSQL has no database flag {name!r}")
        settings[name] = value
    return settings


def process_name(instance: Resource) -> str:
    """The name of an instance's server."""
    return f"postgres-{_name(instance)}"


def _name(instance: Resource) -> str:
    """What Google knows an instance by: without a name of its own, Pulumi calls it after the resource."""
    return instance.inputs.get("name", instance.name)


def _server(cloud: Cloud, instance: Resource) -> Postgres:
    # Imported here: its driver takes a tenth of a second, and most commands only ask what there is.
    from omnipipe.laptop.services.sql.postgres import Postgres

    name = _name(instance)
    return Postgres(
        cloud.home.path("postgres") / name,
        cloud.home.sockets / f"{name}.pg",
        cloud.home.log_file(process_name(instance)),
    )


def _sleeps(cloud: Cloud, resource: Resource, previous: Resource | None) -> bool:
    """Whether a database or a user is as it was, in an instance that is stopped: then nobody asks for it."""
    instance = cloud.registry.find(INSTANCE, resource.inputs["instance"])
    return is_stopped(instance) and previous is not None and previous.inputs == resource.inputs


def _instance(cloud: Cloud, resource: Resource) -> Postgres:
    """The server that a resource is in. Raises LaptopError for one that is stopped, as Cloud SQL refuses that."""
    instance = cloud.registry.find(INSTANCE, resource.inputs["instance"])
    if is_stopped(instance):
        raise LaptopError(f"the instance {instance.id} is stopped (activationPolicy {_STOPPED}): start it first")
    return _server(cloud, instance)


KINDS: dict[str, Kind] = {
    INSTANCE: DatabaseInstance(),
    DATABASE: Database(),
    USER: User(),
}
