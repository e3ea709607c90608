"""A whole receiver of webhooks (推送接收方示例) in one file, with nothing but Python's own library.

    TINGSU_WEBHOOK_SECRETS="whsec_new whsec_old" python receiver.py 9000 inbox.sqlite3

It does the five things that every receiver has to do:
1. verify the signature over the raw body, and refuse what is too old (Standard Webhooks);
2. keep the event before answering, and answer at once: the work comes later, in a thread of its own;
3. know an event again by its id, because each arrives at least once;
4. go by `version`, because an event that was replayed may be older than what is known;
5. forget a ticket's words when it is told that their use has ended.

Put TLS in front of it (nginx or another proxy); it listens on loopback.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds that clocks may differ and an event may be under way
LARGEST = 4_000_000  # bytes; an event carries a whole conversation at most

SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, body TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS cases (ticket_no TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL);
"""


def is_genuine(headers, body: bytes, secrets: list[str], now: float) -> bool:
    """Whether one of the secrets signed exactly this body, lately. While a secret changes there are two of each."""
    event_id, sent, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not event_id or not sent.isdigit() or abs(now - int(sent)) > TOLERANCE:
        return False
    signed = f"{event_id}.{sent}.".encode() + body
    given = [part.removeprefix("v1,") for part in signatures.split(" ") if part.startswith("v1,")]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(expected, one) for one in given):
            return True
    return False


class Inbox:
    """Events that arrived. The first of an id stays, however often it comes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._new = threading.Event()
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def keep(self, event_id: str, body: str) -> None:
        connection = self._connection()
        connection.execute("INSERT OR IGNORE INTO inbox (id, body) VALUES (?, ?)", (event_id, body))
        connection.close()
        self._new.set()

    def work(self) -> None:
        """What was kept and not done yet, also after a crash or while the disk is full."""
        connection = self._connection()
        while True:
            self._new.clear()
            try:
                self._work_off(connection)
            except sqlite3.Error as error:
                print(f"not done, trying again: {error!r}", file=sys.stderr)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._new.wait(timeout=1)

    def _work_off(self, connection: sqlite3.Connection) -> None:
        waiting = connection.execute("SELECT id, body FROM inbox WHERE NOT done ORDER BY rowid").fetchall()
        for event_id, body in waiting:
            connection.execute("BEGIN IMMEDIATE")
            self._apply(connection, json.loads(body))
            connection.execute("UPDATE inbox SET done = 1 WHERE id = ?", (event_id,))
            connection.execute("COMMIT")

    @staticmethod
    def _apply(connection: sqlite3.Connection, event: dict) -> None:
        """The newest version wins. Here stands what your system does with a ticket."""
        if not event["type"].startswith("ticket."):
            return
        data = event["data"]
        if event["type"] in ("ticket.restricted", "ticket.erased"):
            # Whose id stays is known again; what it said is gone, here and wherever your system put it.
            mine = (data["ticket_no"],)
            connection.execute(
                "UPDATE inbox SET body = '{}' WHERE done AND json_extract(body, '$.data.ticket_no') = ?", mine
            )
        connection.execute(
            "INSERT INTO cases (ticket_no, version, state) VALUES (?, ?, ?) ON CONFLICT (ticket_no) DO UPDATE"
            " SET version = excluded.version, state = excluded.state WHERE excluded.version > cases.version",
            (data["ticket_no"], data["version"], data["state"]),
        )


def handler(inbox: Inbox, secrets: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if not 0 < length <= LARGEST:
                self.answer(413)
                return
            body = self.rfile.read(length)
            if not is_genuine(self.headers, body, secrets, time.time()):
                self.answer(401)
                return
            inbox.keep(self.headers["webhook-id"], body.decode())
            self.answer(204)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: an access log is the proxy's."""

    return Handler


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    inbox = Inbox(path)
    threading.Thread(target=inbox.work, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(inbox, os.environ["TINGSU_WEBHOOK_SECRETS"].split()))
    server.serve_forever()


if __name__ == "__main__":
    main()
