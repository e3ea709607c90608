"""Incidents: who may announce them, who is told, and that the next message already knows."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Bridge, Start

NOON = "2026-11-25T12:00:00+08:00"
OUTAGE = {
    "title": "手机银行登录异常",
    "kind": "outage",
    "services": ["手机银行", "网上银行"],
    "branches": ["YT001"],
    "from": "2026-11-25T09:10:00+08:00",
    "to": None,
    "message": "手机银行暂时登录不上，正在抢修，您的资金不受影响。",
    "workaround": "可以在网点柜台或自助机办理",
    "banner": True,
}


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    """At noon of a Wednesday."""
    started: Bridge = await start(clock=NOON)
    return started


async def announce(bridge: Bridge, role: str = "supervisor", **changes: Any) -> Any:
    return await bridge.http.post("/v1/incidents", json={**OUTAGE, **changes}, headers=bridge.key(role))


async def number(bridge: Bridge, **changes: Any) -> str:
    answer = await announce(bridge, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_no"])


async def change(bridge: Bridge, incident_no: str, role: str = "supervisor", **changes: Any) -> Any:
    return await bridge.http.patch(f"/v1/incidents/{incident_no}", json=changes, headers=bridge.key(role))


async def public(bridge: Bridge) -> list[dict[str, Any]]:
    answer = await bridge.http.get("/v1/public/incidents")
    assert answer.status_code == 200
    return list(answer.json()["incidents"])


async def for_bot(bridge: Bridge) -> dict[str, Any]:
    return dict((await bridge.http.get("/internal/branches", headers=bridge.internal)).json())


def at(days: float) -> str:
    return (datetime.fromisoformat(NOON) + timedelta(days=days)).isoformat()


# Refusals


@pytest.mark.parametrize("role", ["agent", "handler", "auditor"])
async def test_only_supervisors_and_admins_announce(bridge: Bridge, role: str) -> None:
    known = await number(bridge)
    headers = bridge.key(role)
    assert (await announce(bridge, role)).status_code == 403
    assert (await change(bridge, known, role, banner=False)).status_code == 403
    assert (await bridge.http.post("/v1/incidents/import", content="", headers=headers)).status_code == 403
    assert (await bridge.http.get(f"/v1/incidents/{known}", headers=headers)).status_code == 200


@pytest.mark.parametrize("address", ["/v1/incidents", "/v1/incidents/SJ20261125001", "/v1/incidents/export"])
async def test_staff_pages_need_a_login(bridge: Bridge, address: str) -> None:
    assert (await bridge.http.get(address)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "卡"}, "title"),
        ({"kind": "fire"}, "kind"),
        ({"from": "2026-11-25T09:10:00"}, "from"),  # whose time?
        ({"from": "昨天"}, "from"),
        ({"to": "2026-11-25T09:00:00+08:00"}, "内容"),  # before it began
        ({"message": "长" * 81}, "message"),
        ({"workaround": "长" * 61}, "workaround"),
        ({"branches": ["YT999"]}, "branches"),
        ({"affected": "all"}, "affected"),
    ],
)
async def test_wrong_facts_are_refused_by_name(bridge: Bridge, changes: dict[str, Any], field: str) -> None:
    refused = await announce(bridge, **changes)
    error = refused.json()["error"]
    together = field in ("内容", "branches")  # with the other time, with the directory
    assert (refused.status_code, error["code"]) == ((409, "contradiction") if together else (422, "invalid_request"))
    assert error["details"][0]["field"] == field
    assert error["details"][0]["message"] != "不符合要求"
    assert (await for_bot(bridge))["incidents"] == []


async def test_an_unknown_branch_is_named(bridge: Bridge) -> None:
    refused = await announce(bridge, branches=["YT001", "YT998", "YT999"])
    assert "网点目录里没有 YT998、YT999" in refused.json()["error"]["message"]


async def test_an_unknown_number_is_not_found(bridge: Bridge) -> None:
    missing = await bridge.http.get("/v1/incidents/SJ20261125001", headers=bridge.key("agent"))
    changed = await change(bridge, "SJ20261125001", banner=False)
    for answer in (missing, changed):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "incident_not_found")


# Announcing and ending


async def test_an_announced_incident_is_numbered_by_day(bridge: Bridge) -> None:
    first, second = (await announce(bridge)).json(), (await announce(bridge)).json()
    assert (first["incident_no"], second["incident_no"]) == ("SJ20261125001", "SJ20261125002")
    read = await bridge.http.get("/v1/incidents/SJ20261125001", headers=bridge.key("agent"))
    assert read.json() == {
        **OUTAGE,
        "incident_no": "SJ20261125001",
        "running": True,
        "status": "confirmed",
        "tickets": 0,
    }


async def test_the_least_is_a_title_a_time_and_a_message(bridge: Bridge) -> None:
    least = {name: OUTAGE[name] for name in ("title", "from", "message")}
    answer = await bridge.http.post("/v1/incidents", json=least, headers=bridge.key("admin"))
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["kind"], shown["services"], shown["branches"], shown["banner"]) == ("outage", [], [], True)


async def test_times_of_another_zone_are_shown_in_beijing_time(bridge: Bridge) -> None:
    shown = (await announce(bridge, **{"from": "2026-11-25T01:10:00.250Z"})).json()
    assert shown["from"] == OUTAGE["from"]


async def test_it_ends_by_its_end(bridge: Bridge) -> None:
    known = await number(bridge)
    ended = await change(bridge, known, to="2026-11-25T11:30:00+08:00")
    assert (ended.status_code, ended.json()["running"]) == (200, False)
    assert await public(bridge) == []
    again = await change(bridge, known, to=None)
    assert again.json()["running"] is True


async def test_a_change_touches_what_it_names_only(bridge: Bridge) -> None:
    known = await number(bridge)
    changed = await change(bridge, known, message="已经恢复一部分，其余的正在抢修。", workaround=None, branches=[])
    expected = {**OUTAGE, "message": "已经恢复一部分，其余的正在抢修。", "workaround": None, "branches": []}
    assert {name: changed.json()[name] for name in OUTAGE} == expected


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message": None}, "message"),
        ({"services": None}, "services"),
        ({"to": "2026-11-25T09:00:00+08:00"}, "内容"),
        ({"to": "2026-11-25T13:00:00"}, "to"),
        ({"branches": ["YT999"]}, "branches"),
        ({"title": "换个标题"}, "title"),  # what it is called stays
    ],
)
async def test_a_wrong_change_changes_nothing(bridge: Bridge, changes: dict[str, Any], field: str) -> None:
    known = await number(bridge)
    refused = await change(bridge, known, **changes)
    status = 409 if field in ("内容", "branches") else 422
    assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (status, field)
    read = (await bridge.http.get(f"/v1/incidents/{known}", headers=bridge.key("agent"))).json()
    assert {name: read[name] for name in OUTAGE} == OUTAGE


# Who is told


async def test_customers_see_what_runs_and_is_for_them(bridge: Bridge) -> None:
    known = await number(bridge)
    await number(bridge, title="只给工作人员看", banner=False)
    await number(bridge, title="还没开始的升级", kind="upgrade", **{"from": at(0.5)})
    await number(bridge, title="已经恢复的故障", to=at(-0.01))
    told = {name: OUTAGE[name] for name in ("title", "message", "workaround", "services", "from", "to")}
    assert await public(bridge) == [{"incident_no": known, **told}]


async def test_staff_list_what_runs_or_everything(bridge: Bridge) -> None:
    running = await number(bridge)
    over = await number(bridge, title="已经恢复的故障", to=at(-0.01))

    async def listed(**query: Any) -> list[str]:
        answer = await bridge.http.get("/v1/incidents", params=query, headers=bridge.key("agent"))
        return [incident["incident_no"] for incident in answer.json()["incidents"]]

    assert await listed() == [over, running]
    assert await listed(running=True) == [running]
    assert await listed(running=False) == [over]


async def test_every_change_is_a_new_version(bridge: Bridge) -> None:
    first = (await announce(bridge)).json()
    second = (await change(bridge, first["incident_no"], banner=False)).json()
    directory = await for_bot(bridge)
    assert (second["version"], directory["version"]) == (first["version"] + 1, first["version"] + 1)
    assert directory["incidents"] == [{**OUTAGE, "incident_no": first["incident_no"], "banner": False}]


async def test_the_next_message_comes_with_the_new_version(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("手机银行登不上"))
    version = (await announce(bridge)).json()["version"]
    await talk.answered(await talk.say("现在呢"))
    before, after = (turn["branches_version"] for turn in bridge.bot.turns)
    assert (before, after) == (version - 1, version)


async def test_the_bot_remembers_for_sixty_days_and_knows_what_comes(bridge: Bridge) -> None:
    """One that is still to come must be there before it begins: no change tells that the hour has come."""
    await number(bridge, title="太久以前的故障", **{"from": at(-70), "to": at(-60)})
    lately = await number(bridge, title="不久以前的故障", **{"from": at(-70), "to": at(-59.9)})
    coming = await number(bridge, title="下周的系统升级", kind="upgrade", **{"from": at(7), "to": at(7.5)})
    known = [incident["incident_no"] for incident in (await for_bot(bridge))["incidents"]]
    assert known == [coming, lately]


# As a table

HEADER = "title,kind,services,branches,from,to,message,workaround,banner"
UPGRADE = "系统升级,upgrade,手机银行;网上银行,YT001；YT002,2026/11/26 0:30,2026-11-26 04:00,升级期间部分业务暂停。,,是"


async def send(bridge: Bridge, *rows: str) -> Any:
    text = "\n".join([HEADER, *rows])
    headers = {**bridge.key("supervisor"), "Content-Type": "text/csv"}
    return await bridge.http.post("/v1/incidents/import", content=text, headers=headers)


async def test_a_table_announces(bridge: Bridge) -> None:
    counts = (await send(bridge, UPGRADE)).json()
    assert (counts["created"], counts["updated"], counts["unchanged"]) == (1, 0, 0)
    (found,) = (await for_bot(bridge))["incidents"]
    assert found["from"] == "2026-11-26T00:30:00+08:00"
    assert (found["services"], found["branches"]) == (["手机银行", "网上银行"], ["YT001", "YT002"])


async def test_the_same_title_and_beginning_are_the_same_incident(bridge: Bridge) -> None:
    await send(bridge, UPGRADE)
    counts = (await send(bridge, UPGRADE.replace("04:00", "05:00"))).json()
    assert (counts["created"], counts["updated"], counts["unchanged"]) == (0, 1, 0)
    (found,) = (await for_bot(bridge))["incidents"]
    assert (found["incident_no"], found["to"]) == ("SJ20261125001", "2026-11-26T05:00:00+08:00")


async def test_what_is_exported_can_be_imported_unchanged(bridge: Bridge) -> None:
    await number(bridge, workaround="=1+1")
    await send(bridge, UPGRADE)
    export = await bridge.http.get("/v1/incidents/export", headers=bridge.key("auditor"))
    assert export.content.startswith("\ufeff".encode())
    assert ",'=1+1," in export.text
    before = (await for_bot(bridge))["incidents"]
    counts = (await send(bridge, *export.text.splitlines()[1:])).json()
    assert (counts["created"], counts["updated"], counts["unchanged"]) == (0, 0, 2)
    assert (await for_bot(bridge))["incidents"] == before


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (UPGRADE.replace("upgrade", "升级"), "kind"),
        (UPGRADE.replace("2026/11/26 0:30", "明天零点"), "from"),
        (UPGRADE.replace("2026/11/26 0:30", "2026/11/31 0:30"), "from"),
        (UPGRADE.replace("2026-11-26 04:00", "2026-11-25 04:00"), None),  # from and to together
        (UPGRADE.replace("YT002", "YT999"), "branches"),
        (UPGRADE.replace(",是", ",也许"), "banner"),
        (UPGRADE.replace("升级期间部分业务暂停。", "长" * 81), "message"),
        ("系统维护,upgrade,,,2026-11-26 00:30,,升级期间业务暂停。,,是", "title"),  # the row before it says so already
    ],
)
async def test_one_bad_row_keeps_all_out_and_is_named(bridge: Bridge, row: str, column: str | None) -> None:
    refused = await send(bridge, "系统维护,upgrade,,,2026-11-26 00:30,,先登记的一条。,,是", row)
    error = refused.json()["error"]
    assert refused.status_code == 422
    assert (error["details"][0]["line"], error["details"][0]["column"]) == (3, column)
    assert "第 3 行" in error["message"]
    assert "不符合要求" not in error["message"]
    assert (await for_bot(bridge))["incidents"] == []


async def test_an_incident_survives_a_restart(start: Start) -> None:
    first = await start(clock=NOON)
    known = await number(first)
    await first.stop()
    second = await start(clock=NOON)
    assert [incident["incident_no"] for incident in await public(second)] == [known]
