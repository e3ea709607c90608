"""The branch directory: what is taken, what is refused, and that the next message already knows."""

from typing import Any

import pytest

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
    assert (refused.status_code, error["code"]) == (422, "invalid_request")
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
