"""Events for systems that ask: in order, none skipped, no more told than the caller may know."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select

from api.core.models import audit
from api.tickets.handoff import repository
from api.tickets.handoff.models import outbox
from tests.api.conftest import Bridge, Start

CARD = "6222021234567890128"


async def pulled(bridge: Bridge, count: int, cursor: str | None = None, **params: Any) -> dict[str, Any]:
    """The page once `count` events stand in it."""
    page: dict[str, Any] = {}
    for _ in range(200):
        asked = {**params, **({"cursor": cursor} if cursor else {})}
        response = await bridge.http.get("/v1/handoff/events", params=asked, headers=bridge.key())
        assert response.status_code == 200, response.text
        page = response.json()
        if len(page["events"]) >= count:
            return page
        await asyncio.sleep(0.02)
    raise AssertionError(page)


async def do(bridge: Bridge, number: str, **event: Any) -> None:
    done = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
    assert done.status_code == 201, done.text


@pytest.fixture
async def number(bridge: Bridge) -> str:
    filed = await bridge.file(name="王女士", narrative_raw=f"卡号{CARD}，回电13900001111，柜员让我等")
    return str(filed.json()["ticket_no"])


# Refused


@pytest.mark.parametrize("role", ["agent", "handler", "supervisor", "auditor"])
async def test_people_do_not_pull(bridge: Bridge, role: str) -> None:
    assert (await bridge.http.get("/v1/handoff/events", headers=bridge.key(role))).status_code == 403


@pytest.mark.parametrize("cursor", ["x", "MTIzfDE", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
async def test_a_cursor_that_was_made_up_is_refused(bridge: Bridge, cursor: str) -> None:
    refused = await bridge.http.get("/v1/handoff/events", params={"cursor": cursor}, headers=bridge.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_cursor")


async def test_a_cursor_of_a_later_state_is_refused_rather_than_waiting_for_ever(bridge: Bridge, number: str) -> None:
    cursor = (await pulled(bridge, 1))["cursor"]
    ahead = {"cursor": str(int(cursor) + 1)}
    refused = await bridge.http.get("/v1/handoff/events", params=ahead, headers=bridge.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "cursor_ahead")
    assert "不带 cursor" in refused.json()["error"]["message"]


async def test_an_event_that_does_not_exist_cannot_be_acknowledged(bridge: Bridge) -> None:
    body = {"event_id": "evt_TS1_1", "consumer": "crm"}
    refused = await bridge.http.post("/v1/handoff/ack", json=body, headers=bridge.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "event_not_found")


async def test_nobody_posts_a_receipt_as_an_event(bridge: Bridge, number: str) -> None:
    posted = await bridge.http.post(f"/v1/tickets/{number}/events", json={"type": "receipt"}, headers=bridge.key())
    assert posted.status_code == 403


# In order


async def test_every_change_comes_once_with_its_version(bridge: Bridge, number: str) -> None:
    await do(bridge, number, type="accept")
    await do(bridge, number, type="comment", text="已联系网点")
    events = (await pulled(bridge, 3))["events"]
    assert [event["type"] for event in events] == ["ticket.create", "ticket.accept", "ticket.comment"]
    assert [event["data"]["version"] for event in events] == [1, 2, 3]
    assert [event["id"] for event in events] == [f"evt_{number}_{version}" for version in (1, 2, 3)]
    assert [event["data"]["ticket"]["state"] for event in events] == ["new", "accepted", "accepted"]
    assert events[2]["data"]["event"]["data"] == {"text": "已联系网点"}


async def test_the_cursor_goes_on_where_it_was(bridge: Bridge, number: str) -> None:
    for text in ("一", "二", "三"):
        await do(bridge, number, type="comment", text=text)
    await pulled(bridge, 4)
    seen: list[int] = []
    cursor, more = None, True
    while more:
        page = await pulled(bridge, 0, cursor, limit=3)
        seen += [event["data"]["version"] for event in page["events"]]
        cursor, more = page["cursor"], page["more"]
    assert seen == [1, 2, 3, 4]
    await do(bridge, number, type="comment", text="四")
    assert [event["data"]["version"] for event in (await pulled(bridge, 1, cursor))["events"]] == [5]


async def test_the_cursor_passes_what_was_not_wanted(bridge: Bridge, number: str) -> None:
    await pulled(bridge, 1)
    page = await pulled(bridge, 0, type="ticket.close")
    assert (page["events"], page["more"]) == ([], False)
    assert (await pulled(bridge, 0, page["cursor"]))["events"] == []


async def test_a_joined_complaint_is_a_version_of_its_ticket(bridge: Bridge, number: str) -> None:
    await bridge.file(narrative_raw="又让我等了")
    events = (await pulled(bridge, 2))["events"]
    assert [(event["type"], event["data"]["version"]) for event in events] == [
        ("ticket.create", 1),
        ("ticket.merge", 2),
    ]
    assert events[1]["data"]["ticket"]["repeat_count"] == 1


async def test_rows_of_the_version_before_get_their_keys(bridge: Bridge, number: str) -> None:
    """Such a process wrote neither event id nor version nor snapshot."""
    context = bridge.app.state.context
    row = {"ticket_no": number, "type": "ticket.comment", "state": "new", "created_at": context.clock.now()}
    await context.db.write(lambda connection: connection.execute(insert(outbox), row) and None)
    old = (await pulled(bridge, 2))["events"][1]
    assert (old["id"], old["data"]["version"], old["data"]["ticket"]) == (f"evt_{number}_2", 2, None)


async def test_two_processes_give_each_event_one_position(start: Start) -> None:
    """Both relays at work on one file, whatever SQLite makes of their locks."""
    bridge = await start()
    db, now = bridge.app.state.context.db, bridge.app.state.context.clock.now()
    rows = [
        {"ticket_no": f"T{number}", "type": "ticket.create", "state": "new", "created_at": now}
        for number in range(1200)
    ]
    await db.write(lambda connection: connection.execute(insert(outbox), rows) and None)
    relay = bridge.app.state.handoff
    await asyncio.gather(*(relay.number() for _ in range(5)))
    positions = await db.read(
        lambda connection: connection.execute(select(outbox.c.position).order_by(outbox.c.id)).scalars().all()
    )
    assert positions == list(range(1, 1201))


# What is told


async def test_by_default_the_person_is_masked(bridge: Bridge, number: str) -> None:
    (event,) = (await pulled(bridge, 1))["events"]
    ticket = event["data"]["ticket"]
    assert (ticket["name"], ticket["phone"]) == ("王**", "138****8000")
    assert ticket["narrative_raw"] == "卡号622202*********0128，回电139****1111，柜员让我等"


async def test_without_personal_data_only_codes_are_left(bridge: Bridge, number: str) -> None:
    await do(bridge, number, type="comment", text="客户王女士催得急")
    events = (await pulled(bridge, 2, personal="none"))["events"]
    assert not {"name", "phone", "narrative_raw", "summary", "special_group"} & events[0]["data"]["ticket"].keys()
    assert (events[0]["data"]["ticket"]["cause_l1"], events[1]["data"]["event"]["data"]) == ("C5", {})


async def test_in_full_a_card_number_still_stays(bridge: Bridge, number: str) -> None:
    response = await bridge.http.get("/v1/handoff/events", params={"personal": "full"}, headers=bridge.key())
    (event,) = (await pulled(bridge, 1, personal="full"))["events"]
    assert (event["data"]["ticket"]["name"], event["data"]["ticket"]["phone"]) == ("王女士", "13800138000")
    assert CARD not in response.text


async def test_a_sealed_ticket_comes_only_by_the_name_of_its_unit(bridge: Bridge) -> None:
    sealed = (await bridge.file(cause_l1="C8")).json()
    await bridge.file(phone="13900000002")
    (event,) = (await pulled(bridge, 1))["events"]
    assert event["data"]["ticket_no"] != sealed["ticket_no"]
    assert (await pulled(bridge, 1, sealed_unit="办公室"))["events"] == [event]
    both = (await pulled(bridge, 2, sealed_unit=sealed["route"]))["events"]
    assert both[0]["data"]["ticket_no"] == sealed["ticket_no"]


async def test_what_is_sealed_later_takes_its_past_with_it(bridge: Bridge, number: str) -> None:
    await pulled(bridge, 1)
    await do(bridge, number, type="correct", fields={"cause_l1": "C8"})
    await asyncio.sleep(0.1)
    assert (await pulled(bridge, 0))["events"] == []


async def test_whoever_pulls_personal_data_leaves_a_trace(bridge: Bridge, number: str) -> None:
    await pulled(bridge, 1, personal="none")

    async def traces() -> list[Any]:
        rows = await bridge.app.state.context.db.read(
            lambda connection: connection.execute(select(audit).where(audit.c.action == "ticket.pull")).all()
        )
        return [(row.who, row.changes["ticket_nos"][1], row.changes["personal"][1]) for row in rows]

    assert await traces() == []
    await pulled(bridge, 1)
    assert await traces() == [("key:admin", [number], "masked")]


async def test_snapshots_are_encrypted_and_can_be_purged(bridge: Bridge, number: str) -> None:
    db = bridge.app.state.context.db
    raw = await db.read(lambda connection: connection.exec_driver_sql("SELECT payload FROM outbox").scalar_one())
    assert "柜员".encode() not in raw
    await db.write(lambda connection: repository.stop(connection, number))
    (event,) = (await pulled(bridge, 1))["events"]
    assert (event["id"], event["data"]["ticket"], event["data"]["event"]) == (f"evt_{number}_1", None, None)


# Acknowledged


async def acked(bridge: Bridge, event_id: str, **more: Any) -> dict[str, Any]:
    body = {"event_id": event_id, "consumer": "crm", **more}
    response = await bridge.http.post("/v1/handoff/ack", json=body, headers=bridge.key())
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_their_number_stands_in_the_thread_once(bridge: Bridge, number: str) -> None:
    first = await acked(bridge, f"evt_{number}_1", external_ref="CRM-1")
    again = await acked(bridge, f"evt_{number}_1", external_ref="CRM-1")
    assert (first["repeated"], again["repeated"]) == (False, True)
    # The entry is an event of its own; whoever acknowledges that too starts no endless chain.
    await acked(bridge, f"evt_{number}_2", external_ref="CRM-1")
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    receipts = [event["data"] for event in ticket["events"] if event["type"] == "receipt"]
    assert receipts == [{"consumer": "crm", "external_ref": "CRM-1"}]
    assert ticket["state"] == "new"


async def test_their_number_may_come_later_or_change(bridge: Bridge, number: str) -> None:
    """As of a back office that first takes the event and opens its case afterwards."""
    event = f"evt_{number}_1"
    for reference in (None, "CRM-1", "CRM-1", "CRM-2", "CRM-2", None, "CRM-1"):
        await acked(bridge, event, **({"external_ref": reference} if reference else {}))
    await acked(bridge, f"evt_{number}_2", external_ref="CRM-1")  # the same number under another event is not new
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    told = [event["data"]["external_ref"] for event in ticket["events"] if event["type"] == "receipt"]
    assert told == ["CRM-1", "CRM-2", "CRM-1"]


async def test_acknowledging_at_the_same_moment_counts_once(bridge: Bridge, number: str) -> None:
    answers = await asyncio.gather(*(acked(bridge, f"evt_{number}_1", external_ref="CRM-1") for _ in range(8)))
    assert sorted(answer["repeated"] for answer in answers) == [False] + [True] * 7
