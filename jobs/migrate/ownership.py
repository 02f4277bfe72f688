"""Who owns the tables: a role that nobody logs in as, so that it outlives each identity that runs migrate.

The IAM user has no rights of its own. It is a member of cloudsqlsuperuser, takes that role on to make others, and
from it the role of the owner. Members of cloudsqlsuperuser do not inherit the owner's rights, but may become it:
Cloud SQL's API makes every user with a password a member. So the logins of the application and of Datastream are made
here, and are members of nothing.
"""

import psycopg
from database import MigrationFailed, row
from psycopg import sql

ADMINISTRATORS = "cloudsqlsuperuser"
OWNER = "omnipipe_owner"


def become_administrator(connection: psycopg.Connection) -> None:
    """Take on Cloud SQL's role of administrators. Raises MigrationFailed when the user is not a member of it."""
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(ADMINISTRATORS)))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue) as error:
        raise MigrationFailed(
            f"the user {connection.info.user} may not act as {ADMINISTRATORS} ({error}): "
            f'give its sql.User database_roles=["{ADMINISTRATORS}"]'
        ) from error


def become_owner(connection: psycopg.Connection) -> None:
    """Take on the role that owns the tables."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))


def ensure_owner(admin: psycopg.Connection) -> None:
    """Make the owner's role, as administrator, and give it the schema public and the right to make publications.

    Who owns a schema may drop what is in it, and every administrator is an owner of public by way of the database.
    """
    owner = sql.Identifier(OWNER)
    if not row(admin, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", OWNER)[0]:
        admin.execute(sql.SQL("CREATE ROLE {}").format(owner))
    admin.execute(
        sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(owner, sql.Identifier(ADMINISTRATORS))
    )
    admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(admin.info.dbname), owner))
    if row(admin, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'") != (OWNER,):
        admin.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))


def require_ownership(admin: psycopg.Connection, replication_user: str) -> None:
    """Raise MigrationFailed when tables are somebody else's, such as an earlier administrator's.

    Since PostgreSQL 16 only that user can hand them over; the text has the statements.
    """
    others = admin.execute(
        """
        SELECT pg_get_userbyid(relowner), string_agg(relname, ', ' ORDER BY relname)
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_get_userbyid(relowner) <> %s
        GROUP BY 1 ORDER BY 1
        """,
        [OWNER],
    ).fetchall()
    for user, tables in others:
        statements = [
            f'SET ROLE {ADMINISTRATORS}; GRANT {OWNER} TO "{user}"; RESET ROLE;',
            f'REASSIGN OWNED BY "{user}" TO {OWNER};',
            f'GRANT "{replication_user}" TO {ADMINISTRATORS} WITH ADMIN OPTION;',
        ]
        known = admin.execute(
            "SELECT pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') FROM pg_roles WHERE rolname = %s",
            [replication_user],
        ).fetchone()
        if known is None or known[0]:
            statements.pop()
        raise MigrationFailed(
            f"{tables} of the schema public belong to {user}, not to {OWNER}. Begin with an empty database, or log in "
            f"as {user}, run what follows and then migrate again: {' '.join(statements)}"
        )
