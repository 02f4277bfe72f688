"""A simulated receiver of webhooks on loopback, which verifies signatures and keeps what it got.

    python -m seed.webhook --port 8081 --secret-file FILE --data-dir DIR

POST /webhook takes messages as the Standard Webhooks specification has them: a wrong signature or an old
timestamp is answered with 401, a repeat of a webhook-id with 200, but kept once. A message is on the disk before
it is answered. GET /received: counts and the latest message. GET /received/messages?after=N: up to 500 messages
after number N. Faults on demand (see seed.simulator): status, hang, lost (the message is kept and the answer is a
504, as if it had been lost on its way back), cut (the message is kept and the answer ends too early), drip (it comes a
byte a second), endless (it has no end). Only POST /webhook shows them.
"""

import argparse
import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from seed.simulator import Faults, create_app, serve

_PAGE = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    received_at TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS counts (what TEXT PRIMARY KEY, n INTEGER NOT NULL);
INSERT OR IGNORE INTO counts VALUES ('repeats', 0), ('rejected', 0);
"""


class Store:
    """The messages, in a SQLite file, each on the disk when ``keep`` returns."""

    def __init__(self, folder: Path) -> None:
        """Open the store in ``folder``, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "webhook.sqlite", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._database.row_factory = sqlite3.Row

    def keep(self, message_id: str, body: str) -> bool:
        """Keep a message and return True, or count it and return False when its id was here before."""
        with self._lock:
            inserted = self._database.execute(
                "INSERT OR IGNORE INTO messages (id, received_at, body) VALUES (?, ?, ?)",
                (message_id, datetime.now(UTC).isoformat(), body),
            )
            if inserted.rowcount == 0:
                self._count("repeats")
            return inserted.rowcount == 1

    def reject(self) -> None:
        """Count a message that was not accepted."""
        with self._lock:
            self._count("rejected")

    def _count(self, what: str) -> None:
        self._database.execute("UPDATE counts SET n = n + 1 WHERE what = ?", (what,))

    def summary(self) -> dict[str, Any]:
        """Return how many messages were received, repeated and rejected, and the latest one."""
        with self._lock:
            counts = {row["what"]: row["n"] for row in self._database.execute("SELECT * FROM counts")}
            (received,) = self._database.execute("SELECT COUNT(*) FROM messages").fetchone()
            latest = self._database.execute("SELECT * FROM messages ORDER BY number DESC LIMIT 1").fetchone()
        return {"received": received, **counts, "latest": dict(latest) if latest else None}

    def messages(self, after: int) -> list[dict[str, Any]]:
        """Return the next messages after number ``after``, oldest first."""
        with self._lock:
            found = self._database.execute(
                "SELECT * FROM messages WHERE number > ? ORDER BY number LIMIT ?", (after, _PAGE)
            )
            return [dict(row) for row in found]


def app(secret_file: Path, data_dir: Path) -> Flask:
    """Return the receiver as a Flask app.

    ``secret_file`` holds the shared key (``whsec_…``), or several with a space between two, of which it knows the
    first. It is read for each message: a new one counts at once.
    """
    faults = Faults("lost", "cut", "drip", "endless")
    created = create_app("webhook", faults)
    store = Store(data_dir)

    @created.post("/webhook")
    def receive() -> tuple[Response, int] | Response:
        body = request.get_data(as_text=True)
        fault = faults.take(body)
        if answer := faults.answer(fault):
            return answer
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            Webhook(secret_file.read_text().split()[0]).verify(body, headers)
        except (WebhookVerificationError, ValueError) as error:  # ValueError: a torn signature, a body not in JSON
            store.reject()
            return jsonify(simulated=True, error=str(error)), 401
        is_new = store.keep(headers["webhook-id"], body)
        match fault.get("mode"):
            case "lost":
                return jsonify(simulated=True, error="simulated fault: the answer was lost"), 504
            case "cut":
                return Response(iter([b"simulated"]), headers={"Content-Length": "1000"})
            case "drip":
                return Response(_dripping())
            case "endless":
                return Response(itertools.repeat(b"simulated " * 1000))
        return jsonify(simulated=True, new=is_new), 200

    @created.get("/received")
    def received() -> Response:
        return jsonify(simulated=True, **store.summary())

    @created.get("/received/messages")
    def messages() -> Response:
        after = request.args.get("after", 0, type=int)
        return jsonify(simulated=True, messages=store.messages(after))

    return created


def _dripping() -> Iterator[bytes]:
    while True:
        yield b"."
        time.sleep(1)


def main() -> None:
    """Serve the receiver; see ``--help``."""
    parser = argparse.ArgumentParser(description="A simulated webhook receiver on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0, the default, takes a free one")
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the shared secret, whsec_…")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for what is received")
    options = parser.parse_args()
    receiver = app(options.secret_file, options.data_dir)
    serve(receiver, options.port, lambda address: f"simulated webhook receiver at {address}/webhook")


if __name__ == "__main__":
    main()
