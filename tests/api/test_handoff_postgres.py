"""PostgreSQL shows a lower number after a higher one when the first transaction takes longer: nothing may be skipped."""

import asyncio

import psycopg
import pytest

from tests.api.conftest import Bridge, Start
from tests.api.receiver import Receiver
from tests.api.stores import Store
from tests.api.test_handoff_pull import do, pulled
from tests.api.test_webhooks import QUICK, comment, filed, webhook

pytestmark = pytest.mark.only_on("postgresql", reason="SQLite has one transaction at a time")

ROW = "INSERT INTO outbox (ticket_no, type, state, created_at) VALUES (%s, 'ticket.create', 'new', now()) RETURNING id"


@pytest.fixture
def database(store: Store) -> str:
    return store.database_url or ""


async def test_a_slow_transaction_is_not_skipped(bridge: Bridge, database: str) -> None:
    with psycopg.connect(database) as slow, psycopg.connect(database) as fast:
        first = slow.execute(ROW, ("SLOW",)).fetchone()
        second = fast.execute(ROW, ("FAST",)).fetchone()
        assert first is not None
        assert second is not None
        assert first[0] < second[0]
        fast.commit()
        page = await pulled(bridge, 1)
        assert [event["data"]["ticket_no"] for event in page["events"]] == ["FAST"]
        slow.commit()
        late = await pulled(bridge, 1, page["cursor"])
        assert [event["data"]["ticket_no"] for event in late["events"]] == ["SLOW"]


async def test_two_relays_and_many_writers_leave_no_gap(start: Start, database: str) -> None:
    first, second = await asyncio.gather(start(), start())
    filed = await asyncio.gather(
        *(bridge.file(phone=f"1390000{n:04}") for n in range(20) for bridge in (first, second))
    )
    numbers = {answer.json()["ticket_no"] for answer in filed}
    await asyncio.gather(*(do(first, number, type="accept") for number in numbers))
    events = (await pulled(second, 20 + len(numbers), limit=200))["events"]
    for number in numbers:
        versions = [event["data"]["version"] for event in events if event["data"]["ticket_no"] == number]
        assert versions == sorted(versions)
    with psycopg.connect(database) as connection:
        positions = [row[0] for row in connection.execute("SELECT position FROM outbox ORDER BY position")]
    assert positions == list(range(1, len(positions) + 1))


async def test_two_processes_deliver_each_event_once_and_in_order(start: Start) -> None:
    receiver = await Receiver().start()
    first, second = await asyncio.gather(start(**QUICK), start(**QUICK))
    await webhook(first, receiver.url)
    numbers = await filed(first, *range(8)) + await filed(second, *range(8, 16))
    for text in ("一", "二", "三"):
        await asyncio.gather(*(comment(bridge, number, text) for bridge in (first, second) for number in numbers[::2]))
    await receiver.until(16 + 8 * 6, seconds=40)
    await asyncio.sleep(0.3)
    ids = [event["id"] for event in receiver.events]
    assert len(ids) == len(set(ids)) == 16 + 8 * 6
    assert [receiver.versions(number) for number in numbers[::2]] == [[1, 2, 3, 4, 5, 6, 7]] * 8
    await receiver.server.stop()
