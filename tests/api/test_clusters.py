"""Cluster alarms: counted by customer, one incident while it is open, nothing told before a supervisor confirms it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.desk.clusters import ClusterWatch
from tests.api.conftest import Bridge, Start
from tests.api.stores import Store
from tests.api.test_tickets import filed, read

NOON = "2026-11-25T12:00:00+08:00"
STORIES = ("叫号机坏了没人管", "窗口只开一个等了半天", "贵宾插队没人说")


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(clock=NOON)
    return started


def later(bridge: Bridge, **by: float) -> None:
    bridge.app.state.context.clock._offset += timedelta(**by)


async def look(bridge: Bridge) -> None:
    await ClusterWatch(bridge.app.state.context, bridge.app.state.playbook)()


async def complain(bridge: Bridge, count: int, *, first: int = 0, **body: Any) -> list[str]:
    """From as many customers."""
    body = {"cause_l1": "C3", "branch": "YT001", **body}
    return [await filed(bridge, **{"phone": f"1390000{number:04}", **body}) for number in range(first, first + count)]


async def incidents(bridge: Bridge) -> list[dict[str, Any]]:
    answer = await bridge.http.get("/v1/incidents", headers=bridge.key())
    assert answer.status_code == 200, answer.text
    return list(answer.json()["incidents"])


async def looks(bridge: Bridge) -> None:
    """As often as a process looks within a minute and a half."""
    watch = ClusterWatch(bridge.app.state.context, bridge.app.state.playbook)
    for _ in range(6):
        await watch()


async def pages(bridge: Bridge, *, open: bool = True) -> list[dict[str, Any]]:
    answer = await bridge.http.get("/v1/notices", params={"open": open}, headers=bridge.key())
    return list(answer.json()["notices"])


async def decide(bridge: Bridge, number: str, how: str, role: str = "supervisor") -> Any:
    return await bridge.http.post(f"/v1/incidents/{number}/{how}", headers=bridge.key(role))


# What makes no alarm


@pytest.mark.parametrize(
    ("count", "body"),
    [
        (2, {}),
        (3, {"branch": None}),
        (3, {"cause_l1": None}),
        (3, {"nature": "咨询"}),
        (3, {"cause_l1": "C8"}),
        (9, {"branch": None, "product": "手机银行"}),
    ],
    ids=["too few", "no branch", "no known cause", "no complaint", "sealed", "too few of a product"],
)
async def test_what_rings_nothing(bridge: Bridge, count: int, body: dict[str, Any]) -> None:
    await complain(bridge, count, **body)
    await look(bridge)
    assert (await incidents(bridge), await pages(bridge)) == ([], [])


async def test_one_customer_counts_once(bridge: Bridge) -> None:
    for number, story in enumerate(STORIES):
        await filed(bridge, narrative_raw=story, cause_l1="C3", branch="YT001", event_time=f"2026-11-0{number + 1}")
    await look(bridge)
    assert await incidents(bridge) == []


async def test_one_customer_who_writes_a_product_in_two_ways_counts_once(bridge: Bridge) -> None:
    """Counted by each way of writing there are ten of them."""
    product = {"branch": None, "cause_l1": "C6"}
    await complain(bridge, 9, product="手机银行", **product)
    again = {"narrative_raw": STORIES[0], "event_time": "2026-11-01", "amount": "300"}
    await filed(bridge, phone="13900000000", product="你们的手机银行", **product, **again)
    await look(bridge)
    assert await incidents(bridge) == []
    await complain(bridge, 1, first=9, product="手机银行", **product)
    await look(bridge)
    (incident,) = await incidents(bridge)
    assert "10位客户" in incident["message"]


async def test_an_hour_is_not_exceeded(bridge: Bridge) -> None:
    await complain(bridge, 2)
    later(bridge, minutes=61)
    await complain(bridge, 1, first=2)
    await look(bridge)
    assert await incidents(bridge) == []


async def test_what_was_withdrawn_counts_no_more(bridge: Bridge) -> None:
    numbers = await complain(bridge, 3)
    event = {"type": "withdraw", "reason": "误会"}
    await bridge.http.post(f"/v1/tickets/{numbers[0]}/events", json=event, headers=bridge.key())
    await look(bridge)
    assert await incidents(bridge) == []


# The alarm


async def test_three_of_a_branch_within_the_hour_open_a_draft_and_page_once(bridge: Bridge) -> None:
    numbers = await complain(bridge, 2)
    later(bridge, minutes=55)
    numbers += await complain(bridge, 1, first=2)
    for _ in range(2):
        await look(bridge)
    (incident,) = await incidents(bridge)
    assert (incident["status"], incident["kind"], incident["branches"]) == ("draft", "crowd", ["YT001"])
    assert (incident["running"], incident["banner"]) == (False, False)
    assert "3位客户" in incident["message"]
    (page,) = await pages(bridge)
    assert (page["kind"], page["level"], page["incident_no"]) == ("cluster", 4, incident["incident_no"])
    assert page["to_unit"] == "消费者权益保护部"
    for number in numbers:
        ticket = await read(bridge, number)
        assert ticket["incident_id"] == incident["incident_no"]
        assert [event["type"] for event in ticket["events"]] == ["create", "comment"]


async def test_ten_of_a_product_within_a_day_whatever_it_is_called(bridge: Bridge) -> None:
    for number in range(10):
        await complain(
            bridge, 1, first=number, branch=None, product=("手机银行", "你们的手机银行")[number % 2], cause_l1="C6"
        )
        later(bridge, hours=2)
    await look(bridge)
    (incident,) = await incidents(bridge)
    assert (incident["title"], incident["kind"]) == ("手机银行集中投诉", "cluster")


async def test_later_ones_join_and_open_no_second(bridge: Bridge) -> None:
    await complain(bridge, 3)
    await look(bridge)
    later(bridge, minutes=30)
    (number,) = await complain(bridge, 1, first=3)
    await look(bridge)
    (incident,) = await incidents(bridge)
    assert (await read(bridge, number))["incident_id"] == incident["incident_no"]
    shown = (await bridge.http.get(f"/v1/incidents/{incident['incident_no']}", headers=bridge.key())).json()
    assert (shown["tickets"], len(await pages(bridge))) == (4, 1)


@pytest.mark.parametrize("decided", [False, True])
async def test_an_incident_that_nobody_ended_silences_no_later_wave(bridge: Bridge, decided: bool) -> None:
    await complain(bridge, 3)
    await look(bridge)
    (first,) = await incidents(bridge)
    if decided:
        assert (await decide(bridge, first["incident_no"], "confirm")).status_code == 200
    later(bridge, days=30)
    (alone,) = await complain(bridge, 1, first=10)
    await look(bridge)
    assert (len(await incidents(bridge)), (await read(bridge, alone))["incident_id"]) == (1, None)
    await complain(bridge, 2, first=11)
    await look(bridge)
    assert (len(await incidents(bridge)), len(await pages(bridge))) == (2, 2)
    assert (await read(bridge, alone))["incident_id"] != first["incident_no"]


@pytest.mark.parametrize("decided", [False, True])
async def test_a_draft_that_nobody_decides_on_is_paged_once_in_each_period(bridge: Bridge, decided: bool) -> None:
    await complain(bridge, 3)
    await look(bridge)
    (incident,) = await incidents(bridge)
    if decided:
        assert (await decide(bridge, incident["incident_no"], "confirm")).status_code == 200
    for number in range(6):
        later(bridge, minutes=25)
        await complain(bridge, 1, first=10 + number)
        await look(bridge)
    assert len(await incidents(bridge)) == 1
    texts = [page["text"] for page in await pages(bridge, open=False)]
    assert len(texts) == (1 if decided else 2)
    assert decided or "8 张工单" in texts[0]


async def test_a_quiet_draft_is_paged_again_while_nobody_decides(bridge: Bridge) -> None:
    """Every two hours (sla.yml), and only the newest page is open: however long nobody looks, the list does not fill up."""
    await complain(bridge, 3)
    await look(bridge)
    (incident,) = await incidents(bridge)
    for _ in range(25):
        later(bridge, minutes=30)
        await looks(bridge)
    assert len(await pages(bridge, open=False)) == 1 + 6
    (page,) = await pages(bridge)
    assert (page["level"], page["incident_no"]) == (4, incident["incident_no"])
    assert "还没有人确认或作废" in page["text"]
    assert (await decide(bridge, incident["incident_no"], "confirm")).status_code == 200
    later(bridge, hours=9)
    await looks(bridge)
    assert len(await pages(bridge, open=False)) == 1 + 6


async def test_who_has_seen_the_page_is_left_alone_for_as_long(bridge: Bridge) -> None:
    await complain(bridge, 3)
    await look(bridge)
    counts = []
    later(bridge, minutes=110)
    (page,) = await pages(bridge)
    await bridge.http.post(f"/v1/notices/{page['id']}/acknowledge", headers=bridge.key())
    for minutes in (20, 80, 30, 30):
        later(bridge, minutes=minutes)
        await looks(bridge)
        counts.append(len(await pages(bridge, open=False)))
    assert counts == [1, 1, 2, 2]


# A clock that was hours ahead


async def test_a_draft_that_was_opened_by_a_clock_ahead_is_paged_again_as_any_other(bridge: Bridge) -> None:
    later(bridge, hours=8)
    await complain(bridge, 3)
    await look(bridge)
    later(bridge, hours=-8)
    await looks(bridge)
    assert len(await pages(bridge, open=False)) == 1
    later(bridge, hours=2)
    await looks(bridge)
    assert len(await pages(bridge, open=False)) == 2


@pytest.mark.parametrize("how", ["dismiss", "confirm"])
async def test_what_a_clock_ahead_has_opened_silences_nothing_once_it_is_right(bridge: Bridge, how: str) -> None:
    later(bridge, hours=8)
    await complain(bridge, 3)
    await look(bridge)
    (first,) = await incidents(bridge)
    assert (await decide(bridge, first["incident_no"], how)).status_code == 200
    later(bridge, hours=-8)
    await looks(bridge)
    assert len(await incidents(bridge)) == 1, "decided is decided"
    later(bridge, minutes=90)
    await complain(bridge, 3, first=10)
    for _ in range(2):
        await looks(bridge)
    assert (len(await incidents(bridge)), len(await pages(bridge, open=False))) == (2, 2)


async def test_complaints_on_both_sides_of_the_moment_at_which_it_is_set_right_are_one_cluster(bridge: Bridge) -> None:
    later(bridge, hours=8)
    await complain(bridge, 2)
    later(bridge, hours=-8)
    await complain(bridge, 1, first=2)
    for _ in range(2):
        await looks(bridge)
    assert len(await incidents(bridge)) == 1


async def test_a_sealed_one_joins_nothing(bridge: Bridge) -> None:
    await complain(bridge, 3)
    await look(bridge)
    (tip,) = await complain(bridge, 1, first=3, nature="举报")
    await look(bridge)
    assert (await read(bridge, tip))["incident_id"] is None


async def test_two_processes_open_one(start: Start, store: Store) -> None:
    first = await start(clock=NOON)
    second = await start(clock=NOON) if store.database_url else first
    await complain(first, 5)
    await asyncio.gather(*(look(bridge) for bridge in (first, second, first, second)))
    assert len(await incidents(first)) == len(await pages(second)) == 1


# Nothing unconfirmed is told


async def told(bridge: Bridge) -> tuple[int, int]:
    """How many incidents the bot knows, and how many customers see above their window."""
    known = (await bridge.http.get("/internal/branches", headers=bridge.internal)).json()["incidents"]
    return len(known), len((await bridge.http.get("/v1/public/incidents")).json()["incidents"])


@pytest.fixture
async def draft(bridge: Bridge) -> str:
    await complain(bridge, 3)
    await look(bridge)
    return str((await incidents(bridge))[0]["incident_no"])


@pytest.mark.parametrize("role", ["agent", "handler", "auditor"])
async def test_only_a_supervisor_decides(bridge: Bridge, draft: str, role: str) -> None:
    assert [(await decide(bridge, draft, how, role)).status_code for how in ("confirm", "dismiss")] == [403, 403]


async def test_a_draft_is_told_to_nobody_until_it_is_confirmed(bridge: Bridge, draft: str) -> None:
    change = {"banner": True, "message": "城东支行排队较长，请错峰办理"}
    await bridge.http.patch(f"/v1/incidents/{draft}", json=change, headers=bridge.key())
    assert await told(bridge) == (0, 0)
    for _ in range(2):
        confirmed = (await decide(bridge, draft, "confirm")).json()
        assert (confirmed["status"], confirmed["running"]) == ("confirmed", True)
    assert await told(bridge) == (1, 1)
    refused = await decide(bridge, draft, "dismiss")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "incident_confirmed")


async def test_a_dismissed_one_does_not_ring_again_by_itself(bridge: Bridge, draft: str) -> None:
    assert [(await decide(bridge, draft, "dismiss")).json()["status"] for _ in range(2)] == ["dismissed"] * 2
    assert (await decide(bridge, draft, "confirm")).json()["error"]["code"] == "incident_dismissed"
    later(bridge, minutes=5)
    await complain(bridge, 2, first=3)
    await look(bridge)
    assert (len(await incidents(bridge)), await told(bridge)) == (1, (0, 0))
    await complain(bridge, 1, first=5)
    await look(bridge)
    assert [one["status"] for one in await incidents(bridge)] == ["draft", "dismissed"]


async def test_a_known_incident_needs_no_alarm(bridge: Bridge) -> None:
    body = {"title": "系统升级", "from": NOON, "message": "系统升级中", "branches": ["YT001"]}
    known = (await bridge.http.post("/v1/incidents", json=body, headers=bridge.key())).json()["incident_no"]
    await complain(bridge, 4, incident_id=known)
    await look(bridge)
    assert len(await incidents(bridge)) == 1
