"""Filing for what one may not see: whoever is complained of neither finds the ticket by filing again nor writes into it."""

from typing import Any

import pytest

from tests.api.conftest import Bridge, Talk
from tests.api.test_permissions import key_of
from tests.api.test_privacy import PHONE
from tests.api.test_tickets import read
from tests.api.test_whose_conversation import STORY, said

SEALED = {**STORY, "cause_l1": "C8", "phone": PHONE}
UNIT = "内控合规部（纪检）"


async def thread(bridge: Bridge, number: str) -> list[str]:
    return [one["type"] for one in (await read(bridge, number))["events"]]


@pytest.mark.parametrize("who", ["agent", "handler", "admin"])
async def test_whoever_is_complained_of_files_a_ticket_of_its_own(bridge: Bridge, who: str) -> None:
    about = {"persons": ["key:admin", "key:handler"], "units": []}
    number = (await bridge.file(**SEALED, recused=about)).json()["ticket_no"]
    before = await read(bridge, number, "auditor")
    again = await bridge.file(**SEALED, amount="200", recused={"units": [UNIT]}, headers=bridge.key(who))
    nobody_knows = await bridge.file(**{**SEALED, "phone": "13800138001"}, amount="200", headers=bridge.key(who))
    assert (again.status_code, again.json()["merged"]) == (201, False)
    told = {"ticket_no", "route", "clocks", "due_at", "first_contact_due_at", "created_at"}
    assert {name: value for name, value in again.json().items() if name not in told} == {
        name: value for name, value in nobody_knows.json().items() if name not in told
    }
    assert await read(bridge, number, "auditor") == {
        **before,
        "related": (await read(bridge, number, "auditor"))["related"],
    }


async def test_those_who_may_see_both_find_them_linked(bridge: Bridge) -> None:
    number = (await bridge.file(**SEALED)).json()["ticket_no"]
    again = (await bridge.file(**SEALED, headers=bridge.key("agent"))).json()["ticket_no"]
    shown = await read(bridge, again, "auditor")
    assert ([one["ticket_no"] for one in shown["related"]], shown["restricted"]) == ([number], True)


async def test_its_unit_joins_it(bridge: Bridge) -> None:
    number = (await bridge.file(**SEALED)).json()["ticket_no"]
    again = await bridge.file(**SEALED, headers=await key_of(bridge, "handler", UNIT))
    assert (again.json()["merged"], again.json()["ticket_no"]) == (True, number)


async def test_the_bot_joins_for_the_customer(bridge: Bridge) -> None:
    await bridge.file(**SEALED, recused={"persons": ["key:admin"]})
    assert (await bridge.file(**SEALED)).json()["merged"] is True


async def test_staff_of_another_unit_do_not_write_into_what_they_do_not_see(bridge: Bridge) -> None:
    await bridge.file(**STORY, phone=PHONE)
    elsewhere = await key_of(bridge, "handler", "电子银行部")
    assert (await bridge.file(**STORY, phone=PHONE, headers=elsewhere)).json()["merged"] is False
    assert (await bridge.file(**STORY, phone=PHONE, headers=bridge.key("agent"))).json()["merged"] is True


# Somebody else's conversation


async def told_a_phone(bridge: Bridge) -> Talk:
    return await said(bridge, f"我的电话是{PHONE}，找王小明")


async def refusal(bridge: Bridge, headers: dict[str, str], **body: Any) -> tuple[int, str]:
    told = await bridge.file(**{"phone": "<PHONE_1>", "narrative_raw": "我的<PHONE_1>", **body}, headers=headers)
    return told.status_code, told.json()["error"]["code"]


async def test_a_conversation_that_one_may_not_read_is_not_filed_from(bridge: Bridge) -> None:
    talk, sealed = await told_a_phone(bridge), await told_a_phone(bridge)
    await bridge.file(**SEALED, conversation_id=sealed.id)
    unknown = (409, "conversation_unknown")
    assert await refusal(bridge, bridge.key("handler"), conversation_id=talk.id) == unknown
    assert await refusal(bridge, bridge.key("agent"), conversation_id=sealed.id) == unknown
    assert await refusal(bridge, bridge.key("agent"), conversation_id="nobody-knows-this") == unknown
    body = {"name": "limited", "role": "agent", "scopes": ["tickets:write"]}
    key = (await bridge.http.post("/v1/api-keys", json=body, headers=bridge.key())).json()["key"]
    assert await refusal(bridge, {"X-API-Key": key}, conversation_id=talk.id) == unknown


async def test_staff_who_read_it_file_from_it_and_open_no_placeholder(bridge: Bridge) -> None:
    talk = await told_a_phone(bridge)
    body = {"phone": "<PHONE_1>", "narrative_raw": "我的<PHONE_1>", "conversation_id": talk.id}
    by_staff = await read(bridge, (await bridge.file(**body, headers=bridge.key("agent"))).json()["ticket_no"])
    assert (by_staff["narrative_raw"], by_staff["conversation_id"]) == ("我的<PHONE_1>", talk.id)
    assert PHONE not in str(by_staff)
    by_bot = await read(bridge, (await bridge.file(**body, cause_l1="C12")).json()["ticket_no"])
    assert by_bot["phone"] == PHONE
