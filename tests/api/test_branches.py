"""The branch directory: what is taken, what is refused, and that the next message already knows."""

from typing import Any

import pytest

from contract.branch_csv import COLUMNS
from tests.api.conftest import Bridge, Start

EAST = {
    "name": "城东支行",
    "aliases": ["东门网点"],
    "address": "东门大街1号",
    "hours": [
        {"days": "1-5", "open": "09:00", "close": "12:00"},
        {"days": "1-5", "open": "13:30", "close": "17:00"},
        {"days": "6,7", "open": "09:30", "close": "16:00"},
    ],
    "holiday_hours": [{"open": "10:00", "close": "15:00"}],
    "handover": [{"start": "12:00", "end": "12:20"}],
    "window_open_in_handover": False,
    "windows": 3,
    "machines": "大厅2台存取款一体机",
    "nearest": ["YT001", "城西支行"],
}


async def put(bridge: Bridge, code: str = "YT900", **changes: Any) -> Any:
    return await bridge.http.put(f"/v1/branches/{code}", json={**EAST, **changes}, headers=bridge.key("supervisor"))


async def test_a_new_branch_is_created(bridge: Bridge) -> None:
    answer = await put(bridge)
    assert answer.status_code == 201
    read = await bridge.http.get("/v1/branches/YT900", headers=bridge.key("agent"))
    assert read.json() == {"code": "YT900", **EAST}


async def test_a_known_branch_is_replaced_whole(bridge: Bridge) -> None:
    await put(bridge)
    answer = await put(bridge, address=None, aliases=[])
    assert answer.status_code == 200
    read = (await bridge.http.get("/v1/branches/YT900", headers=bridge.key("agent"))).json()
    assert (read["address"], read["aliases"]) == (None, [])


async def test_the_least_is_a_name_and_hours(bridge: Bridge) -> None:
    body = {"name": "城东支行", "hours": EAST["hours"]}
    answer = await bridge.http.put("/v1/branches/YT900", json=body, headers=bridge.key("admin"))
    assert answer.status_code == 201
    assert answer.json()["window_open_in_handover"] is False
    assert answer.json()["holiday_hours"] is None


async def test_closed_on_holidays_is_not_the_same_as_not_told(bridge: Bridge) -> None:
    assert (await put(bridge, holiday_hours=[])).json()["holiday_hours"] == []


async def test_every_change_is_a_new_version(bridge: Bridge) -> None:
    first, second = (await put(bridge)).json()["version"], (await put(bridge)).json()["version"]
    assert second == first + 1


async def test_the_next_message_comes_with_the_new_version(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("城东支行几点开门"))
    version = (await put(bridge)).json()["version"]
    await talk.answered(await talk.say("现在呢"))
    before, after = (turn["branches_version"] for turn in bridge.bot.turns)
    assert (before, after) == (version - 1, version)


async def test_the_bot_reads_the_new_facts(bridge: Bridge) -> None:
    version = (await put(bridge)).json()["version"]
    directory = (await bridge.http.get("/internal/branches", headers=bridge.internal)).json()
    assert directory["version"] == version
    assert {"code": "YT900", **EAST} in directory["branches"]
    assert directory["incidents"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "东"}, "name"),
        ({"name": None}, "name"),
        ({"hours": []}, "hours"),
        ({"hours": [{"days": "1-5", "open": "17:00", "close": "09:00"}]}, "hours.0"),
        ({"hours": [{"days": "0-5", "open": "09:00", "close": "17:00"}]}, "hours.0.days"),
        ({"hours": [{"days": "周一", "open": "09:00", "close": "17:00"}]}, "hours.0.days"),
        ({"hours": [{"days": "1-5", "open": "9点", "close": "17:00"}]}, "hours.0.open"),
        ({"hours": [{"days": "1-5", "open": "25:00", "close": "26:00"}]}, "hours.0.open"),
        ({"holiday_hours": [{"open": "15:00", "close": "10:00"}]}, "holiday_hours.0"),
        ({"handover": [{"start": "12:20", "end": "12:00"}]}, "handover.0"),
        ({"handover": "12:00-12:20"}, "handover"),
        ({"windows": -1}, "windows"),
        ({"window_open_in_handover": "也许"}, "window_open_in_handover"),
        ({"openning": "09:00"}, "openning"),
    ],
)
async def test_wrong_facts_are_refused_by_name(bridge: Bridge, changes: dict[str, Any], field: str) -> None:
    refused = await put(bridge, **changes)
    error = refused.json()["error"]
    together = field in ("hours.0", "holiday_hours.0", "handover.0")  # each time is fine by itself
    assert (refused.status_code, error["code"]) == ((409, "contradiction") if together else (422, "invalid_request"))
    assert error["details"][0]["field"] == field
    assert error["details"][0]["message"] != "不符合要求"
    missing = await bridge.http.get("/v1/branches/YT900", headers=bridge.key("agent"))
    assert missing.status_code == 404


@pytest.mark.parametrize("code", ["x" * 33, "东", "a.b", "a%20b"])
async def test_a_code_is_letters_and_digits(bridge: Bridge, code: str) -> None:
    assert (await put(bridge, code)).status_code == 422


async def test_the_playbooks_branches_are_there_from_the_start(bridge: Bridge) -> None:
    listed = (await bridge.http.get("/v1/branches", headers=bridge.key("agent"))).json()
    assert {branch["code"] for branch in listed["branches"]} == {b.code for b in bridge.app.state.playbook.branches}


async def test_a_restart_does_not_undo_changes(start: Start) -> None:
    first = await start()
    await put(first, "YT001", name="改过的名字")
    await first.stop()
    second = await start()
    read = await second.http.get("/v1/branches/YT001", headers=second.key("agent"))
    assert read.json()["name"] == "改过的名字"


