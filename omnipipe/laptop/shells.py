"""What a shell, a script or a notebook of one's own needs in its environment to reach the program's services here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop import logins
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json, write_text
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.services.functions.resources import FUNCTION
from omnipipe.laptop.services.pubsub import resources as pubsub
from omnipipe.laptop.services.sql.resources import INSTANCE

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.logins import Login

_LIBPQ = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSFILE")


def of_owner(cloud: Cloud) -> dict[str, str | None]:
    """Variables for Google's clients and libpq as the person at the keyboard; None for one that must not be set.

    Their credentials are a file of application default credentials, which only the owner can read, and the login of
    the program's own application. Raises LaptopError when laptop.yaml names a login that the program does not make.
    """
    file = cloud.home.directory / "owner-credentials.json"
    content = {
        "type": "external_account_authorized_user",
        "audience": "omnipipe-laptop",
        "refresh_token": cloud.tokens.refresh_token(),
        "token_url": f"{cloud.google}/oauth2/token",
        "client_id": "laptop",
        "client_secret": "laptop",
    }
    write_json(file, content, mode=0o600)
    return {
        **_places(cloud, OWNER),
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "GCE_METADATA_HOST": None,
        "GCE_METADATA_IP": None,
        **_postgres(cloud, logins.of_owner(cloud), "owner"),
    }


def of_account(cloud: Cloud, name: str) -> dict[str, str | None]:
    """The same as a service account, by the part of its address before the @.

    Its password for Postgres is an access token, which is good for an hour.

    Raises LaptopError, with those that there are, for another.
    """
    email = email_of(cloud, name)
    metadata = f"{cloud.google.removeprefix('http://')}/metadata/{email}"
    return {
        **_places(cloud, email),
        "GOOGLE_APPLICATION_CREDENTIALS": None,
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,
        **_postgres(cloud, logins.of_account(cloud, email), name),
    }


def accounts(cloud: Cloud) -> dict[str, str]:
    """The e-mail addresses of the program's service accounts, by the part before the @."""
    return {each.inputs["accountId"]: each.outputs["email"] for each in cloud.registry.of_type(ACCOUNT)}


def email_of(cloud: Cloud, name: str) -> str:
    """The address of a service account. Raises LaptopError, with those that there are, for another."""
    known = accounts(cloud)
    if name not in known:
        raise LaptopError(f"there is no service account {name!r}: choose one of {', '.join(sorted(known))}")
    return known[name]


def _places(cloud: Cloud, account: str) -> dict[str, str | None]:
    return {
        **({"PUBSUB_EMULATOR_HOST": cloud.pubsub_address(account)} if pubsub.is_used(cloud) else {}),
        "GOOGLE_CLOUD_PROJECT": cloud.project,
        "BIGQUERY_EMULATOR_HOST": cloud.bigquery_url,
        # The client of the Storage API cannot be sent elsewhere: what it is asked goes nowhere, instead of to Google.
        "grpc_proxy": "http://127.0.0.1:9",
        "no_grpc_proxy": "127.0.0.1,localhost",
        **{
            f"{each.inputs['name'].upper().replace('-', '_')}_FUNCTION_URL": each.outputs["serviceConfig"]["uri"]
            for each in cloud.registry.of_type(FUNCTION)
        },
    }


def _postgres(cloud: Cloud, login: Login | None, whose: str) -> dict[str, str | None]:
    """libpq's variables; its password is in a file, so that it stands neither on a screen nor in a process table."""
    if login is None:
        # Who may not log in must not do so as whom the shell was before.
        return dict.fromkeys(_LIBPQ) if cloud.registry.of_type(INSTANCE) else {}
    file = cloud.home.path("logins") / f"{whose}.pgpass"
    user, password = (part.replace("\\", r"\\").replace(":", r"\:") for part in (login.user, login.password))
    write_text(file, f"*:*:*:{user}:{password}\n", mode=0o600)
    return dict(zip(_LIBPQ, (login.host, str(login.port), login.database, login.user, str(file)), strict=True))
