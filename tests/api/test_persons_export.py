"""What a person's export holds: theirs and who read it; nothing of the bank's own work, nothing of whoever shares the phone."""

import json
from typing import Any

import pytest

from tests.api.conftest import Bridge
from tests.api.files.samples import pdf
from tests.api.test_privacy import PHONE, ask, closed, delete, detail, exported
from tests.api.test_whose_conversation import said

INSIDE = (
    "root_cause", "corrective_action", "recused_persons", "recused_units", "responsible", "sent_by", "intake_owner", "owner",
    "route", "copied", "validity", "operator_id", "policy_version", "script_ids_used", "sources", "legal_hold_reason",
)  # fmt: skip


async def test_nothing_of_the_banks_own_work_is_in_it(bridge: Bridge) -> None:
    await closed(bridge, phone=PHONE, name="王小明", recused={"persons": ["zhang.san"]})
    found = await exported(bridge, phone=PHONE)
    (ticket,) = found["tickets"]
    assert not set(INSIDE) & set(ticket)
    told = json.dumps(found, ensure_ascii=False)
    for word in ("柜员李四未解释", "约谈李四", "zhang.san", "联系客户王小明核实"):
        assert word not in told
    assert (ticket["outcome"], ticket["name"]) == ("道歉", "王小明")
    assert "已道歉" in told


async def test_it_says_who_read_it_in_whatever_way(bridge: Bridge) -> None:
    talk = await said(bridge)
    number = (await bridge.file(phone=PHONE, conversation_id=talk.id)).json()["ticket_no"]
    other = (await bridge.file(phone="13800138001", cause_l1="C12")).json()["ticket_no"]
    file = {"file": ("a.pdf", pdf())}
    added = await bridge.http.post(f"/v1/tickets/{number}/attachments", files=file, headers=bridge.key("supervisor"))
    for address, role in (
        (f"/v1/conversations/{talk.id}/messages", "agent"),
        ("/v1/tickets", "handler"),
        ("/v1/tickets/export", "auditor"),
        ("/v1/tickets/export?format=xlsx", "supervisor"),
        ("/v1/handoff/events", "admin"),
        *([(f"/v1/tickets/{number}/attachments/{added.json()['attachment_id']}", "admin")] if added.is_success else []),
    ):
        assert (await bridge.http.get(address, headers=bridge.key(role))).status_code == 200, address
    assert (await detail(bridge, other)).status_code == 200
    (ticket,) = (await exported(bridge, phone=PHONE))["tickets"]
    read = {(one["who"], one["what"]) for one in ticket["read_by"]}
    assert read >= {
        ("key:agent", "conversation.read"),
        ("key:handler", "ticket.list"),
        ("key:auditor", "ticket.export"),
        ("key:supervisor", "ticket.export"),
        ("key:admin", "ticket.pull"),
    }
    assert (("key:admin", "ticket.download") in read) == added.is_success
    assert ("key:admin", "ticket.read") not in read  # that was the other one


async def test_an_exports_pages_name_their_tickets(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.tickets.export._PAGE", 2)
    numbers = [(await bridge.file(phone=f"1380013800{n}")).json()["ticket_no"] for n in range(3)]
    assert (await bridge.http.get("/v1/tickets/export", headers=bridge.key())).status_code == 200
    page = await bridge.http.get("/v1/audit", params={"action": "ticket.export"}, headers=bridge.key())
    named = [one["changes"]["ticket_nos"][1] for one in page.json()["entries"]]
    assert named == [numbers[:1], [numbers[2], numbers[1]]]


async def family(bridge: Bridge) -> tuple[str, str]:
    first = (await bridge.file(phone=PHONE, name="王小明")).json()["ticket_no"]
    second = (await bridge.file(phone=PHONE, name="李小红", cause_l1="C12", narrative_raw="催收")).json()["ticket_no"]
    return first, second


@pytest.mark.parametrize("by", ["phone", "ticket"])
async def test_of_a_shared_phone_it_must_be_said_whose(bridge: Bridge, by: str) -> None:
    first, second = await family(bridge)
    await said(bridge, f"先问问，我电话{PHONE}")
    of: dict[str, Any] = {"phone": PHONE} if by == "phone" else {"ticket_no": first}
    for what, more in (("exports", {}), ("deletions", {"confirm": "删除"})):
        told = await ask(bridge, what, **of, **more)
        assert (told.status_code, told.json()["error"]["code"]) == (409, "several_people")
        assert told.json()["error"]["details"] == {"tickets": [first, second]}
        assert "小红" not in told.text
    found = await exported(bridge, **of, only=[first])
    assert ([one["ticket_no"] for one in found["tickets"]], found["conversations"]) == ([first], [])
    assert "李小红" not in json.dumps(found, ensure_ascii=False)
    assert [one["ticket_no"] for one in (await delete(bridge, **of, only=[second]))["kept"]] == [second]
    assert (await detail(bridge, first)).json()["processing_restricted_at"] is None


async def test_a_surname_with_a_title_is_whoever_has_that_surname(bridge: Bridge) -> None:
    numbers = [
        (await bridge.file(phone=PHONE, name=name, **told)).json()["ticket_no"]
        for name, told in (("王小明", {}), ("王先生", {"cause_l1": "C12", "narrative_raw": "催收"}))
    ]
    assert [one["ticket_no"] for one in (await exported(bridge, phone=PHONE))["tickets"]] == numbers
    await bridge.file(phone=PHONE, name="王大明", cause_l1="C9", narrative_raw="理财亏了")
    assert (await ask(bridge, "exports", phone=PHONE)).json()["error"]["code"] == "several_people"


async def test_only_names_tickets_of_the_phone(bridge: Bridge) -> None:
    first, _ = await family(bridge)
    other = (await bridge.file(phone="13800138001")).json()["ticket_no"]
    told = await ask(bridge, "exports", phone=PHONE, only=[first, other])
    assert (told.status_code, told.json()["error"]["code"]) == (409, "not_of_this_phone")
    assert told.json()["error"]["details"] == {"unknown": [other]}
