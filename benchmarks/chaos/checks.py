"""What must hold in the end, read from the database itself and from what the receiver wrote down.

Each function gives sentences about what is wrong; none is good.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Connection, select

from api.commands import open_database
from api.core.security import SYSTEM
from api.tickets.handoff.models import outbox
from api.tickets.models import idempotency, ticket_events, tickets
from benchmarks.chaos.load import Ledger
from benchmarks.chaos.world import HEADERS, ROOT, World

_SHOWN = 3


async def stored(world: World, ledger: Ledger) -> list[str]:
    """Tickets and threads against the acknowledgements."""
    db = open_database(world.settings)
    try:
        return await db.read(lambda connection: _compared(connection, ledger))
    finally:
        await db.close()


def _compared(connection: Connection, ledger: Ledger) -> list[str]:
    return [*_filed(connection, ledger), *_said(connection, ledger), *_moved(connection, ledger)]


def _filed(connection: Connection, ledger: Ledger) -> list[str]:
    rows = connection.execute(select(idempotency.c.key, idempotency.c.ticket_no)).all()
    by_key = dict(Counter(row.key for row in rows))
    number_of = {row.key: row.ticket_no for row in rows}
    there = set(connection.execute(select(tickets.c.ticket_no)).scalars())
    lost = [key for key, number in ledger.filed.items() if number not in there or number_of.get(key) != number]
    return [
        *_told("tickets lost", lost),
        *_told("keys twice", [key for key, count in by_key.items() if count > 1]),
        *_told("tickets nobody asked for", sorted(there - set(ledger.filed.values()))),
    ]


def _said(connection: Connection, ledger: Ledger) -> list[str]:
    rows = connection.execute(select(ticket_events).where(ticket_events.c.type == "comment")).all()
    said = Counter((row.ticket_no, row.data["text"]) for row in rows)
    # The system adds to the threads of tickets that belong to one incident.
    by_clients = [(row.ticket_no, row.data["text"]) for row in rows if row.actor != SYSTEM.id]
    told = {(number, text) for text, number in ledger.said.items()}
    return [
        *_told("entries lost", [text for number, text in told if (number, text) not in said]),
        *_told("entries twice", [text for (_, text), count in said.items() if count > 1]),
        *_told("entries nobody made", [text for number, text in by_clients if (number, text) not in told]),
    ]


def _moved(connection: Connection, ledger: Ledger) -> list[str]:
    threads: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(select(ticket_events.c.ticket_no, ticket_events.c.type).order_by(ticket_events.c.id)):
        if row.type not in ("create", "comment"):
            threads[row.ticket_no].append(row.type)
    numbers = set(ledger.moved) | set(threads)
    return _told("lives that differ", [n for n in sorted(numbers) if threads[n] != ledger.moved.get(n, [])])


async def handed_off(world: World) -> tuple[list[str], int]:
    """All three ways out against the outbox; and how many deliveries came more than once, which is allowed."""
    pulled = await _pulled(world)
    db = open_database(world.settings)
    try:
        expected = await db.read(lambda connection: set(connection.execute(select(outbox.c.event_id)).scalars()))
    finally:
        await db.close()
    lines = [json.loads(line) for line in world.received.read_text().splitlines()]
    pushed = Counter(line["id"] for line in lines)
    streamed = await asyncio.to_thread(_streamed, world)
    wrong = [
        *_told("pulled twice", [one for one, count in Counter(pulled).items() if count > 1]),
        *_told("out of order", _out_of_order(lines)),
    ]
    for way, ids in (("pull", set(pulled)), ("webhook", set(pushed)), ("stream", streamed)):
        wrong += _told(f"{way} lacks", sorted(expected - ids)) + _told(f"{way} invents", sorted(ids - expected))
    return wrong, sum(pushed.values()) - len(pushed)


async def _pulled(world: World) -> list[str]:
    found: list[str] = []
    page: dict[str, Any] = {"cursor": None, "more": True}
    while page["more"]:
        query = {"limit": "200", "personal": "none", **({"cursor": page["cursor"]} if page["cursor"] else {})}
        async with world.session.get(f"{world.url}/v1/handoff/events", params=query, headers=HEADERS) as answer:
            page = await answer.json()
        found += [event["id"] for event in page["events"]]
    return found


def _streamed(world: World) -> set[str]:
    with Redis.from_url(world.redis.url) as redis:
        return {fields[b"id"].decode() for _, fields in redis.xrange("{tingsu}:handoff")}


async def until_delivered(world: World, seconds: float) -> list[str]:
    """Waits until nothing is pending; what still is after `seconds` is wrong."""
    pending = -1
    for _ in range(int(seconds)):
        async with world.session.get(f"{world.url}/v1/webhooks", headers=HEADERS) as answer:
            hook = (await answer.json())["webhooks"][0]
        pending = hook["pending"]
        if hook["dead"]:
            return [f"dead letters: {hook['dead']}"]
        if not pending:
            return []
        await asyncio.sleep(1)
    return [f"not delivered after {seconds:.0f} s: {pending}"]


def _out_of_order(lines: list[dict[str, Any]]) -> list[str]:
    """First deliveries of one ticket come in the order of its versions."""
    seen: set[str] = set()
    newest: dict[str, int] = {}
    wrong = []
    for line in lines:
        if line["id"] in seen:
            continue
        seen.add(line["id"])
        number, version = line["body"]["data"]["ticket_no"], line["body"]["data"]["version"]
        if version < newest.get(number, 0):
            wrong.append(f"{number} {version} after {newest[number]}")
        newest[number] = max(version, newest.get(number, 0))
    return wrong


def audited(world: World) -> list[str]:
    """The operator's own command finds the chain whole."""
    command = [sys.executable, "-m", "api.commands.audit_verify"]
    done = subprocess.run(command, cwd=ROOT, env=world.environment, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"audit chain: {done.stdout.strip()} {done.stderr.strip()[-200:]}"]


def integrity(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return [] if found == "ok" else [f"integrity_check: {found}"]


def _told(what: str, cases: list[str]) -> list[str]:
    return [f"{what}: {len(cases)} ({'; '.join(cases[:_SHOWN])})"] if cases else []
