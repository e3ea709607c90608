"""Fetches events by cursor (拉取示例), with nothing but Python's own library.

    TINGSU_URL=https://tingsu.bank.internal TINGSU_API_KEY=… python pull.py events.sqlite3

Events and cursor are kept in one transaction: whenever this is killed, it goes on where it was and has everything once.
"""

import http.client
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PAUSE = float(os.environ.get("TINGSU_PAUSE", "2"))  # seconds between looks when nothing is new

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, ticket_no TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mark (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), cursor TEXT NOT NULL);
"""


def page(cursor: str | None) -> dict:
    """The next events; `personal` is none, masked or full."""
    asked = {"limit": "200", "personal": "masked", **({"cursor": cursor} if cursor else {})}
    address = f"{os.environ['TINGSU_URL']}/v1/handoff/events?{urllib.parse.urlencode(asked)}"
    request = urllib.request.Request(address, headers={"X-API-Key": os.environ["TINGSU_API_KEY"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def keep(connection: sqlite3.Connection, found: dict) -> None:
    with connection:
        for event in found["events"]:
            data = event["data"]
            if event["type"] in ("ticket.restricted", "ticket.erased"):  # its use has ended: what was told is forgotten
                connection.execute("UPDATE events SET body = '{}' WHERE ticket_no = ?", (data["ticket_no"],))
            row = (event["id"], data["ticket_no"], data["version"], json.dumps(event, ensure_ascii=False))
            connection.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", row)
        connection.execute("INSERT OR REPLACE INTO mark VALUES (1, ?)", (found["cursor"],))


def main() -> None:
    connection = sqlite3.connect(sys.argv[1])
    connection.executescript(SCHEMA)
    while True:
        mark = connection.execute("SELECT cursor FROM mark").fetchone()
        try:
            found = page(mark[0] if mark else None)
        except urllib.error.HTTPError as error:
            print(f"refused, trying again: {error}", file=sys.stderr)
            if (
                error.code == 409
            ):  # cursor_ahead, tingsu's database was taken back: from the beginning, what is known is known
                with connection:
                    connection.execute("DELETE FROM mark")
            time.sleep(PAUSE)
            continue
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Not there, or gone in the middle of an answer: a restart is nothing unusual.
            print(f"not reached, trying again: {error!r}", file=sys.stderr)
            time.sleep(PAUSE)
            continue
        keep(connection, found)
        if not found["more"]:
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
