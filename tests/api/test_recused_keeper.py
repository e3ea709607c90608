"""回避 reaches those who keep everybody's data: of a complaint about themselves they give out, delete, hold and read nothing."""

import json
from typing import Any

import pytest

from tests.api.conftest import Bridge
from tests.api.test_privacy import OTHER, PHONE, ask, closed
from tests.api.test_whose_conversation import STORY

ABOUT = {"persons": ["key:admin"]}


@pytest.fixture
async def number(bridge: Bridge) -> str:
    """Sealed, and about the administrator."""
    filed = await bridge.file(**{**STORY, "cause_l1": "C8"}, phone=PHONE, recused=ABOUT)
    return str(filed.json()["ticket_no"])


def code(told: Any) -> tuple[int, str]:
    return told.status_code, told.json()["error"]["code"]


@pytest.mark.parametrize("whose", ["phone", "ticket_no"])
async def test_they_neither_export_nor_delete_whoever_complained_of_them(
    bridge: Bridge, number: str, whose: str
) -> None:
    await bridge.file(phone=PHONE, cause_l1="C12", narrative_raw="催收电话")
    of = {"phone": PHONE} if whose == "phone" else {"ticket_no": number}
    assert code(await ask(bridge, "exports", **of)) == (409, "recused")
    assert code(await ask(bridge, "deletions", confirm="删除", **of)) == (409, "recused")
    assert (await ask(bridge, "exports", "auditor", **of)).status_code == 200
    shown = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("auditor"))
    assert shown.json()["processing_restricted_at"] is None


async def test_they_neither_hold_it_nor_lift_a_hold(bridge: Bridge, number: str) -> None:
    assert code(await ask(bridge, "holds", ticket_no=number)) == (409, "recused")
    assert (await ask(bridge, "holds", "auditor", ticket_no=number)).status_code == 201
    place = f"/v1/privacy/holds/{number}"
    assert code(await bridge.http.delete(place, headers=bridge.key())) == (409, "recused")
    assert (await bridge.http.delete(place, headers=bridge.key("auditor"))).status_code == 204


async def test_they_read_nothing_of_it_in_the_audit_chain(bridge: Bridge, number: str) -> None:
    other = await closed(bridge, phone=OTHER)
    await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("auditor"))
    await bridge.http.get("/v1/tickets", headers=bridge.key("auditor"))
    told = {}
    for role in ("admin", "auditor"):
        page = await bridge.http.get("/v1/audit", params={"limit": 200}, headers=bridge.key(role))
        told[role] = json.dumps(page.json()["entries"])
    assert number not in told["admin"]
    assert number in told["auditor"]
    assert other in told["admin"]
    assert "ticket.list" in told["admin"]
    mine = await bridge.http.get("/v1/audit", params={"subject": number}, headers=bridge.key())
    assert mine.json()["entries"] == []
