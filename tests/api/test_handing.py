"""Who has a ticket and who answers for it: taking, refusing, handing on, standing aside; over HTTP."""

import asyncio
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.core.security import Role
from api.desk.staff import add
from api.tickets import repository
from api.tickets.recusal import named_units
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.fake_bot import parse_events
from tests.api.test_staff import code
from tests.api.test_ticket_events import by_bot, do, done
from tests.api.test_tickets import filed, read

FALLBACK, DEPUTY, BRANCH, TIPS = "消费者权益保护部", "内控合规部", "网点负责人", "内控合规部（纪检）"


@pytest.fixture
async def number(bridge: Bridge) -> str:
    return await filed(bridge)


async def member(bridge: Bridge, name: str, role: Role, unit: str | None) -> httpx.AsyncClient:
    """Somebody's own session; the caller closes nothing, the client holds no connection open."""
    context = bridge.app.state.context
    account = {"username": name, "role": role, "password": "long-enough-1", "unit": unit}
    await context.db.write(lambda connection: add(connection, **account, now=context.clock.now()))
    client = httpx.AsyncClient(base_url=bridge.url, timeout=15)
    answer = await client.post("/v1/staff/login", json={"username": name, "password": "long-enough-1"})
    assert answer.status_code == 200, answer.text
    return client


async def both(bridge: Bridge, name: str, *units: str) -> None:
    """An account that belongs to several units."""
    context = bridge.app.state.context
    account: dict[str, Any] = {"username": name, "role": Role.HANDLER, "password": "", "unit": units[0], "units": units}
    await context.db.write(lambda connection: add(connection, **account, now=context.clock.now()))


async def does(client: httpx.AsyncClient, number: str, kind: str, **fields: Any) -> httpx.Response:
    return await client.post(f"/v1/tickets/{number}/events", json={"type": kind, **fields})


# 首问负责


async def test_whoever_took_it_answers_until_the_unit_accepts(bridge: Bridge, number: str) -> None:
    ticket = await read(bridge, number)
    assert (ticket["intake_owner"], ticket["responsible"], ticket["route"]) == (FALLBACK, FALLBACK, BRANCH)
    ticket = await done(bridge, number, "accept")
    assert (ticket["intake_owner"], ticket["responsible"]) == (FALLBACK, BRANCH)


async def test_an_agents_unit_answers_for_what_the_agent_took(bridge: Bridge) -> None:
    agent = await member(bridge, "kefu", Role.AGENT, "电话银行中心")
    answer = await agent.post(
        "/v1/tickets", json={"narrative_raw": "取款少了一百", "cause_l1": "C5"}, headers={"Idempotency-Key": "k1"}
    )
    number = answer.json()["ticket_no"]
    assert (await read(bridge, number))["responsible"] == "电话银行中心"
    back = await done(bridge, number, "reject", reason="不属于本网点")
    assert (back["route"], back["responsible"], back["state"]) == ("电话银行中心", "电话银行中心", "new")
    await agent.aclose()


async def test_the_sender_answers_until_the_next_unit_accepts_and_has_it_back_when_refused(
    bridge: Bridge, number: str
) -> None:
    await done(bridge, number, "accept", owner="wang")
    sent = await done(bridge, number, "assign", route="运营部")
    assert (sent["state"], sent["owner"], sent["responsible"], sent["route"]) == ("new", None, BRANCH, "运营部")
    back = await done(bridge, number, "reject", reason="是网点的事")
    assert (back["state"], back["responsible"], back["route"], back["refused_count"]) == ("new", BRANCH, BRANCH, 1)
    assert back["events"][-1]["data"]["route"] == {"from": "运营部", "to": BRANCH}
    accepted = await done(bridge, number, "accept")
    assert (accepted["state"], accepted["responsible"]) == ("accepted", BRANCH)


async def test_who_was_named_when_it_was_sent_has_it_whoever_accepts(bridge: Bridge, number: str) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, "运营部")
    await zhang.aclose()
    await done(bridge, number, "assign", route="运营部", owner="zhang")
    assert (await done(bridge, number, "accept"))["owner"] == "zhang"
    await done(bridge, number, "assign", route=BRANCH)
    assert (await done(bridge, number, "accept"))["owner"] == "key:handler"


