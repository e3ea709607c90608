"""Notices: once per occasion, seen by whom they are for, told live, and acknowledged by one."""

from typing import Any

import pytest

from api.core.bus import Event
from api.core.models import staff
from api.core.security import hash_password
from api.tickets.notices import repository
from tests.api.conftest import Bridge
from tests.api.fake_bot import parse_events


async def add(bridge: Bridge, **values: Any) -> bool:
    ctx = bridge.app.state.context
    values = {"kind": "sla", "text": "还有两小时到期", "level": 2, "unique_key": "a", "now": ctx.clock.now(), **values}
    return bool(await ctx.db.write(lambda connection: repository.add(connection, **values)))


async def listed(bridge: Bridge, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    answer = await bridge.http.get("/v1/notices", params=query, headers=headers or bridge.key())
    assert answer.status_code == 200, answer.text
    return list(answer.json()["notices"])


async def log_in(bridge: Bridge, role: str, unit: str | None) -> None:
    ctx = bridge.app.state.context
    account = {
        "username": f"{role}-1", "display_name": "x", "role": role, "unit": unit, "active": True,
        "password_hash": hash_password("a long enough one"), "created_at": ctx.clock.now(),
    }  # fmt: skip
    await ctx.db.write(lambda connection: connection.execute(staff.insert(), account))
    body = {"username": f"{role}-1", "password": "a long enough one"}
    assert (await bridge.http.post("/v1/staff/login", json=body)).status_code == 200


@pytest.mark.parametrize("number", ["0", "x", str(2**63)])
async def test_a_number_that_cannot_be_is_refused(bridge: Bridge, number: str) -> None:
    answer = await bridge.http.post(f"/v1/notices/{number}/acknowledge", headers=bridge.key())
    assert answer.status_code == 422


async def test_an_unknown_notice_is_not_found(bridge: Bridge) -> None:
    answer = await bridge.http.post("/v1/notices/7/acknowledge", headers=bridge.key())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "notice_not_found")


async def test_nobody_reads_and_an_auditor_acknowledges_nothing(bridge: Bridge) -> None:
    await add(bridge)
    assert (await bridge.http.get("/v1/notices")).status_code == 401
    assert (await bridge.http.post("/v1/notices/1/acknowledge", headers=bridge.key("auditor"))).status_code == 403


@pytest.mark.parametrize("cursor", ["x", "wrM", "LTE"])  # no base64, a superscript, a minus
async def test_a_cursor_of_nobodys_is_refused(bridge: Bridge, cursor: str) -> None:
    answer = await bridge.http.get("/v1/notices", params={"cursor": cursor}, headers=bridge.key())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_cursor")


async def test_one_occasion_is_one_notice(bridge: Bridge) -> None:
    assert [await add(bridge), await add(bridge), await add(bridge, unique_key="b")] == [True, False, True]
    assert len(await listed(bridge)) == 2


async def test_acknowledged_by_the_first_and_gone_from_the_open_ones(bridge: Bridge) -> None:
    await add(bridge)
    for role in ("handler", "supervisor"):
        answer = await bridge.http.post("/v1/notices/1/acknowledge", headers=bridge.key(role))
        assert answer.json()["acknowledged_by"] == "key:handler"
    assert await listed(bridge) == []
    assert [notice["kind"] for notice in await listed(bridge, open="false")] == ["sla"]


async def test_a_handler_sees_those_of_the_own_unit(bridge: Bridge) -> None:
    await add(bridge, to_unit="运营部")
    await add(bridge, unique_key="b", to_unit="科技信息部")
    await add(bridge, unique_key="c", restricted_to="运营部", to_unit="消费者权益保护部")
    await log_in(bridge, "handler", "运营部")
    seen = {notice["to_unit"] for notice in await listed(bridge, {"X-None": ""})}
    assert seen == {"运营部", "消费者权益保护部"}


async def test_a_sealed_one_stays_with_its_unit(bridge: Bridge) -> None:
    await add(bridge, restricted_to="内控合规部（纪检）")
    assert await listed(bridge, bridge.key("agent")) == []
    assert (await bridge.http.post("/v1/notices/1/acknowledge", headers=bridge.key("handler"))).status_code == 404
    assert len(await listed(bridge, bridge.key("supervisor"))) == 1


async def test_the_desk_hears_of_a_new_one(bridge: Bridge) -> None:
    text = ""
    async with bridge.http.stream("GET", "/v1/desk/events", headers=bridge.key()) as stream:
        async for chunk in stream.aiter_text():
            if not text:
                await add(bridge, level=4)
                bridge.app.state.context.bus.publish("desk", Event())
            text += chunk
            if "event: notice" in text:
                break
    (name, _, notice) = next(event for event in parse_events(text) if event[0] == "notice")
    assert (name, notice["level"], notice["text"]) == ("notice", 4, "还有两小时到期")
