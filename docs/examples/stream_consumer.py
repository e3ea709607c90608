"""Reads the Redis stream as one consumer of a group (Redis 流消费示例); needs redis-py.

    REDIS_URL=redis://127.0.0.1:6379/0 python stream_consumer.py crm worker-1 events.sqlite3

Several consumers of one group share the work. An entry is acknowledged (XACK) after it is kept; what a consumer took
and did not acknowledge, because it died, goes to another one (XAUTOCLAIM). When Redis lost everything, groups too, the
bridge fills the stream again and this makes its group again; the event's id keeps what was known from counting twice.
"""

import os
import sqlite3
import sys
import time

import redis

KEY = os.environ.get("TINGSU_STREAM", "{tingsu}:handoff")
DEAD_AFTER = int(os.environ.get("TINGSU_DEAD_AFTER_MS", "60000"))  # how long an entry may stay unacknowledged
BLOCK = 2000  # milliseconds; below the socket's timeout

SCHEMA = "CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, ticket_no TEXT, version INTEGER, body TEXT)"


def keep(connection: sqlite3.Connection, fields: dict[str, str]) -> None:
    """Durable before it is acknowledged. Several versions of a ticket may come to several consumers: go by `version`."""
    row = (fields["id"], fields["ticket_no"], int(fields["version"]), fields["body"])
    with connection:
        if fields["type"] in ("ticket.restricted", "ticket.erased"):  # its use has ended: what was told is forgotten
            connection.execute("UPDATE events SET body = '{}' WHERE ticket_no = ?", (fields["ticket_no"],))
        connection.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", row)


def entries(client: redis.Redis, group: str, consumer: str) -> list:
    """What others left behind first, then what is new."""
    left = client.xautoclaim(KEY, group, consumer, min_idle_time=DEAD_AFTER, count=50)[1]
    if left:
        return left
    new = client.xreadgroup(group, consumer, {KEY: ">"}, count=50, block=BLOCK)
    return new[0][1] if new else []


def make_group(client: redis.Redis, group: str) -> None:
    try:
        client.xgroup_create(KEY, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def main() -> None:
    group, consumer, path = sys.argv[1:4]
    connection = sqlite3.connect(path, timeout=10)
    connection.execute(SCHEMA)
    client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=10)
    lacks_group = False
    while True:
        try:
            if lacks_group:
                make_group(client, group)
                lacks_group = False
            for entry, fields in entries(client, group, consumer):
                if fields:  # trimmed away while it waited: fetch it by GET /v1/handoff/events
                    keep(connection, fields)
                client.xack(KEY, group, entry)
        except redis.RedisError as error:
            lacks_group = "NOGROUP" in str(error)
            if not lacks_group:  # away, starting, full, or a replica for a moment
                print(f"Redis does not answer, trying again: {error!r}", file=sys.stderr)
                time.sleep(1)


if __name__ == "__main__":
    main()
