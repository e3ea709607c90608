"""What was lost on the way is found at night, sent again under its old id, and told."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, update

from api.commands import reconcile
from api.tickets.handoff import repository as events
from api.tickets.handoff.models import outbox
from api.tickets.handoff.reconciliation import service
from api.tickets.handoff.reconciliation.models import reconciliations
from api.tickets.handoff.reconciliation.service import Reconciler
from api.tickets.handoff.webhooks.models import deliveries
from api.tickets.models import ticket_events
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.receiver import Receiver
from tests.api.test_handoff_pull import acked, pulled
from tests.api.test_webhooks import QUICK, call, comment, filed, notices, until, webhook

PATH = "/v1/handoff/reconciliations"


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(**QUICK)
    return started


def later(bridge: Bridge) -> None:
    """What is younger than five minutes may be on its way."""
    bridge.app.state.context.clock._offset += timedelta(minutes=6)


def a_day_later(bridge: Bridge) -> None:
    bridge.app.state.context.clock._offset += timedelta(hours=25)


async def write(bridge: Bridge, statement: Any) -> None:
    await bridge.app.state.context.db.write(lambda connection: connection.execute(statement) and None)


# Refused


@pytest.mark.parametrize("role", ["agent", "handler", "supervisor", "auditor"])
async def test_only_administrators_start_one(bridge: Bridge, role: str) -> None:
    assert (await bridge.http.post(PATH, headers=bridge.key(role))).status_code == 403


# Found


async def test_when_everything_arrived_nothing_is_missing(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    (number, _) = await filed(bridge, 1, 2)
    await comment(bridge, number, "一")
    await until(bridge, made, "delivered", 3)
    await acked(bridge, f"evt_{number}_1")
    later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["missing"], report["healed"]) == (0, 0)
    assert (report["threads"]["entries"], report["threads"]["events"]) == (3, 3)
    (seen,) = report["webhooks"]
    assert (seen["expected"], seen["delivered"], seen["pending"], seen["dead"]) == (3, 3, 0, 0)
    assert report["stream"] == {"position": 3, "behind": 0}
    assert report["consumers"] == [{"consumer": "crm", "acknowledged": 1, "position": 1}]
    assert await notices(bridge, "reconciliation") == []


async def test_what_is_on_its_way_is_not_missing(bridge: Bridge, receiver: Receiver) -> None:
    await filed(bridge, 1)
    assert (await call(bridge, "POST", PATH, 201))["missing"] == 0


async def test_an_entry_that_no_event_tells_of_is_told_under_its_own_id(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    (number,) = await filed(bridge, 1)
    await comment(bridge, number, "一")
    await until(bridge, made, "delivered", 2)
    await write(bridge, delete(deliveries).where(deliveries.c.event_id == f"evt_{number}_2"))
    await write(bridge, delete(outbox).where(outbox.c.event_id == f"evt_{number}_2"))
    later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["missing"], report["healed"]) == (1, 1)
    assert report["threads"]["event_ids"] == [f"evt_{number}_2"]
    events = await receiver.until(3)
    assert (events[2]["id"], events[2]["data"]["event"]["data"]) == (f"evt_{number}_2", {"text": "一"})
    assert [event["data"]["version"] for event in (await pulled(bridge, 2))["events"]] == [1, 2]
    assert len(await notices(bridge, "reconciliation")) == 1
    later(bridge)
    assert (await call(bridge, "POST", PATH, 201))["missing"] == 0


async def test_a_delivery_that_was_never_made_is_made(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    numbers = await filed(bridge, 1, 2)
    await until(bridge, made, "delivered", 2)
    await write(bridge, delete(deliveries).where(deliveries.c.event_id == f"evt_{numbers[1]}_1"))
    later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["missing"], report["healed"], report["webhooks"][0]["without_delivery"]) == (1, 1, 1)
    assert [event["id"] for event in await receiver.until(3)][2] == f"evt_{numbers[1]}_1"


async def test_dead_letters_are_named_and_wait_for_a_human(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[500] * 5)
    await filed(bridge, 1)
    await until(bridge, made, "dead")
    later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["missing"], report["healed"], report["webhooks"][0]["dead"]) == (1, 0, 1)


async def test_dead_letters_are_named_however_old_the_event_is(bridge: Bridge, receiver: Receiver) -> None:
    """The last try comes days after the event."""
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[500] * 5)
    await filed(bridge, 1)
    await until(bridge, made, "dead")
    for _ in range(2):
        a_day_later(bridge)
        report = await call(bridge, "POST", PATH, 201)
        assert (report["missing"], report["webhooks"][0]["dead"]) == (1, 1)


async def test_what_one_run_leaves_the_next_ones_find(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_AT_ONCE", 2)
    monkeypatch.setattr(service, "_AGAIN_AT_LEAST", 0)
    numbers = await filed(bridge, 1, 2, 3, 4, 5)
    await pulled(bridge, 5)
    await write(bridge, delete(outbox))
    found: list[str] = []
    for missing, more in ((2, True), (2, True), (1, False)):
        a_day_later(bridge)
        report = await call(bridge, "POST", PATH, 201)
        told = report["threads"]
        assert (told["without_event"], report["healed"], told["more"]) == (missing, missing, more)
        found += told["event_ids"]
    assert found == [f"evt_{number}_1" for number in numbers]


@pytest.mark.parametrize("hours", [8, -8], ids=["ahead", "behind"])
async def test_a_clock_that_was_wrong_and_is_set_right_hides_nothing(bridge: Bridge, hours: int) -> None:
    clock = bridge.app.state.context.clock
    await filed(bridge, 1)
    await pulled(bridge, 1)
    clock._offset += timedelta(hours=hours)
    await call(bridge, "POST", PATH, 201)
    await filed(bridge, 2)
    await pulled(bridge, 2)
    clock._offset -= timedelta(hours=hours)
    await filed(bridge, 3)
    await pulled(bridge, 3)
    await write(bridge, delete(outbox))
    clock._offset += timedelta(hours=2)
    assert (await call(bridge, "POST", PATH, 201))["missing"] == 3


async def test_after_a_report_of_the_version_before_the_time_says_where_to_begin(bridge: Bridge) -> None:
    await filed(bridge, 1)
    await pulled(bridge, 1)
    a_day_later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    kept = {name: dict(report[name]) for name in ("threads", "relay")}
    for part in kept.values():
        del part["next_after"]
    await write(
        bridge, update(reconciliations).values(report={**kept, "webhooks": [], "stream": None, "consumers": []})
    )
    await filed(bridge, 2)
    await pulled(bridge, 2)
    await write(bridge, delete(outbox))
    a_day_later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["threads"]["entries"], report["missing"]) == (1, 1)


@pytest.mark.only_on("sqlite", reason="PostgreSQL plans by what it knows of the tables, which are empty here")
async def test_it_reads_nothing_but_what_is_new(bridge: Bridge, receiver: Receiver) -> None:
    await webhook(bridge, receiver.url)
    await filed(bridge, 1, 2)
    await pulled(bridge, 2)
    db, now = bridge.app.state.context.db, bridge.app.state.context.clock.now()
    plans = await db.read(lambda connection: plans_of(connection, lambda: compare(connection, now)))
    plans += await db.write(lambda connection: plans_of(connection, lambda: events.purge(connection, now)))
    big = ("ticket_events", "outbox", "webhook_deliveries", "handoff_acks", "tickets")
    scanned = [step for step in plans if any(step.startswith(f"SCAN {table}") for table in big)]
    newest_first = {"SCAN ticket_events", "SCAN outbox USING INDEX uq_outbox_position"}
    waiting = {"SCAN outbox USING INDEX ix_outbox_waiting"}
    assert set(scanned) <= newest_first | waiting
    assert any("ix_outbox_kept" in step for step in plans)


def compare(connection: Connection, now: datetime) -> None:
    Reconciler(now + timedelta(days=1), 0, events.Sieve()).compare(connection)


def plans_of(connection: Connection, work: Callable[[], Any]) -> list[str]:
    """What SQLite does for each statement of `work`."""
    seen: list[tuple[str, Any]] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    explained = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {told}", given) for told, given in seen]
    return [row[3] for rows in explained for row in rows]


async def test_without_redis_the_rest_is_compared(start: Start) -> None:
    bridge = await start(**QUICK, redis_url=None)
    await filed(bridge, 1)
    await pulled(bridge, 1)
    later(bridge)
    report = await call(bridge, "POST", PATH, 201)
    assert (report["missing"], report["stream"]) == (0, None)


async def test_reports_are_kept_the_newest_first(bridge: Bridge) -> None:
    for _ in range(3):
        await call(bridge, "POST", PATH, 201)
    page = await call(bridge, "GET", PATH, limit=2)
    assert [one["id"] for one in page["reconciliations"]] == [3, 2]
    rest = await call(bridge, "GET", PATH, cursor=page["next_cursor"])
    assert [one["id"] for one in rest["reconciliations"]] == [1]


async def test_it_runs_every_night(bridge: Bridge) -> None:
    jobs = bridge.app.state.context.jobs
    assert "handoff_reconciliation" in jobs._jobs


# The command


@pytest.mark.only_on("sqlite", reason="PostgreSQL has any number of writers")
async def test_the_command_only_looks_while_a_server_writes(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    (number,) = await filed(bridge, 1)
    await pulled(bridge, 1)
    hour_ago = bridge.app.state.context.clock.now() - timedelta(hours=1)
    await write(bridge, delete(outbox))
    await write(bridge, _older(hour_ago))
    code = await _in_thread(lambda: reconcile.main(bridge.settings))
    printed = capsys.readouterr().out
    assert (code, f"evt_{number}_1" in printed, "缺 1 项，已补 0 项" in printed) == (1, True, True)
    assert (await call(bridge, "GET", PATH))["reconciliations"] == []


async def test_the_command_heals_when_nobody_else_writes(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    await filed(bridge, 1)
    await pulled(bridge, 1)
    hour_ago = bridge.app.state.context.clock.now() - timedelta(hours=1)
    await write(bridge, delete(outbox))
    await write(bridge, _older(hour_ago))
    await bridge.stop()
    assert await _in_thread(lambda: reconcile.main(bridge.settings)) == 1
    assert "已补 1 项" in capsys.readouterr().out
    # The event is there again; it waits for a server whose relay hands it on.
    await _in_thread(lambda: reconcile.main(bridge.settings))
    printed = capsys.readouterr().out
    assert ('"without_event": 0' in printed, '"waiting": 1' in printed) == (True, True)


def test_the_command_says_when_there_is_no_database(tmp_path: Any) -> None:
    environment = {"PYTHONPATH": str(ROOT), "TINGSU_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "api.commands.reconcile"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "核对不了" in done.stderr) == (2, True)


def _older(moment: Any) -> Any:
    return update(ticket_events).values(created_at=moment)


async def _in_thread(work: Any) -> Any:
    return await asyncio.to_thread(work)
