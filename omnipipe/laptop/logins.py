"""Who logs in to the program's Postgres as whom: the person at the keyboard as the application, a workload by IAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnipipe.laptop import access
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.sql import resources as sql

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


@dataclass(frozen=True)
class Login:
    """A way into a database; ``host`` is libpq's word for where, here a folder of sockets."""

    host: str
    port: int
    database: str
    user: str
    password: str


def of_owner(cloud: Cloud) -> Login | None:
    """The login of the application whose database it is, as laptop.yaml names it; None where it names none.

    Raises LaptopError when the program makes no such login.
    """
    from psycopg.conninfo import conninfo_to_dict

    if "seed" not in cloud.declaration.commands:
        return None
    said = cloud.declaration.of_command("seed", "job", "user", "password")
    known = {key: str(value) for key, value in conninfo_to_dict(access.login(cloud, **said)).items()}
    return Login(known["host"], int(known["port"]), known["dbname"], known["user"], known["password"])


def of_account(cloud: Cloud, email: str) -> Login | None:
    """The login of a service account, with an access token as its password, for an hour; None if it is no IAM user.

    Raises LaptopError when the metadata server gives no token.
    """
    import requests

    from omnipipe.runtime.cloud_sql import LOGIN_SCOPE

    user = sql.iam_user(cloud, email)
    if user is None:
        return None
    token = f"{cloud.google}/metadata/{email}/computeMetadata/v1/instance/service-accounts/default/token"
    answer = requests.get(token, {"scopes": LOGIN_SCOPE}, headers={"Metadata-Flavor": "Google"}, timeout=10)
    if not answer.ok:
        raise LaptopError(f"there is no access token for {email}: {answer.text[:200]}")
    host, database = sql.place(cloud, user)
    return Login(host, sql.PORT, database, user.inputs["name"], answer.json()["access_token"])
