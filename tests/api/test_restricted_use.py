"""A closed ticket whose use is restricted leaves the house no more, by no way; whoever has it hears that its use ends."""

import asyncio
import csv
import io
from typing import Any

import pytest
import redis as client
from sqlalchemy import delete as remove

from api.tickets.handoff.models import outbox
from tests.api.conftest import ADMIN_PASSWORD, KEYS, Bridge, Start
from tests.api.receiver import Receiver, eventually
from tests.api.test_accounts import browser
from tests.api.test_desk import desk
from tests.api.test_handoff_pull import acked, pulled
from tests.api.test_handoff_stream import entries, key
from tests.api.test_integration_examples import Programs, programs
from tests.api.test_privacy import PHONE, YEARS, closed, delete, ending, event, pass_time
from tests.api.test_receiver_example import Example, example
from tests.api.test_reconciliation import PATH, later
from tests.api.test_webhooks import QUICK, call, deliveries, until, webhook

__all__ = ["example", "programs"]  # fixtures

OTHER = "13800138000"
LONG = (60.0,) * 4  # nothing is tried again while a test lasts


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(**QUICK)
    return started


async def restricted(bridge: Bridge, **body: Any) -> str:
    """The number of a closed ticket whose customer asked for its deletion within the years of the law."""
    number = await closed(bridge, phone=PHONE, name="王小明", **body)
    (kept,) = (await delete(bridge, phone=PHONE))["kept"]
    assert kept["ticket_no"] == number
    return number


def is_the_last_word(told: dict[str, Any], number: str, state: str = "closed_resolved") -> bool:
    """Number and state, and nothing else that was ever stored."""
    return told["type"] == "ticket.restricted" and told["data"] == {
        "ticket_no": number,
        "version": 5,
        "state": state,
        "event": None,
        "ticket": None,
    }


# By pull


async def test_the_feed_goes_past_what_it_no_longer_tells(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    before = await pulled(bridge, 5)
    await delete(bridge, phone=PHONE)
    other = (await bridge.file(phone=OTHER)).json()["ticket_no"]
    (last, created) = (await pulled(bridge, 2))["events"]
    assert is_the_last_word(last, number)
    assert (last["id"], created["data"]["ticket_no"]) == (f"evt_{number}_5_restricted", other)
    assert (await pulled(bridge, 2, before["cursor"]))["events"] == [last, created]
    seen, cursor, more = [], None, True
    while more:
        page = await pulled(bridge, 0, cursor, limit=1)
        seen += page["events"]
        cursor, more = page["cursor"], page["more"]
    assert seen == [last, created]
    assert (await pulled(bridge, 0, cursor))["events"] == []


async def test_whoever_asked_for_other_types_and_units_hears_it_too(bridge: Bridge) -> None:
    number = await restricted(bridge)
    (last,) = (await pulled(bridge, 1, type="ticket.create", unit="以前的部门"))["events"]
    assert is_the_last_word(last, number)


async def test_of_a_sealed_ticket_only_its_unit_hears_it(bridge: Bridge) -> None:
    number = await restricted(bridge, cause_l1="C8")
    route = (await persons_view(bridge, number))["route"]
    (last,) = (await pulled(bridge, 1, sealed_unit=route))["events"]
    assert is_the_last_word(last, number)
    assert (await pulled(bridge, 0))["events"] == []


async def test_a_number_of_theirs_is_no_longer_an_entry(bridge: Bridge) -> None:
    number = await restricted(bridge)
    await pulled(bridge, 1)
    assert (await acked(bridge, f"evt_{number}_5_restricted", external_ref="CRM-1"))["repeated"] is False
    assert (await persons_view(bridge, number))["version"] == 5


# By webhook


async def test_what_waits_is_withheld_and_only_the_last_word_arrives(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url, types=["ticket.create", "ticket.comment"])
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=False)
    number = await closed(bridge, phone=PHONE)
    await until(bridge, made, "pending", 2)
    await delete(bridge, phone=PHONE)
    assert {one["last_error"] for one in await until(bridge, made, "withheld", 2)} == {"restricted"}
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=True)
    (last,) = await receiver.until(1)
    assert is_the_last_word(last, number)