async def test_who_was_named_and_is_complained_of_since_does_not_have_it(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "assign", route="运营部", owner="zhang")
    await done(bridge, number, "recuse", person="zhang", reason="本人被投诉")
    assert (await done(bridge, number, "accept"))["owner"] == "key:handler"


async def test_another_owner_in_the_same_unit_needs_no_acceptance(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    ticket = await done(bridge, number, "assign", owner="li", route=BRANCH)
    assert (ticket["state"], ticket["owner"], ticket["responsible"]) == ("accepted", "li", BRANCH)


@pytest.mark.parametrize("reason", [None, "", "  "])
async def test_a_refusal_says_why(bridge: Bridge, number: str, reason: str | None) -> None:
    assert (await do(bridge, number, "reject", reason=reason)).status_code == 422
    assert (await read(bridge, number))["refused_count"] == 0


async def test_after_some_refusals_it_stays_where_nobody_may_refuse(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "assign", route="运营部")
    await done(bridge, number, "reject", reason="是网点的事")
    last = await done(bridge, number, "reject", reason="是运营的事")
    assert (last["route"], last["responsible"], last["refused_count"]) == (FALLBACK, FALLBACK, 2)
    refused = await do(bridge, number, "reject", reason="也不是我们的")
    assert code(refused) == (409, "refusal_not_allowed")
    (notice,) = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    assert (notice["kind"], notice["ticket_no"], notice["to_unit"]) == ("refused", number, FALLBACK)
    assert "退回 2 次" in notice["text"]
    sent = await done(bridge, number, "assign", route="科技信息部")
    assert (sent["route"], sent["responsible"]) == ("科技信息部", FALLBACK)


async def test_two_refusals_at_once_are_one(bridge: Bridge, number: str) -> None:
    answers = await asyncio.gather(
        *(do(bridge, number, "reject", reason="不归我", expected_version=1) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert (await read(bridge, number))["refused_count"] == 1


async def test_a_copy_lets_nobody_act_for_the_unit_that_has_it(bridge: Bridge, number: str) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, "运营部")
    for step in ("accept", "investigate", "wait", "resolve", "close"):
        assert set(OF_THE_UNIT).isdisjoint((await zhang.get(f"/v1/tickets/{number}")).json()["allowed_events"])
        for kind in set(OF_THE_UNIT).intersection((await read(bridge, number))["allowed_events"]):
            refused = await does(zhang, number, kind, **OF_THE_UNIT[kind])
            assert code(refused) == (403, "other_unit"), kind
            assert refused.json()["error"]["details"]["route"] == BRANCH
            assert f"请联系{BRANCH}办理" in refused.json()["error"]["message"]
        await done(bridge, number, step, **{**OF_THE_UNIT[step], "owner": None})
    assert (await does(zhang, number, "comment", text="知道了")).status_code == 201
    await zhang.aclose()


OF_THE_UNIT: dict[str, dict[str, Any]] = {
    "accept": {"owner": "zhang"},
    "reject": {"reason": "不归我"},
    "assign": {"owner": "zhang"},
    "investigate": {},
    "wait": {"for": "third_party", "reason": "等回单"},
    "resume": {},
    "resolve": {"outcome": "无依据"},
    "close": {},
    "not_complaint": {"reason": "只是问问"},
    "classify": {"complexity": "complex", "reason": "难"},
    "extend": {"days": 1, "reason": "难", "approver": "李经理"},
}


async def test_a_ticket_sent_on_is_not_accepted_by_whoever_sent_it(bridge: Bridge, number: str) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, BRANCH)
    for kind, fields in (("accept", {}), ("assign", {"route": "科技信息部"})):
        assert (await does(zhang, number, kind, **fields)).status_code == 201
    assert code(await does(zhang, number, "accept")) == (403, "other_unit")
    assert (await does(zhang, number, "comment", text="请尽快受理")).status_code == 201
    li = await member(bridge, "li", Role.HANDLER, "科技信息部")
    accepted = await does(li, number, "accept")
    assert (accepted.status_code, accepted.json()["owner"], accepted.json()["responsible"]) == (201, "li", "科技信息部")
    await zhang.aclose()
    await li.aclose()


async def test_the_answering_units_supervisor_may_send_it_elsewhere_and_no_more(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "assign", route="科技信息部")
    boss = await member(bridge, "boss", Role.SUPERVISOR, FALLBACK)
    assert code(await does(boss, number, "accept")) == (403, "other_unit")
    assert (await does(boss, number, "assign", route="运营部")).status_code == 201
    await done(bridge, number, "accept")
    assert code(await does(boss, number, "assign", route=FALLBACK))[0] in (403, 404)
    await boss.aclose()


async def test_the_owner_decides_whatever_unit_they_are_of(bridge: Bridge, number: str) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, "运营部")
    await done(bridge, number, "assign", "supervisor", owner="zhang")
    assert (await does(zhang, number, "accept", owner="zhang")).status_code == 201
    assert (await does(zhang, number, "resolve", outcome="道歉")).status_code == 201
    await zhang.aclose()


