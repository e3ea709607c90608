"""A level that rises in a ticket asks the routing rules again: who gets it, who keeps it, who hears of it; over HTTP."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from api.core.security import Role
from api.tickets import repository
from api.tickets.lifecycle import state_of
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.test_handing import BRANCH, FALLBACK, TIPS, does, member
from tests.api.test_staff import code
from tests.api.test_ticket_events import by_bot, do, done
from tests.api.test_tickets import filed, read

CHIEFS = "应急领导小组"
OTHERS = ["综合部", "办公室"]


@pytest.fixture
async def number(bridge: Bridge) -> str:
    return await filed(bridge)


async def rises(bridge: Bridge, number: str, level: int = 3, **more: Any) -> dict[str, Any]:
    return await done(bridge, number, "comment", "agent", text="客户说要去12378", level=level, **more)


async def told(bridge: Bridge) -> list[tuple[str | None, int]]:
    notices = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    return sorted((one["to_unit"], one["level"]) for one in notices if one["kind"] == "level")


async def agrees(bridge: Bridge, number: str) -> bool:
    entries = await bridge.app.state.context.db.read(lambda connection: repository.events_of(connection, number))
    return bool(state_of(entries) == (await read(bridge, number))["state"])


# What moves nothing


@pytest.mark.parametrize("level", [0, 2])
async def test_a_level_that_no_rule_names_moves_nothing(bridge: Bridge, number: str, level: int) -> None:
    ticket = await rises(bridge, number, level)
    assert (ticket["level_peak"], ticket["route"], len(ticket["events"])) == (level, BRANCH, 2)
    assert await told(bridge) == []


async def test_a_level_never_falls(bridge: Bridge) -> None:
    number = await filed(bridge, level=4)
    ticket = await rises(bridge, number)
    assert (ticket["level_peak"], ticket["route"]) == (4, CHIEFS)
    assert "level" not in ticket["events"][-1]["data"]


@pytest.mark.parametrize("kind", ["accept", "assign"])
async def test_levels_come_with_what_was_heard_only(bridge: Bridge, number: str, kind: str) -> None:
    assert code(await do(bridge, number, kind, owner="an", level=3)) == (422, "event_invalid")
    assert code(await do(bridge, number, "comment", text="x", level=5)) == (422, "invalid_request")


async def test_whoever_a_higher_level_names_keeps_it(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "assign", "supervisor", route=CHIEFS)
    await done(bridge, number, "accept", owner="an")
    ticket = await rises(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["owner"]) == ("accepted", CHIEFS, "an")
    assert set(ticket["copied"]) >= {FALLBACK, *OTHERS}
    assert await told(bridge) == sorted([(CHIEFS, 3), (FALLBACK, 3)])


async def test_a_report_stays_with_those_it_is_sealed_to(bridge: Bridge) -> None:
    number = await filed(bridge, nature="举报", cause_l1="C8")
    ticket = await done(bridge, number, "comment", "supervisor", text="说要曝光", level=4)
    assert (ticket["route"], ticket["level_peak"]) == (TIPS, 4)
    assert await told(bridge) == []


async def test_a_unit_complained_of_does_not_get_it_by_anger(bridge: Bridge) -> None:
    number = await filed(bridge, recused={"units": [FALLBACK]})
    assert (await rises(bridge, number))["route"] == BRANCH
    assert (await rises(bridge, number, 4))["route"] == CHIEFS


# What moves


@pytest.mark.parametrize("way", ["staff", "bot", "urged", "told again"])
async def test_a_new_ticket_goes_to_the_stricter_unit(bridge: Bridge, number: str, way: str) -> None:
    match way:
        case "staff":
            await rises(bridge, number)
        case "bot":
            event = {"type": "comment", "text": "我要找媒体曝光", "from_customer": True, "level": 3}
            assert (await by_bot(bridge, number, **event)).status_code == 201
        case "urged":
            assert (await by_bot(bridge, number, type="urge", text="还不管我就去银保监", level=3)).status_code == 201
        case _:
            assert (await bridge.file(level=3)).json()["merged"]
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["level_peak"]) == ("new", FALLBACK, 3)
    assert ticket["copied"] == [*OTHERS, "运营部", BRANCH]
    last = ticket["events"][-1]
    assert (last["type"], last["actor"], last["data"]["reason"]) == ("assign", "system", "等级升到 3")
    assert last["data"]["route"] == {"from": BRANCH, "to": FALLBACK}
    assert await told(bridge) == sorted([(BRANCH, 3), (FALLBACK, 3)])
    assert await agrees(bridge, number)


async def test_whoever_works_on_it_answers_until_the_stricter_unit_accepts(bridge: Bridge, number: str) -> None:
    """And reads along from then on."""
    worker = await member(bridge, "an", Role.HANDLER, BRANCH)
    assert (await does(worker, number, "accept")).json()["owner"] == "an"
    ticket = await rises(bridge, number, 4)
    assert (ticket["state"], ticket["route"], ticket["owner"]) == ("new", CHIEFS, None)
    assert (ticket["responsible"], ticket["sent_by"]) == (BRANCH, BRANCH)
    notices = (await worker.get("/v1/notices")).json()["notices"]
    assert [f"由{BRANCH}转{CHIEFS}" in one["text"] for one in notices if one["kind"] == "level"] == [True]
    ticket = await done(bridge, number, "accept")
    assert ticket["responsible"] == CHIEFS
    assert (await worker.get(f"/v1/tickets/{number}")).status_code == 200
    await worker.aclose()


async def test_refused_it_goes_back_to_whoever_answered(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    await rises(bridge, number, 4)
    assert (await done(bridge, number, "reject", reason="不属于应急事项"))["route"] == BRANCH


async def test_each_rise_asks_once_and_the_first_contact_hurries(bridge: Bridge, number: str) -> None:
    first = (await read(bridge, number))["first_contact_due_at"]
    third = await rises(bridge, number)
    fourth = await rises(bridge, number, 4)
    await rises(bridge, number, 4)
    assert (third["route"], fourth["route"]) == (FALLBACK, CHIEFS)
    assert fourth["first_contact_due_at"] < third["first_contact_due_at"] < first
    assert await told(bridge) == sorted(
        [(BRANCH, 3), (FALLBACK, 3), (CHIEFS, 4), (FALLBACK, 4), ("保卫部", 4), ("办公室", 4)]
    )


async def test_told_again_while_the_customer_was_asked_it_waits_for_the_new_unit(bridge: Bridge, number: str) -> None:
    """The answer ends the waiting, and still nobody has accepted it in the new unit."""
    await done(bridge, number, "accept")
    await done(bridge, number, "wait", **{"for": "customer"}, reason="回单照片")
    again = await bridge.file(level=4, amount="300")
    assert (again.json()["merged"], again.json()["clock_restarted"]) == (True, True)
    assert (await read(bridge, number))["state"] == "new"
    assert await agrees(bridge, number)


async def test_merging_raises_the_other_one(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    other = await filed(bridge, phone="13900000002", level=3)
    await done(bridge, other, "merge", "supervisor", into=number)
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["responsible"]) == ("new", FALLBACK, BRANCH)
    assert await agrees(bridge, number)


# What was told while nothing was owed


@pytest.mark.parametrize("again", ["review", "reopen"])
async def test_opened_again_it_goes_where_the_level_told_meanwhile_leads(
    bridge: Bridge, number: str, again: str
) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="解释")
    await rises(bridge, number)
    ticket = await done(bridge, number, again, text="不认可", reason="客户不认可", from_customer=True)
    assert (ticket["state"], ticket["route"], ticket["responsible"]) == ("new", FALLBACK, BRANCH)
    last = ticket["events"][-1]
    assert (last["type"], last["actor"], last["data"]["route"]) == (
        "assign",
        "system",
        {"from": BRANCH, "to": FALLBACK},
    )
    assert await told(bridge) == sorted(2 * [(BRANCH, 3), (FALLBACK, 3)])
    assert await agrees(bridge, number)


async def test_opened_again_it_stays_where_staff_sent_it_at_that_level(bridge: Bridge) -> None:
    number = await filed(bridge, level=3)
    await done(bridge, number, "assign", "supervisor", route="运营部")
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="解释")
    ticket = await done(bridge, number, "reopen", reason="发现差错")
    assert (ticket["state"], ticket["route"], ticket["events"][-1]["type"]) == ("accepted", "运营部", "reopen")


@pytest.mark.parametrize(("ends", "again"), [("withdraw", "reopen"), ("not_complaint", "review")])
async def test_what_no_unit_had_accepted_waits_for_that_when_opened_again(
    bridge: Bridge, number: str, ends: str, again: str
) -> None:
    await done(bridge, number, ends, reason="x")
    ticket = await done(bridge, number, again, text="还是要投诉", reason="还是要投诉", from_customer=True)
    assert (ticket["state"], ticket["owner"], ticket["accepted_at"]) == ("new", None, None)
    assert "accept" in ticket["allowed_events"]
    assert await agrees(bridge, number)


# Filed hot


@pytest.mark.parametrize(
    ("level", "body", "units"),
    [
        (2, {}, []),
        (3, {}, [FALLBACK]),
        (4, {}, [CHIEFS, "保卫部", "办公室", FALLBACK]),
        (4, {"nature": "举报"}, [TIPS]),
        (4, {"cause_l1": "C8"}, [CHIEFS]),
        (4, {"recused": {"units": ["保卫部"]}}, [CHIEFS, "办公室", FALLBACK]),
    ],
    ids=["not hot", "alert", "danger", "a tip", "sealed", "who stands aside"],
)
async def test_what_is_filed_hot_pages_at_once(
    bridge: Bridge, level: int, body: dict[str, Any], units: list[str]
) -> None:
    number = await filed(bridge, level=level, **body)
    notices = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    assert sorted(one["to_unit"] for one in notices) == sorted(units)
    assert {(one["kind"], one["level"], one["ticket_no"]) for one in notices} <= {("level", level, number)}
    heard = (await bridge.http.get("/v1/notices", headers=bridge.key("agent"))).json()["notices"]
    assert bool(heard) is (bool(units) and not (await read(bridge, number))["restricted"])
    if level == 4 and not body:
        guard = await member(bridge, "guard", Role.HANDLER, "保卫部")
        (page,) = (await guard.get("/v1/notices")).json()["notices"]
        assert f"由{CHIEFS}承办" in page["text"]
        assert (await guard.get(f"/v1/tickets/{number}")).status_code == 200
        await guard.aclose()


# Copies and seals


@pytest.mark.parametrize("ended", [False, True])
async def test_what_is_answered_stays_and_the_stricter_unit_reads_along(
    bridge: Bridge, number: str, ended: bool
) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="解释")
    if ended:
        await done(bridge, number, "close")
    ticket = await rises(bridge, number)
    assert (ticket["route"], ticket["state"]) == (BRANCH, "closed_explained" if ended else "proposed")
    assert FALLBACK in ticket["copied"]
    assert await told(bridge) == sorted([(BRANCH, 3), (FALLBACK, 3)])
    assert await agrees(bridge, number)


async def test_a_sealed_matter_that_is_worked_on_stays_and_others_only_hear_of_it(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C8")
    await done(bridge, number, "accept", "supervisor")
    await done(bridge, number, "comment", "supervisor", text="客户要跳楼", level=4)
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["restricted"], ticket["copied"]) == ("accepted", TIPS, True, [])
    chief = await member(bridge, "chief", Role.HANDLER, CHIEFS)
    (notice,) = (await chief.get("/v1/notices")).json()["notices"]
    assert "请与该部门联系" in notice["text"]
    assert code(await chief.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")
    await chief.aclose()


async def test_a_sealed_matter_that_waits_goes_on_sealed(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C8")
    await done(bridge, number, "comment", "supervisor", text="客户要跳楼", level=4)
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["restricted"]) == ("new", CHIEFS, True)


@pytest.fixture
async def sealing(start: Start, tmp_path: Path) -> Bridge:
    """A bank that seals what is level 4."""
    copy = Path(shutil.copytree(ROOT / "playbook", tmp_path / "playbook"))
    text = (copy / "routing.yml").read_text("utf-8")
    open_rule = "handler: 应急领导小组, copied: [保卫部, 办公室, 消费者权益保护部],"
    assert open_rule in text
    (copy / "routing.yml").write_text(
        text.replace(open_rule, "handler: 应急领导小组, copied: [], restricted: true,"), "utf-8"
    )
    started: Bridge = await start(playbook=copy)
    return started


@pytest.mark.parametrize("answered", [False, True])
async def test_what_the_rule_seals_is_read_by_its_unit_alone(sealing: Bridge, answered: bool) -> None:
    number = await filed(sealing)
    worker = await member(sealing, "an", Role.HANDLER, BRANCH)
    assert (await does(worker, number, "accept")).status_code == 201
    if answered:
        assert (await does(worker, number, "resolve", outcome="解释")).status_code == 201
    event = {"type": "comment", "text": "我要跳楼", "from_customer": True, "level": 4}
    assert (await by_bot(sealing, number, **event)).status_code == 201
    ticket = await read(sealing, number)
    assert (ticket["route"], ticket["restricted"], ticket["copied"]) == (CHIEFS, True, [])
    assert (ticket["owner"], ticket["responsible"]) == (None, FALLBACK)
    assert code(await worker.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")
    (notice,) = [one for one in (await worker.get("/v1/notices")).json()["notices"] if one["kind"] == "level"]
    assert "请移交手上的材料" in notice["text"]
    assert await agrees(sealing, number)
    await worker.aclose()