async def test_a_retry_that_waited_for_hours_does_not_hold_up_the_last_word(start: Start, receiver: Receiver) -> None:
    bridge: Bridge = await start(**QUICK | {"webhook_retries": LONG})
    made = await webhook(bridge, receiver.url)
    receiver.fails(500)
    number = await closed(bridge, phone=PHONE)
    await eventually(lambda: _tried(bridge, made))
    await delete(bridge, phone=PHONE)
    (last,) = await receiver.until(1)
    assert is_the_last_word(last, number)
    assert len(await until(bridge, made, "withheld", 5)) == 5


async def _tried(bridge: Bridge, made: dict[str, Any]) -> bool:
    return any(one["attempts"] for one in await deliveries(bridge, made, state="pending"))


async def test_dead_letters_and_replays_stay_in(start: Start, receiver: Receiver) -> None:
    bridge: Bridge = await start(**QUICK | {"webhook_retries": (0.05,)})
    made = await webhook(bridge, receiver.url)
    receiver.fails(500, 500)
    number = await closed(bridge, phone=PHONE)
    (dead,) = await until(bridge, made, "dead")
    await until(bridge, made, "delivered", 4)
    since = dead["happened_at"]
    await delete(bridge, phone=PHONE)
    await receiver.until(5)
    for body in ({}, {"since": since, "delivered": True}, {"event_id": dead["event_id"]}, {"event_id": f"evt_{number}_2"}):  # fmt: skip
        told = await call(bridge, "POST", f"/v1/webhooks/{made['id']}/replay", **body)
        assert told["replayed"] == (1 if "since" in body else 0), body
    late = await webhook(bridge, receiver.url + "/late")
    told = await call(bridge, "POST", f"/v1/webhooks/{late['id']}/replay", since=since)
    assert told["replayed"] == 1
    await receiver.until(7)
    await asyncio.sleep(0.2)
    assert all(is_the_last_word(one, number) for one in receiver.kept[4:])
    assert len(receiver.events) == 9  # the ticket's life, its beginning refused twice, and the last word three times


async def test_reconciliation_sends_nothing_of_it_again(bridge: Bridge, receiver: Receiver) -> None:
    number = await closed(bridge, phone=PHONE)
    await pulled(bridge, 5)
    made = await webhook(bridge, receiver.url)
    await delete(bridge, phone=PHONE)
    await until(bridge, made, "delivered")
    lost = remove(outbox).where(outbox.c.event_id == f"evt_{number}_3")
    await bridge.app.state.context.db.write(lambda connection: connection.execute(lost) and None)
    later(bridge)
    assert (await call(bridge, "POST", PATH, 201))["healed"] == 1
    await receiver.until(2)
    assert [(one["type"], one["data"]["ticket"]) for one in receiver.kept] == [("ticket.restricted", None)] * 2


# By the stream of Redis


async def test_what_stands_in_redis_is_taken_out(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    other = (await bridge.file(phone=OTHER)).json()["ticket_no"]
    await entries(bridge, 6)
    await delete(bridge, phone=PHONE)

    async def left() -> list[str] | None:
        found = await entries(bridge, 0)
        return [fields["ticket_no"] for _, fields in found] if len(found) == 2 else None

    assert await eventually(left) == [other, number]
    ((_, _), (entry, fields)) = await entries(bridge, 2)
    assert (entry, fields["type"]) == ("7-0", "ticket.restricted")
    with client.Redis.from_url(bridge.settings.redis_url or "") as flushed:
        flushed.delete(key(bridge))
    assert [entry for entry, _ in await entries(bridge, 2)] == ["6-0", "7-0"]


# By hand


@pytest.mark.parametrize("role", ["admin", "auditor", "supervisor"])
async def test_nobody_exports_it(bridge: Bridge, role: str) -> None:
    number = await restricted(bridge)
    other = (await bridge.file(phone=OTHER)).json()["ticket_no"]
    for params in ({}, {"q": PHONE}, {"q": number}):
        told = await bridge.http.get("/v1/tickets/export", params=params, headers=bridge.key(role))
        rows = list(csv.reader(io.StringIO(told.text)))[1:]
        assert [other] == [row[0] for row in rows] if not params else not rows


@pytest.mark.parametrize("role", ["agent", "handler", "supervisor", "auditor", "admin"])
async def test_no_other_system_finds_it(bridge: Bridge, role: str) -> None:
    number = await restricted(bridge)
    for params in ({}, {"q": PHONE}, {"q": number}, {"q": "交班"}):
        listed = await bridge.http.get("/v1/tickets", params=params, headers=bridge.key(role))
        assert listed.json()["tickets"] == [], params
    assert (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key(role))).status_code == 404


