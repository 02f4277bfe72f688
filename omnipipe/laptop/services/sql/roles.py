"""Cloud SQL's roles in a PostgreSQL: what its API does when it makes an instance or a user.

``cloudsqladmin`` is the superuser and belongs to the platform. The users that the program declares are members of
``cloudsqlsuperuser``, which is no superuser, or of the roles that the program names. An IAM user has no attribute but
LOGIN (attributes are not inherited), and its password is the last access token that its service account was given.
Attributes and memberships are as `\\du` lists them on Cloud SQL, and
https://cloud.google.com/sql/docs/postgres/users describes them.
"""

from collections.abc import Iterable
from typing import LiteralString

import psycopg
from psycopg import sql

from omnipipe.laptop.errors import LaptopError

ADMIN = "cloudsqladmin"
SUPERUSER_ROLE = "cloudsqlsuperuser"
IAM_ROLE = "cloudsqliamserviceaccount"

_NAME_LIMIT_BYTES = 63  # PostgreSQL cuts off the rest


def make_own_roles(admin: psycopg.Connection) -> None:
    """Make the platform's roles: of the administrators, and of IAM's service accounts.

    REPLICATION differs: on Cloud SQL a patch lets cloudsqlsuperuser make replication users without having it, which
    PostgreSQL itself refuses. So here it may use slots too; that migrate does not is a test of migrate's.
    """
    for name in (SUPERUSER_ROLE, IAM_ROLE):
        if not _exists(admin, name):
            admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    role = sql.Identifier(SUPERUSER_ROLE)
    admin.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER CREATEROLE CREATEDB REPLICATION NOLOGIN").format(role))
    admin.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}").format(role))


def ensure_user(admin: psycopg.Connection, name: str, password: str, roles: Iterable[str]) -> None:
    """Make a user with a password, a member of ``roles``, or bring it up to date."""
    _ensure_role(admin, name, roles, "CREATEROLE CREATEDB")
    set_password(admin, name, password, "infinity")


def ensure_iam_user(admin: psycopg.Connection, name: str, roles: Iterable[str]) -> None:
    """Make an IAM user, a member of ``roles``, or bring it up to date. A token that counts goes on counting."""
    _ensure_role(admin, name, (IAM_ROLE, *roles), "NOCREATEROLE NOCREATEDB")
    # A password that never ends is none of a token: it is from before this was an IAM user.
    endless = "SELECT FROM pg_roles WHERE rolname = %s AND COALESCE(rolvaliduntil, 'infinity') = 'infinity'"
    if admin.execute(endless, [name]).rowcount:
        remove_password(admin, name)


def set_password(admin: psycopg.Connection, name: str, password: str, until: str) -> None:
    """Have a user log in with this password until then, a PostgreSQL timestamp, and with no other."""
    # Only its hash travels: a statement may end up in the server's log.
    verifier = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {} VALID UNTIL {}")
    admin.execute(statement.format(sql.Identifier(name), sql.Literal(verifier), sql.Literal(until)))


def remove_password(admin: psycopg.Connection, name: str) -> None:
    """Have a user not log in at all."""
    admin.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(sql.Identifier(name)))


def _ensure_role(admin: psycopg.Connection, name: str, roles: Iterable[str], attributes: LiteralString) -> None:
    if name in (ADMIN, SUPERUSER_ROLE, IAM_ROLE):
        raise LaptopError(f"the database user cannot be called {name}: that name belongs to the platform")
    if len(name.encode()) > _NAME_LIMIT_BYTES:
        raise LaptopError(f"the database user {name} has more than {_NAME_LIMIT_BYTES} bytes: shorten its name")
    user = sql.Identifier(name)
    if not _exists(admin, name):
        admin.execute(sql.SQL("CREATE ROLE {}").format(user))
    admin.execute(sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOREPLICATION ").format(user) + sql.SQL(attributes))
    held = admin.execute(
        "SELECT granted.rolname FROM pg_auth_members JOIN pg_roles granted ON granted.oid = roleid"
        " WHERE pg_get_userbyid(member) = %s AND pg_get_userbyid(grantor) = %s",
        [name, ADMIN],
    ).fetchall()
    wanted = set(roles)
    for (role,) in held:
        if role not in wanted:
            admin.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(role), user))
    for role in sorted(wanted):
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), user))


def _exists(admin: psycopg.Connection, role: str) -> bool:
    return admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount > 0