async def test_whoever_sends_a_ticket_on_does_not_own_it_there(bridge: Bridge, number: str) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, BRANCH)
    await both(bridge, "colleague", BRANCH)
    await both(bridge, "li", "运营部")
    for owner in ("zhang", "colleague"):
        refused = await does(zhang, number, "assign", route="运营部", owner=owner)
        assert code(refused) == (422, "event_invalid")
        assert f"{owner} 不是运营部的人" in refused.json()["error"]["message"]
    sent = await does(zhang, number, "assign", route="运营部", owner="li")
    assert (sent.status_code, sent.json()["owner"]) == (201, "li")
    await zhang.aclose()


async def test_a_unit_that_there_is_not_gets_nothing(bridge: Bridge, number: str) -> None:
    refused = await do(bridge, number, "assign", route="运赢部")
    assert code(refused) == (422, "event_invalid")
    assert "没有“运赢部”这个部门" in refused.json()["error"]["message"]
    assert {"运营部", "分管行领导", "保卫部", DEPUTY} <= set(refused.json()["error"]["details"]["known"])
    assert (await read(bridge, number))["route"] == BRANCH
    await both(bridge, "zhang", "城东支行", "城西支行")
    assert (await done(bridge, number, "assign", route="城西支行"))["route"] == "城西支行"


# 回避


async def test_a_complaint_about_the_branchs_people_is_not_the_branchs(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, cause_l1="C7"))
    assert (ticket["recused_units"], ticket["copied"]) == ([BRANCH], [BRANCH])  # it reads along
    refused = await do(bridge, ticket["ticket_no"], "assign", route=BRANCH)
    assert code(refused) == (409, "recused")


async def test_a_unit_complained_of_is_passed_over_at_filing_and_gets_no_copy(bridge: Bridge) -> None:
    named = {"units": ["运营部", FALLBACK], "persons": ["zhang"]}
    ticket = await read(bridge, await filed(bridge, cause_l1="C1", recused=named))
    assert (ticket["route"], ticket["responsible"]) == (DEPUTY, DEPUTY)
    other = await read(bridge, await filed(bridge, cause_l1="C5", recused={"units": ["运营部"]}, phone="13900000003"))
    assert (other["route"], other["copied"]) == (BRANCH, [])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("accept", {"owner": "zhang"}), ("assign", {"owner": "zhang"}), ("assign", {"route": "运营部"})],
)
async def test_nothing_is_given_to_those_complained_of(bridge: Bridge, kind: str, fields: dict[str, str]) -> None:
    number = await filed(bridge, recused={"persons": ["zhang"], "units": ["运营部"]})
    refused = await do(bridge, number, kind, **fields)
    assert code(refused) == (409, "recused")
    assert refused.json()["error"]["details"]["recused"] == [*fields.values()]
    assert (await read(bridge, number))["version"] == 1


async def test_the_people_of_a_unit_complained_of_do_not_get_it_for_another_unit(bridge: Bridge, number: str) -> None:
    await both(bridge, "zhang", BRANCH, "运营部")
    await both(bridge, "li", BRANCH)
    await done(bridge, number, "accept", owner="zhang")
    aside = await done(bridge, number, "recuse", unit="运营部", reason="说的是运营部")
    assert (aside["route"], aside["owner"]) == (BRANCH, None)
    refused = await do(bridge, number, "assign", owner="zhang")
    assert code(refused) == (409, "recused")
    assert "属于被反映的部门" in refused.json()["error"]["message"]


