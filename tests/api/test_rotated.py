"""The old key is gone: everything that was kept under it is still read, found, signed and proved, by the new one alone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from api.commands import audit_verify
from api.core.models import metadata, staff_sessions
from api.core.rotation import places
from api.tickets.search.models import search_tokens
from tests.api.conftest import Bridge, Start
from tests.api.files.samples import pdf
from tests.api.receiver import Receiver
from tests.api.test_handoff_pull import pulled
from tests.api.test_privacy import PHONE, closed
from tests.api.test_rotate_keys import at_once, command
from tests.api.test_webhooks import QUICK, call, webhook

__all__ = ["at_once"]  # a fixture

SEEN = "ID-TOKEN-OF-A-SESSION"


async def file_full(bridge: Bridge, receiver: Receiver) -> tuple[str, str, dict[str, Any]]:
    """Something in every table that keeps a secret: number of the ticket, id of its attachment, the webhook."""
    made = await webhook(bridge, receiver.url, types=["ticket.none"])
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我是王小明，电话{PHONE}"))
    number = await closed(
        bridge,
        phone=PHONE,
        name="王小明",
        narrative_raw="黑箱操作拖了很久",
        conversation_id=talk.id,
        callback_wanted=True,
    )
    place = f"/v1/conversations/{talk.id}"
    for what, body in (
        ("satisfaction", {"score": 5, "resolved": True, "comment": "多谢小李"}),
        ("consent/withdraw", {"reason": "不想再收到短信"}),
    ):
        told = await bridge.http.post(f"{place}/{what}", json=body, headers=talk.headers)
        assert told.status_code < 300, told.text
    files = {"file": ("回单.pdf", pdf())}
    added = await bridge.http.post(f"/v1/tickets/{number}/attachments", files=files, headers=bridge.key("supervisor"))
    assert added.status_code == 201, added.text
    ask = {"ticket_no": number, "reason": "诉讼"}
    assert (await bridge.http.post("/v1/privacy/holds", json=ask, headers=bridge.key())).status_code == 201
    seen = {"token_hash": "x" * 64, "staff_id": 1, "created_at": bridge.app.state.context.clock.now()}
    values = {**seen, "seen_at": seen["created_at"], "id_token": SEEN}
    await bridge.app.state.context.db.write(lambda c: c.execute(insert(staff_sessions), values) and None)
    return number, added.json()["attachment_id"], made


async def test_with_the_new_key_alone_nothing_is_lost(
    start: Start, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    first: Bridge = await start(**QUICK)
    number, attachment, made = await file_full(first, receiver)
    file_ = f"/v1/tickets/{number}/attachments/{attachment}"
    before = (await first.http.get(file_, headers=first.key())).content
    told = (await first.http.get(f"/v1/tickets/{number}", headers=first.key())).json()
    events = (await pulled(first, 6, personal="full"))["events"]
    await first.stop()
    assert await command(first) == 0
    assert await command(first, "--remove-old") == 0

    bridge: Bridge = await start(**QUICK)
    assert list(bridge.app.state.context.cipher.ring.keys) == [2]
    assert (await bridge.http.get(file_, headers=bridge.key())).content == before
    assert (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json() == told
    for q in (PHONE, number, "黑箱", "李四", "王小明"):
        found = (await bridge.http.get("/v1/tickets", params={"q": q}, headers=bridge.key())).json()["tickets"]
        assert [one["ticket_no"] for one in found] == [number], q
    assert (await pulled(bridge, 6, personal="full"))["events"] == events
    assert (await call(bridge, "POST", f"/v1/webhooks/{made['id']}/test"))["delivered"] is True
    assert receiver.verified(made["secret"])["type"] == "webhook.test"
    assert await bridge.app.state.context.db.read(_everything_opens) > 30
    await bridge.stop()
    capsys.readouterr()
    assert await asyncio.to_thread(audit_verify.main, [], bridge.settings) == 0, capsys.readouterr()


def _everything_opens(connection: Any) -> int:
    """How many blobs there are; each is read, names key 2, and every table that can keep some does."""
    blobs, tables = 0, set()
    for place in places(metadata):
        connection.execute(place.table.select()).all()
        for column in place.encrypted:
            raw = connection.execute(text(f'SELECT "{column.name}" FROM {place.table.name}')).scalars()  # noqa: S608
            for blob in (bytes(one) for one in raw if one is not None):
                assert blob[0] == 2, column
                blobs += 1
                tables.add(place.table.name)
    assert tables == {place.table.name for place in places(metadata)}
    assert set(connection.execute(select(search_tokens.c.key_number)).scalars()) == {2}
    return blobs
