"""What is on disk: one SQLite database in write-ahead mode, written by the event loop alone.

What belongs together is committed together: the first statement opens a transaction, and all that comes within the
next two milliseconds is in it. A commit is a write to the log's file without a flush of the disk (``synchronous`` is
NORMAL): a tenth of a millisecond, so it need not leave the event loop. A process that is killed loses nothing that is
committed; a machine that loses its power may lose the last commits, and never the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
_COMMIT_AFTER_S = 0.002
# The log goes into the database in a thread, once a second; what is left over, when the log has as many pages.
_CHECKPOINT_S = 1.0
_CHECKPOINT_PAGES = 16_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body BLOB NOT NULL,
    used REAL NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS revisions (
    schema TEXT NOT NULL, revision TEXT NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (schema, revision)
);
CREATE TABLE IF NOT EXISTS chunks (
    first INTEGER PRIMARY KEY, topic INTEGER NOT NULL, count INTEGER NOT NULL, published INTEGER NOT NULL,
    messages BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunks_of_topic ON chunks (topic, published);
CREATE TABLE IF NOT EXISTS pending (
    owner INTEGER NOT NULL, first INTEGER NOT NULL, acked BLOB NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, first)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_of_chunk ON pending (first);
CREATE TABLE IF NOT EXISTS attempts (
    owner INTEGER NOT NULL, message INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (owner, message)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Store:
    """The database. ``before_commit`` are called before each commit: they write what has changed in memory."""

    def __init__(self, path: Path, failed: Callable[[Exception], None]) -> None:
        """``failed`` is called when a commit cannot be made: what is in memory is then more than what is kept."""
        self._path = path
        self._failed = failed
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._connection.executescript(_SCHEMA)
        self.before_commit: list[Callable[[], None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._open = False
        self._broken = False
        self._scheduled = False
        self._closed = threading.Event()
        self._checkpoints = threading.Thread(target=self._checkpoint, daemon=True)
        self._checkpoints.start()

    def read(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows, with what was written before and is not committed yet."""
        return self._connection.execute(statement, parameters).fetchall()

    def write(self, statement: str, *parameters: Any) -> int:
        """Do a statement in the open transaction; returns the last row's number."""
        self._begin()
        with self._failing():
            return self._connection.execute(statement, parameters).lastrowid or 0

    def write_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do a statement for each row in the open transaction."""
        self._begin()
        with self._failing():
            self._connection.executemany(statement, rows)

    def changed(self) -> None:
        """There is something that ``before_commit`` will write."""
        self._begin()

    def next_number(self, name: str, count: int) -> int:
        """Take so many numbers, none of which was ever taken before; the first of them."""
        self._begin()
        rows = self._connection.execute(
            "INSERT INTO counters VALUES (?1, 1 + ?2) ON CONFLICT DO UPDATE SET value = value + ?2 RETURNING value",
            (name, count),
        ).fetchall()
        return rows[0][0] - count

    def settle(self) -> None:
        """Write what has changed in memory, so that ``read`` sees it."""
        if self._open:
            for write in self.before_commit:
                write()

    def committed(self) -> asyncio.Future[None]:
        """Done as soon as all that was written until now is kept; at once where there is nothing to commit."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._open:
            self._waiting.append(future)
        else:
            future.set_result(None)
        return future

    def commit(self) -> None:
        """Keep what was written."""
        self._scheduled = False
        if not self._open or self._broken:
            return
        waiting, self._waiting = self._waiting, []
        try:
            self.settle()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            self._failed(error)
            return
        self._open = False
        for future in waiting:
            if not future.done():  # who waited may have gone
                future.set_result(None)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Half of what belongs together must not be kept: who tells of the failure ends without a commit."""
        try:
            yield
        except sqlite3.Error as error:
            self._broken = True
            self._failed(error)
            raise

    def close(self) -> None:
        """Commit, and let go of the file."""
        self.commit()
        self._closed.set()
        self._checkpoints.join()
        self._connection.close()

    def _begin(self) -> None:
        if not self._open:
            self._connection.execute("BEGIN")
            self._open = True
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_COMMIT_AFTER_S, self.commit)

    def _checkpoint(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            while not self._closed.wait(_CHECKPOINT_S):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            logger.error("the log of the database does not go into it: %s", error)
        finally:
            connection.close()