async def test_a_cause_that_makes_the_owners_unit_stand_aside_takes_it_from_the_owner(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C2")
    await both(bridge, "zhang", BRANCH, "运营部")
    await both(bridge, "li", "运营部")
    await done(bridge, number, "accept", owner="zhang")
    ticket = await done(bridge, number, "correct", "supervisor", fields={"cause_l1": "C7"})
    assert (ticket["route"], ticket["owner"], ticket["recused_units"]) == ("运营部", None, [BRANCH])


async def test_a_unit_whose_only_account_is_complained_of_does_not_get_it(bridge: Bridge) -> None:
    zhang = await member(bridge, "zhang", Role.HANDLER, BRANCH)
    number = await filed(bridge, recused={"persons": ["zhang"]})
    assert (await read(bridge, number))["route"] == FALLBACK
    refused = await do(bridge, number, "assign", route=BRANCH)
    assert code(refused) == (409, "recused")
    assert "人员都要回避" in refused.json()["error"]["message"]
    await zhang.aclose()


async def test_refused_it_does_not_go_back_to_those_complained_of(bridge: Bridge) -> None:
    number = await filed(bridge)
    await done(bridge, number, "accept")
    await done(bridge, number, "assign", "supervisor", route="运营部")
    await (await member(bridge, "zhang", Role.HANDLER, BRANCH)).aclose()
    await done(bridge, number, "recuse", person="zhang", reason="说的是他")
    assert (await done(bridge, number, "reject", reason="不归我部"))["route"] == FALLBACK


async def test_what_is_merged_brings_those_it_is_about(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", owner="wang")
    other = await filed(bridge, phone="13900000002", recused={"persons": ["wang"], "units": ["运营部"]})
    await done(bridge, other, "merge", "supervisor", into=number)
    ticket = await read(bridge, number)
    assert (ticket["owner"], ticket["recused_persons"], ticket["recused_units"]) == (None, ["wang"], ["运营部"])


async def test_what_is_taken_out_keeps_those_it_is_about(bridge: Bridge, number: str) -> None:
    assert (await bridge.file(recused={"persons": ["wang"], "units": [BRANCH]})).json()["merged"]
    entry = next(one for one in (await read(bridge, number))["events"] if one["type"] == "merge")
    parent = await done(bridge, number, "split", reason="另一件事", entry=entry["seq"])
    child = await read(bridge, parent["events"][-1]["data"]["ticket_no"])
    assert (child["route"], child["recused_persons"], child["recused_units"]) == (FALLBACK, ["wang"], [BRANCH])


@pytest.mark.parametrize("role", [Role.HANDLER, Role.SUPERVISOR, Role.ADMIN])
@pytest.mark.parametrize("named", [{"persons": ["zhang"]}, {"units": ["运营部"]}], ids=["person", "unit"])
async def test_those_complained_of_decide_nothing(bridge: Bridge, role: Role, named: dict[str, list[str]]) -> None:
    number = await filed(bridge, recused=named)
    zhang = await member(bridge, "zhang", role, "运营部")
    for kind, fields in (
        ("accept", {}),
        ("accept", {"owner": "li"}),
        ("assign", {"owner": "li"}),
        ("extend", {"days": 1, "reason": "x", "approver": "y"}),
        ("assess", {"validity": "无效"}),
        ("not_complaint", {"reason": "x"}),
        ("contact", {"text": "x"}),
        ("correct", {"fields": {"cause_l1": "C1"}}),
    ):
        assert code(await does(zhang, number, kind, **fields)) == (409, "recused"), kind
    await done(bridge, number, "accept", owner="li")
    assert code(await does(zhang, number, "resolve", outcome="无依据")) == (409, "recused")
    assert (await does(zhang, number, "comment", text="当时的情况是这样")).status_code == 201
    await zhang.aclose()


async def test_standing_aside_later_hands_the_ticket_on(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", owner="wang")
    aside = await done(bridge, number, "recuse", "agent", unit=BRANCH, reason="客户说反映的就是负责人")
    assert (aside["state"], aside["route"], aside["owner"], aside["responsible"]) == ("new", FALLBACK, None, FALLBACK)
    assert aside["recused_units"] == [BRANCH]
    assert aside["events"][-1]["data"]["route"] == {"from": BRANCH, "to": FALLBACK}


async def test_an_owner_who_stands_aside_leaves_the_ticket_with_the_unit(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", owner="wang")
    aside = await done(bridge, number, "recuse", person="wang", reason="就是他办的业务")
    assert (aside["state"], aside["owner"], aside["route"], aside["recused_persons"]) == (
        "accepted", None, BRANCH, ["wang"],
    )  # fmt: skip


@pytest.mark.parametrize("fields", [{}, {"person": "wang"}, {"reason": "x"}])
async def test_standing_aside_says_who_and_why(bridge: Bridge, number: str, fields: dict[str, str]) -> None:
    assert code(await do(bridge, number, "recuse", **fields)) == (422, "event_invalid")


async def test_the_bot_names_nobody_afterwards(bridge: Bridge, number: str) -> None:
    assert (await by_bot(bridge, number, type="recuse", person="wang", reason="x")).status_code == 403


async def test_told_again_with_a_name_the_ticket_moves_too(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", owner="wang")
    again = await bridge.file(recused={"units": [BRANCH], "persons": ["wang"]})
    assert again.json()["merged"]
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["route"], ticket["recused_persons"]) == ("new", FALLBACK, ["wang"])
    assert [event["type"] for event in ticket["events"][-2:]] == ["merge", "recuse"]


async def test_a_matter_that_turns_out_to_be_about_the_branch_leaves_it(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    ticket = await done(bridge, number, "correct", "supervisor", fields={"cause_l1": "C7"})
    assert (ticket["state"], ticket["route"], ticket["owner"]) == ("new", "人力资源部（服务监督）", None)
    assert ticket["recused_units"] == [BRANCH]
    assert ticket["responsible"] == FALLBACK


async def test_who_stands_aside_by_the_cause_does_so_as_long_as_it_is_the_cause(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C7", recused={"units": ["运营部"]})
    ticket = await done(bridge, number, "correct", "supervisor", fields={"cause_l1": "C5"})
    assert ticket["recused_units"] == ["运营部"]
    assert (await done(bridge, number, "assign", route=BRANCH))["route"] == BRANCH


@pytest.mark.parametrize("named", ["filed", "told again", "later"])
async def test_who_was_named_stands_aside_whatever_the_cause_is(bridge: Bridge, named: str) -> None:
    about = {"units": [BRANCH]}
    number = await filed(bridge, cause_l1="C7", **({"recused": about} if named == "filed" else {}))
    if named == "told again":
        assert (await bridge.file(cause_l1="C7", recused=about)).json()["merged"]
    if named == "later":
        await done(bridge, number, "recuse", unit=BRANCH, reason="说的就是他们")
    ticket = await done(bridge, number, "correct", "supervisor", fields={"cause_l1": "C5"})
    assert ticket["recused_units"] == [BRANCH]
    assert code(await do(bridge, number, "assign", route=BRANCH)) == (409, "recused")


async def test_a_thread_that_does_not_say_who_was_named(bridge: Bridge) -> None:
    """As versions before wrote it: who stands aside for no other reason was named."""
    number = await filed(bridge, cause_l1="C7", recused={"units": ["运营部"]})
    context = bridge.app.state.context
    ticket, entries = await context.db.read(
        lambda connection: (repository.find(connection, number), repository.events_of(connection, number))
    )
    old = [SimpleNamespace(type=one.type, data={k: v for k, v in one.data.items() if k != "named"}) for one in entries]
    assert named_units(old, ticket, [BRANCH]) == ["运营部"]  # type: ignore[arg-type]
    assert named_units(entries, ticket, ()) == ["运营部"]


async def test_what_was_named_by_mistake_is_taken_back(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", owner="wang")
    await done(bridge, number, "recuse", person="zhang", unit="运营部", reason="听错了")
    for role, status in (("agent", 403), ("handler", 403), ("supervisor", 201)):
        answer = await do(bridge, number, "unrecuse", role, person="zhang", unit="运营部", reason="听错了，不是他们")
        assert answer.status_code == status
    ticket = await read(bridge, number)
    assert (ticket["recused_persons"], ticket["recused_units"], ticket["state"]) == ([], [], "accepted")
    last = ticket["events"][-1]
    assert (last["type"], last["actor"]) == ("unrecuse", "key:supervisor")
    assert last["data"] == {"persons": ["zhang"], "units": ["运营部"], "reason": "听错了，不是他们"}
    assert (await done(bridge, number, "assign", owner="zhang", route="运营部"))["owner"] == "zhang"
    audited = (await bridge.http.get("/v1/audit", headers=bridge.key("auditor"))).json()["entries"]
    (entry,) = [one for one in audited if one["action"] == "ticket.unrecuse"]
    assert set(entry["changes"]) >= {"recused_persons", "recused_units"}


async def test_taken_back_is_only_what_was_named_with_a_reason_by_somebody_else(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C7", recused={"persons": ["boss"]})
    for fields in (
        {"person": "boss"},
        {"reason": "x"},
        {"person": "li", "reason": "x"},
        {"unit": "运营部", "reason": "x"},
        {"unit": BRANCH, "reason": "x"},
    ):
        assert code(await do(bridge, number, "unrecuse", "supervisor", **fields)) == (422, "event_invalid")
    boss = await member(bridge, "boss", Role.SUPERVISOR, None)
    assert code(await does(boss, number, "unrecuse", person="boss", reason="不是我")) == (409, "recused")
    await boss.aclose()


@pytest.mark.parametrize("named", [{"persons": ["boss"]}, {"units": ["运营部"]}, {"persons": ["李经理"]}])
async def test_those_complained_of_approve_nothing(bridge: Bridge, named: dict[str, list[str]]) -> None:
    number = await filed(bridge, recused=named)
    await (await member(bridge, "boss", Role.SUPERVISOR, "运营部")).aclose()
    who = "李经理" if named == {"persons": ["李经理"]} else "boss"
    refused = await do(bridge, number, "extend", days=1, reason="调监控", approver=who)
    assert code(refused) == (409, "recused")
    assert "请由其他上级批准" in refused.json()["error"]["message"]
    await (await member(bridge, "chief", Role.SUPERVISOR, None)).aclose()
    await done(bridge, number, "extend", days=1, reason="调监控", approver="chief")


# Sealed


async def test_of_a_sealed_matter_those_whom_it_is_about_hear_nothing(bridge: Bridge) -> None:
    """A supervisor sees everything, and one of the sealed unit everything there, but not what is about themselves."""
    number = await filed(bridge, nature="举报", cause_l1="C8", recused={"persons": ["zhang", 'o"k%张']})
    other = await filed(bridge, nature="举报", cause_l1="C8", phone="13900000009")
    await done(bridge, number, "comment", "supervisor", text="核实中")
    for name, role, unit in (("zhang", Role.SUPERVISOR, None), ('o"k%张', Role.HANDLER, TIPS)):
        client = await member(bridge, name, role, unit)
        listed = (await client.get("/v1/tickets")).json()["tickets"]
        assert [one["ticket_no"] for one in listed] == [other]
        assert (await client.get("/v1/tickets", params={"q": number})).json()["tickets"] == []
        assert code(await client.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")
        assert code(await does(client, number, "comment", text="我看看")) == (404, "ticket_not_found")
        assert code(await does(client, other, "merge", into=number)) == (422, "event_invalid")
        if role is Role.SUPERVISOR:
            export = await client.get("/v1/tickets/export")
            assert (number in export.text, other in export.text) == (False, True)
        assert await heard(client, bridge, other) == {other}
        await client.aclose()
    assert (await read(bridge, number))["restricted"]


async def heard(client: httpx.AsyncClient, bridge: Bridge, last: str) -> set[str]:
    """The tickets that the desk's stream tells of, from the beginning to a new comment on `last`."""
    await done(bridge, last, "comment", "supervisor", text="到此为止")
    text, found = "", []
    async with (
        asyncio.timeout(8),
        client.stream("GET", "/v1/desk/events", headers={"Last-Event-ID": "0"}) as stream,
    ):
        async for chunk in stream.aiter_text():
            text += chunk
            found = [data for name, _, data in parse_events(text) if name == "ticket"]
            if any((data["ticket_no"], data["type"]) == (last, "ticket.comment") for data in found):
                break
    return {data["ticket_no"] for data in found}


async def test_a_sealed_ticket_that_is_refused_does_not_go_back_the_way_it_came(bridge: Bridge) -> None:
    agent = await member(bridge, "kefu", Role.AGENT, "电话银行中心")
    body = {"narrative_raw": "柜员私自查我流水", "cause_l1": "C8"}
    number = (await agent.post("/v1/tickets", json=body, headers={"Idempotency-Key": "k"})).json()["ticket_no"]
    ticket = await done(bridge, number, "reject", "supervisor", reason="请先初核")
    assert (ticket["route"], ticket["restricted"]) == (FALLBACK, True)
    assert code(await agent.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")
    await agent.aclose()


async def test_a_sealed_and_an_open_ticket_do_not_merge(bridge: Bridge, number: str) -> None:
    sealed = await filed(bridge, cause_l1="C8")
    for one, into in ((sealed, number), (number, sealed)):
        assert code(await do(bridge, one, "merge", "supervisor", into=into)) == (422, "event_invalid")


# Skills and capacity


@pytest.fixture
async def staffed(start: Start, tmp_path: Path) -> Bridge:
    started: Bridge = await start(playbook=with_people(tmp_path))
    return started


def with_people(directory: Path) -> Path:
    """A playbook whose branches have two people: one for everything, one for hours only; each with room for two."""
    copy = Path(shutil.copytree(ROOT / "playbook", directory / "playbook"))
    people = [
        {"person": "an", "unit": BRANCH, "capacity": 2},
        {"person": "bo", "unit": BRANCH, "capacity": 2, "skills": ["C5a"]},
    ]
    text = (copy / "routing.yml").read_text("utf-8")
    (copy / "routing.yml").write_text(text.replace("handlers: []", f"handlers: {json.dumps(people)}"), "utf-8")
    return copy


async def accepted(bridge: Bridge, at: int, **body: Any) -> str | None:
    number = await filed(bridge, phone=f"1390000{at:04d}", **body)
    owner: str | None = (await done(bridge, number, "accept"))["owner"]
    return owner


async def test_a_units_people_take_turns_until_nobody_has_room(staffed: Bridge) -> None:
    owners = [await accepted(staffed, at, cause_l1="C5", cause_l2="C5a") for at in range(5)]
    assert owners == ["an", "bo", "an", "bo", None]


async def test_skill_and_an_answer_make_room(staffed: Bridge) -> None:
    owners = [await accepted(staffed, at, cause_l1="C5", cause_l2="C5b") for at in range(3)]
    assert owners == ["an", "an", None]
    (mine, *_) = (await staffed.http.get("/v1/tickets", params={"q": "an"}, headers=staffed.key())).json()["tickets"]
    await done(staffed, mine["ticket_no"], "resolve", outcome="解释")
    assert await accepted(staffed, 9, cause_l1="C5", cause_l2="C5b") == "an"


async def test_nobody_gets_what_is_about_them(staffed: Bridge) -> None:
    hours = {"cause_l1": "C5", "cause_l2": "C5a"}
    assert await accepted(staffed, 1, **hours, recused={"persons": ["an"]}) == "bo"
    number = await filed(staffed, phone="13900000002", **hours)
    assert (await done(staffed, number, "accept"))["owner"] == "an"
    aside = await done(staffed, number, "recuse", person="an", reason="就是他")
    assert aside["owner"] == "bo"


async def test_a_turn_passes_over_the_people_of_a_unit_complained_of(staffed: Bridge) -> None:
    await both(staffed, "an", BRANCH, "运营部")
    await both(staffed, "bo", BRANCH)
    hours = {"cause_l1": "C5", "cause_l2": "C5a"}
    assert [await accepted(staffed, at, **hours, recused={"units": ["运营部"]}) for at in range(2)] == ["bo", "bo"]


async def test_whoever_accepts_may_name_the_owner(staffed: Bridge) -> None:
    assert (await done(staffed, await filed(staffed), "accept", owner="zhou"))["owner"] == "zhou"


async def test_at_the_same_moment_nobody_gets_more_than_they_can_take(staffed: Bridge) -> None:
    await taken_at_once((staffed,))


async def taken_at_once(bridges: tuple[Bridge, ...]) -> None:
    numbers = [await filed(bridges[0], phone=f"1390000{at:04d}", cause_l1="C5", cause_l2="C5a") for at in range(6)]
    answers = await asyncio.gather(
        *(done(bridges[at % len(bridges)], number, "accept") for at, number in enumerate(numbers))
    )
    owners = [answer["owner"] for answer in answers]
    assert sorted(owner or "" for owner in owners) == ["", "", "an", "an", "bo", "bo"]