# As a table

NORTH = 'YT901,城北支行,北门网点;城北,"北门街2号,一层",1-5 09:00-17:00;6 09:30-16:00,-,12:00-12:20,是,2,,城东支行'


def csv(*rows: str) -> str:
    return "\r\n".join([",".join(COLUMNS), *rows]) + "\r\n"


async def send(bridge: Bridge, text: str | bytes, role: str = "supervisor") -> Any:
    headers = {**bridge.key(role), "Content-Type": "text/csv"}
    return await bridge.http.post("/v1/branches/import", content=text, headers=headers)


async def listed(bridge: Bridge) -> dict[str, Any]:
    answer = await bridge.http.get("/v1/branches", headers=bridge.key("agent"))
    return {branch["code"]: branch for branch in answer.json()["branches"]}


async def test_a_table_creates_and_updates(bridge: Bridge) -> None:
    await put(bridge)
    before = len(await listed(bridge))
    row = "YT900,城东新支行,,,1-5 09:00-17:00,,,否,,,"
    answer = await send(bridge, csv(NORTH, row))
    counts = answer.json()
    assert (answer.status_code, counts["created"], counts["updated"], counts["unchanged"]) == (200, 1, 1, 0)
    found = await listed(bridge)
    assert len(found) == before + 1  # nothing else is touched
    assert found["YT901"]["address"] == "北门街2号,一层"
    assert (found["YT901"]["holiday_hours"], found["YT900"]["holiday_hours"]) == ([], None)
    assert found["YT901"]["window_open_in_handover"] is True
    assert found["YT900"]["name"] == "城东新支行"


async def test_an_import_is_one_new_version(bridge: Bridge) -> None:
    before = (await put(bridge)).json()["version"]
    assert (await send(bridge, csv(NORTH))).json()["version"] == before + 1
    directory = (await bridge.http.get("/internal/branches", headers=bridge.internal)).json()
    assert directory["version"] == before + 1


async def test_what_is_exported_can_be_imported_unchanged(bridge: Bridge) -> None:
    await put(bridge, address="=1+1", machines="-", holiday_hours=[])
    export = await bridge.http.get("/v1/branches/export", headers=bridge.key("agent"))
    assert export.headers["content-type"] == "text/csv; charset=utf-8"
    assert export.content.startswith("\ufeff".encode())
    assert ",'=1+1," in export.text
    before = await listed(bridge)
    counts = (await send(bridge, export.content)).json()
    assert (counts["created"], counts["updated"], counts["unchanged"]) == (0, 0, len(before))
    assert await listed(bridge) == before


@pytest.mark.parametrize(
    ("rows", "line", "column"),
    [
        ((NORTH, "YT902,北,,,1-5 09:00-17:00,,,,,,"), 3, "name"),
        ((NORTH, "YT902,城北二支行,,,1-5 17:00-09:00,,,,,,"), 3, "hours"),
        ((NORTH, "YT902,城北二支行,,,周一 09:00-17:00,,,,,,"), 3, "hours"),
        ((NORTH, "YT902,城北二支行,,,1-5 09:00-17:00,休息,,,,,"), 3, "holiday_hours"),
        ((NORTH, "YT902,城北二支行,,,1-5 09:00-17:00,,中午,,,,"), 3, "handover"),
        ((NORTH, "YT902,城北二支行,,,1-5 09:00-17:00,,,也许,,,"), 3, "window_open_in_handover"),
        ((NORTH, "YT902,城北二支行,,,1-5 09:00-17:00,,,,三个,,"), 3, "windows"),
        ((NORTH, "", NORTH), 4, "code"),  # twice; an empty line counts
        ((NORTH.replace("一层", "一\n层"), "东,城北二支行,,,1-5 09:00-17:00,,,,,,"), 4, "code"),  # a cell of two lines
        (("YT902,城北二支行,,,1-5 09:00-17:00,,,,,,,多",), 2, None),
        (('YT902,"城北二支行',), 2, None),
    ],
)
async def test_one_bad_row_keeps_all_out_and_is_named(
    bridge: Bridge, rows: tuple[str, ...], line: int, column: str | None
) -> None:
    refused = await send(bridge, csv(*rows))
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, "invalid_request")
    assert (error["details"][0]["line"], error["details"][0]["column"]) == (line, column)
    assert f"第 {line} 行{f' {column} 列' if column else ''}：" in error["message"]
    assert "不符合要求" not in error["message"]
    assert "YT901" not in await listed(bridge)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "第一行应为列名"),
        (csv(), "至少应有一个网点"),
        (csv().replace("hours,", "hour,", 1), "hour 列：没有这一列"),
        ("code,name\nYT901,城北支行", "aliases 列：缺少这一列"),
        (csv(NORTH).encode("gb18030"), "CSV UTF-8"),
    ],
)
async def test_what_is_no_such_table_is_refused(bridge: Bridge, text: str | bytes, said: str) -> None:
    refused = await send(bridge, text)
    assert refused.status_code == 422
    assert said in refused.json()["error"]["message"]


@pytest.mark.parametrize("role", ["agent", "handler", "auditor"])
async def test_only_supervisors_and_admins_keep_the_directory(bridge: Bridge, role: str) -> None:
    assert (await send(bridge, csv(NORTH), role)).status_code == 403
    changed = await bridge.http.put("/v1/branches/YT900", json=EAST, headers=bridge.key(role))
    assert changed.status_code == 403


async def test_a_table_needs_a_login(bridge: Bridge) -> None:
    assert (await bridge.http.get("/v1/branches/export")).status_code == 401
    assert (await bridge.http.post("/v1/branches/import", content=csv(NORTH))).status_code == 401
