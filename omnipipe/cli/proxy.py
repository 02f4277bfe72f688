"""`proxy`: a TCP port on loopback for SQL clients, as long as the command runs."""

import asyncio
import secrets
import shlex
import shutil
import socket
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import console, say

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


class Service(StrEnum):
    """What a proxy can stand before."""

    postgres = "postgres"
    bigquery = "bigquery"


def proxy(
    service: Annotated[Service, typer.Argument(help="What the client speaks to.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Which port of 127.0.0.1; the stack's own unless told.")
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="WORKLOAD",
            help="Be a workload's service account; else the owner.",
            autocompletion=completion.accounts,
        ),
    ] = None,
) -> None:
    """Give SQL clients a TCP port on 127.0.0.1, and the line to connect with; until Ctrl-C, and only then.

    What connects needs the password or the token that is printed.
    """
    from omnipipe.laptop import access

    cloud = access.running_cloud()
    listening = _listening(cloud, service, port)
    with listening, suppress(KeyboardInterrupt):
        (_postgres if service is Service.postgres else _bigquery)(cloud, listening, as_)
    say(f"\nThe port for {service} is closed.")


def _listening(cloud: "Cloud", service: Service, port: int | None) -> socket.socket:
    """A socket that listens. Raises LaptopError, naming who has it, for a port that is in use."""
    from omnipipe.laptop.ports import HOST, require_free

    wanted = port or cloud.ports.of(f"proxy-{service}")
    require_free(wanted, f"the proxy of {service}", f"give another one: omnipipe proxy {service} --port N")
    return socket.create_server((HOST, wanted))


def _postgres(cloud: "Cloud", listening: socket.socket, account: str | None) -> None:
    from pathlib import Path

    from omnipipe.laptop import logins, shells
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.services.sql import proxy
    from omnipipe.laptop.services.sql.postgres import psql_path

    login = (
        logins.of_owner(cloud) if account is None else logins.of_account(cloud, shells.email_of(cloud, account))
    )
    if login is None:
        raise LaptopError(f"{account or 'the owner'} has no login to Postgres: choose another with --as WORKLOAD")
    host, port = listening.getsockname()
    user, password = quote(login.user, safe=""), quote(login.password, safe="")
    psql = "psql" if shutil.which("psql") else shlex.quote(str(psql_path()))
    _announce("Postgres", host, port, login.user)
    _line("psql", f"{psql} 'postgresql://{user}:{password}@{host}:{port}/{login.database}'")
    _line(
        "JDBC",
        f"jdbc:postgresql://{host}:{port}/{login.database}?"
        + urlencode({"user": login.user, "password": login.password, "sslmode": "disable"}),
    )
    if account is not None:
        say("The password is an access token: connections that are made within an hour are let in.")
    server = Path(login.host) / f".s.PGSQL.{login.port}"
    asyncio.run(proxy.serve(listening, server, lambda: _why_not(cloud, "Postgres")))


def _bigquery(cloud: "Cloud", listening: socket.socket, account: str | None) -> None:
    from werkzeug.serving import WSGIRequestHandler, make_server

    from omnipipe.laptop import shells
    from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, OWNER
    from omnipipe.laptop.services.bigquery import proxy

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    email = OWNER if account is None else shells.email_of(cloud, account)
    key = secrets.token_urlsafe(24)
    host, port = listening.getsockname()
    address = f"http://{host}:{port}"
    _announce("BigQuery", host, port, account or "the owner")
    _line(
        "JDBC",
        f"jdbc:bigquery://{address};ProjectId={cloud.project};OAuthType=2;OAuthAccessToken={key};"
        f"EndpointOverrides=BIGQUERY={address};",
    )
    _line(
        "curl",
        f"curl -H 'Authorization: Bearer {key}' {address}/bigquery/v2/projects/{cloud.project}/datasets",
    )
    app = proxy.application(
        cloud.bigquery_url,
        key,
        lambda: cloud.tokens.issue(email, CLOUD_PLATFORM),
        lambda: _why_not(cloud, "BigQuery"),
    )
    make_server(host, port, app, threaded=True, request_handler=Quiet, fd=listening.fileno()).serve_forever()


def _announce(what: str, host: str, port: int, who: str) -> None:
    say(f"{what} listens on [bold]{host}:{port}[/] until Ctrl-C, for {escape(who)}:")


def _line(label: str, text: str) -> None:
    console.print(f"  {label}  {text}", soft_wrap=True, markup=False)  # to be copied as one line


def _why_not(cloud: "Cloud", what: str) -> str:
    from omnipipe.laptop import lifecycle

    gone = ", ".join(lifecycle.missing_processes(cloud))
    return f"not running: {gone}. `omnipipe up` brings it back" if gone else f"{what} takes no connection just now"