async def test_those_who_answer_for_it_still_find_it_at_the_desk(bridge: Bridge) -> None:
    number = await restricted(bridge)
    async with browser(bridge, "admin", ADMIN_PASSWORD) as http:
        (listed,) = (await http.get("/v1/tickets", params={"q": PHONE})).json()["tickets"]
    assert listed["ticket_no"] == number


async def persons_view(bridge: Bridge, number: str) -> dict[str, Any]:
    async with browser(bridge, "admin", ADMIN_PASSWORD) as http:
        told = await http.get(f"/v1/tickets/{number}")
        assert told.status_code == 200, told.text
        return dict(told.json())


async def test_a_desk_that_was_away_hears_only_that_it_is_gone(bridge: Bridge) -> None:
    number = await restricted(bridge)
    found = await desk(bridge, lambda told: any(name == "ticket" for name, _, _ in told), last=0)
    told = [(data["ticket_no"], data["type"]) for name, _, data in found if name == "ticket"]
    assert told == [(number, "ticket.restricted")]


# From when on


async def test_an_open_ticket_goes_on_leaving_until_it_ends(bridge: Bridge) -> None:
    number = (await bridge.file(phone=PHONE)).json()["ticket_no"]
    await delete(bridge, phone=PHONE)
    await event(bridge, number, type="accept")
    events = (await pulled(bridge, 2))["events"]
    assert [one["type"] for one in events] == ["ticket.create", "ticket.accept"]
    assert events[1]["data"]["ticket"]["phone"] == "139****5678"
    await event(bridge, number, type="resolve", outcome="道歉", root_cause="等", corrective_action="谈", text="好")
    await event(bridge, number, type="close", text="满意")
    (last,) = await eventually(lambda: _only_the_last(bridge))
    assert (last["type"], last["id"], last["data"]["state"]) == (
        "ticket.restricted",
        f"evt_{number}_4",
        "closed_resolved",
    )
    assert (last["data"]["event"], last["data"]["ticket"]) == (None, None)


async def _only_the_last(bridge: Bridge) -> list[dict[str, Any]] | None:
    events: list[dict[str, Any]] = (await pulled(bridge, 0))["events"]
    return events if len(events) == 1 else None


async def test_asked_twice_it_is_told_once(bridge: Bridge) -> None:
    await restricted(bridge)
    await delete(bridge, phone=PHONE)
    await asyncio.sleep(0.1)
    assert len((await pulled(bridge, 1))["events"]) == 1


async def test_who_has_it_hears_that_it_was_anonymised(bridge: Bridge, receiver: Receiver) -> None:
    number = await closed(bridge, phone=PHONE)
    await pulled(bridge, 5)
    await webhook(bridge, receiver.url, types=["ticket.create"])
    pass_time(bridge, YEARS)
    assert (await ending(bridge)).tickets == 1
    (last,) = await receiver.until(1)
    assert (last["type"], last["id"]) == ("ticket.erased", f"evt_{number}_5_erased")
    assert (last["data"]["ticket"], last["data"]["event"]) == (None, None)


async def test_the_receivers_of_the_documentation_forget(start: Start, example: Example, programs: Programs) -> None:
    bridge: Bridge = await start(**QUICK)
    made = await webhook(bridge, example.url)
    await example.start(made["secret"])
    programs.start("pull.py", TINGSU_URL=bridge.url, TINGSU_API_KEY=KEYS["admin"])
    await closed(bridge, phone=PHONE, name="王小明")
    await example.has_done(5)
    await programs.has(5)
    assert "王**" in str(programs.rows())
    await delete(bridge, phone=PHONE)
    await example.has_done(6)
    await programs.has(6)
    kept = str(programs.rows()) + str(example.rows("SELECT body FROM inbox"))
    assert "ticket.restricted" in kept
    assert "王**" not in kept
