"""Evidence over real HTTP: what is refused, what a customer and staff see, and what remains of a file that goes."""

import asyncio
import contextlib
import os
import re
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from api.core.models import audit
from api.tickets.evidence import repository
from api.tickets.evidence import upkeep as upkeep_module
from tests.api.conftest import INTERNAL, ROOT, Bridge, Start, Talk
from tests.api.fake_bot import answer
from tests.api.files import samples
from tests.api.files.samples import EICAR, pdf, photo
from tests.api.files.servers import CLAMD, clamd, played_clamd, s3
from tests.api.redis_server import free_port
from tests.api.stores import Store

NOBODY = "x" * 24


async def upload(talk: Talk, data: bytes, name: str = "photo.jpg", **more: Any) -> httpx.Response:
    headers = more.pop("headers", talk.headers)
    files = {"file": (name, data, "application/octet-stream")}
    return await talk.http.post(f"/v1/conversations/{talk.id}/attachments", files=files, headers=headers, **more)


async def uploaded(talk: Talk, data: bytes, name: str = "photo.jpg") -> str:
    response = await upload(talk, data, name)
    assert response.status_code == 201, response.text
    return str(response.json()["attachment_id"])


async def sent(talk: Talk, *ids: str) -> httpx.Response:
    response = await talk.post(attachment_ids=list(ids))
    assert response.status_code == 202, response.text
    return response


async def detail(bridge: Bridge, number: str, role: str = "admin") -> dict[str, Any]:
    response = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key(role))
    assert response.status_code == 200, response.text
    return dict(response.json())


async def add(
    bridge: Bridge, number: str, data: bytes, name: str = "scan.pdf", role: str = "handler", **fields: str
) -> httpx.Response:
    files = {"file": (name, data)}
    url = f"/v1/tickets/{number}/attachments"
    return await bridge.http.post(url, files=files, data=fields, headers=bridge.key(role))


async def filed(bridge: Bridge, talk: Talk | None = None, **more: Any) -> str:
    if talk is not None:
        more["conversation_id"] = talk.id
    return str((await bridge.file(**more)).json()["ticket_no"])


def stored(bridge: Bridge) -> list[Path]:
    return [path for path in (bridge.settings.data_dir / "evidence").rglob("*") if path.is_file()]


async def audited(bridge: Bridge) -> list[Any]:
    return list(
        await bridge.app.state.context.db.read(
            lambda connection: connection.execute(select(audit).order_by(audit.c.seq)).all()
        )
    )


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# Refused


async def test_a_stranger_is_refused_before_the_file_is_read(bridge: Bridge) -> None:
    talk, other = await bridge.talk(), await bridge.talk()
    for headers in ({}, {"Authorization": "Bearer wrong"}, other.headers, bridge.key("admin")):
        assert code(await upload(talk, photo(), headers=headers)) == (401, "unauthorized")
    number = await filed(bridge)
    url = f"/v1/tickets/{number}/attachments"
    body = {"file": ("a.jpg", photo())}
    assert code(await bridge.http.post(url, files=body)) == (401, "unauthorized")
    assert code(await bridge.http.post(url, files=body, headers=bridge.internal)) == (403, "forbidden")
    assert code(await bridge.http.post(url, files=body, headers=bridge.key("auditor"))) == (403, "forbidden")
    assert code(await add(bridge, "TS209901010000", photo())) == (404, "ticket_not_found")
    assert stored(bridge) == []


@pytest.mark.parametrize(
    ("data", "name", "refusal"),
    [
        (b"", "a.jpg", (422, "file_empty")),
        (b"PK\x03\x04" + bytes(100), "holiday.jpg", (415, "file_type_unsupported")),
        (b"<!doctype html><script>alert(1)</script>", "receipt.pdf", (415, "file_type_unsupported")),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", (415, "file_type_unsupported")),
        (photo()[:500], "a.jpg", (422, "file_damaged")),
        (samples.bomb(7072, 7072), "bomb.png", (422, "image_too_large")),
        (pdf(b"<< /S /JavaScript /JS (x) >>"), "a.pdf", (422, "file_active")),
    ],
)  # fmt: skip
async def test_a_file_that_is_not_taken_leaves_nothing(bridge: Bridge, data: bytes, name: str, refusal: Any) -> None:
    talk = await bridge.talk()
    refused = await upload(talk, data, name)
    assert code(refused) == refusal
    assert re.search("[\u4e00-\u9fff]", refused.json()["error"]["message"])
    assert stored(bridge) == []


async def test_the_refusal_says_what_can_be_sent(bridge: Bridge) -> None:
    refused = await upload(await bridge.talk(), b"MZ" + bytes(100), "a.jpg")
    assert "JPG、PNG、HEIC、WebP、PDF、MP3、M4A、AMR、MP4、MOV" in refused.json()["error"]["message"]


async def test_what_is_no_upload_is_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    url, http = f"/v1/conversations/{talk.id}/attachments", talk.http
    for request in (
        {"content": b"raw bytes"},
        {"json": {"file": "x"}},
        {"data": {"file": "text"}},
        {"files": {"other": ("a.jpg", photo())}},
        {"files": [("file", ("a.jpg", photo())), ("file", ("b.jpg", photo()))]},
        {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
    ):
        headers = {**talk.headers, **request.pop("headers", {})}
        refused = await http.post(url, headers=headers, **request)
        assert code(refused) == (422, "upload_invalid"), request
    assert stored(bridge) == []


async def test_only_upload_routes_take_more_than_a_megabyte(bridge: Bridge) -> None:
    talk = await bridge.talk()
    large = pdf(contents=os.urandom(3_000_000))
    assert (await upload(talk, large, "a.pdf")).status_code == 201
    refused = await upload(talk, bytes(21 * 1024**2), "a.pdf")
    assert code(refused) == (413, "file_too_large")
    assert "20 MB" in refused.json()["error"]["message"]

    async def without_length() -> Any:
        for _ in range(22):
            yield bytes(1024**2)

    headers = {**talk.headers, "Content-Type": "multipart/form-data; boundary=x"}
    try:
        refused = await talk.http.post(
            f"/v1/conversations/{talk.id}/attachments", content=without_length(), headers=headers
        )
        assert refused.status_code in (413, 422)
    except httpx.HTTPError:
        pass  # the answer came and the connection closed while the rest was still being sent
    path = f"/v1/conversations/{talk.id}/messages"
    assert code(await talk.http.post(path, content=bytes(2_000_000), headers=talk.headers)) == (
        413,
        "payload_too_large",
    )


async def test_a_kind_may_be_smaller_than_the_largest(bridge: Bridge) -> None:
    noise = samples.speech(frames=400_000)
    refused = await upload(await bridge.talk(), noise, "a.amr")
    assert code(refused) == (413, "file_too_large")
    assert "10 MB" in refused.json()["error"]["message"]


async def test_an_upload_that_stops_is_given_up(start: Start) -> None:
    bridge = await start(upload_idle=0.3)
    talk = await bridge.talk()
    host, port = bridge.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/conversations/{talk.id}/attachments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {talk.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    )
    writer.write(head.encode())
    async with asyncio.timeout(10):
        told = await reader.readuntil(b"}}")
    writer.close()
    assert told.startswith(b"HTTP/1.1 408")
    assert b"upload_timeout" in told
    assert stored(bridge) == []


async def test_a_sender_who_goes_away_leaves_nothing(bridge: Bridge) -> None:
    talk = await bridge.talk()
    host, port = bridge.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/conversations/{talk.id}/attachments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {talk.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n--x\r\n"
    )
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    for _ in range(100):
        metrics = (await bridge.http.get("/metrics")).text
        if 'route="/v1/conversations/{conversation_id}/attachments",status="422"' in metrics:
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("the upload is still waited for")
    assert stored(bridge) == []


async def test_limits_of_a_message_and_a_conversation(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = await bridge.talk()
    ids = [await uploaded(talk, pdf(b"<< /N %d >>" % number), "a.pdf") for number in range(3)]
    room = bridge.app.state.evidence
    room.rules = room.rules.model_copy(update={"per_message": 2, "per_conversation": 3})
    assert code(await talk.post(attachment_ids=ids)) == (422, "too_many_attachments")
    assert code(await upload(talk, pdf(b"<< /N 9 >>"))) == (422, "too_many_attachments")
    assert (await talk.history())["messages"] == []


async def test_a_message_names_attachments_of_its_own_conversation_only(bridge: Bridge) -> None:
    talk, other = await bridge.talk(), await bridge.talk()
    theirs, mine = await uploaded(other, photo()), await uploaded(talk, photo())
    for ids in ([theirs], [mine, theirs], [NOBODY]):
        assert code(await talk.post(attachment_ids=ids)) == (404, "attachment_not_found")
    assert code(await talk.post(attachment_ids=[])) == (422, "invalid_request")
    assert code(await talk.post(attachment_ids=[mine], text="看图")) == (422, "invalid_request")
    assert (await talk.history())["messages"] == []
    url = f"/v1/conversations/{talk.id}/attachments/{theirs}"
    assert code(await talk.http.get(url, headers=talk.headers)) == (404, "attachment_not_found")
    url = f"/v1/conversations/{other.id}/attachments/{theirs}"
    assert code(await talk.http.get(url, headers=talk.headers)) == (401, "unauthorized")


async def test_a_sealed_ticket_hides_its_evidence(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C8")
    added = (await add(bridge, number, photo(), "a.jpg", role="admin")).json()
    url = f"/v1/tickets/{number}/attachments/{added['attachment_id']}"
    assert code(await bridge.http.get(url, headers=bridge.key("handler"))) == (404, "ticket_not_found")
    assert code(await add(bridge, number, photo(), role="handler")) == (404, "ticket_not_found")
    assert (await bridge.http.get(url, headers=bridge.key("auditor"))).status_code == 200


async def test_an_attachment_is_found_in_its_own_ticket_only(bridge: Bridge) -> None:
    one, other = await filed(bridge), await filed(bridge, phone="13900139000")
    added = (await add(bridge, one, photo())).json()["attachment_id"]
    for path in (f"{other}/attachments/{added}", f"{one}/attachments/{NOBODY}"):
        refused = await bridge.http.get(f"/v1/tickets/{path}", headers=bridge.key("handler"))
        assert code(refused) == (404, "attachment_not_found")
    assert code(await bridge.http.get(f"/v1/tickets/{one}/attachments/{added}")) == (401, "unauthorized")


async def test_a_full_disk_keeps_nothing(bridge: Bridge) -> None:
    talk = await bridge.talk()
    bridge.settings.data_dir.joinpath("evidence").write_text("a file where the directory should be")
    assert code(await upload(talk, photo())) == (503, "file_store_unavailable")
    bridge.settings.data_dir.joinpath("evidence").unlink()
    assert (await upload(talk, photo())).status_code == 201


# Customers


async def test_a_photo_comes_back_without_its_place(bridge: Bridge) -> None:
    talk = await bridge.talk()
    response = await upload(talk, photo(orientation=6), "C:\\fakepath\\卡6222021234567890128.HEIC")
    assert response.status_code == 201
    body = response.json()
    assert body == {
        "attachment_id": body["attachment_id"],
        "name": "卡622202xxxxxxxxx0128.HEIC.jpg",
        "size": body["size"],
        "media_type": "image/jpeg",
    }
    got = await talk.http.get(f"/v1/conversations/{talk.id}/attachments/{body['attachment_id']}", headers=talk.headers)
    assert (got.status_code, len(got.content)) == (200, body["size"])
    assert not [trace for trace in samples.TRACES if trace in got.content]
    headers = got.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"].startswith(
        "attachment; filename=\"attachment.jpg\"; filename*=UTF-8''%E5%8D%A1622202x"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-control"] == "no-store"


async def test_nothing_of_a_file_lies_in_clear_on_disk(bridge: Bridge) -> None:
    talk = await bridge.talk()
    content = pdf(b"<< /Title (SECRET-OF-THE-CUSTOMER) >>")
    await sent(talk, await uploaded(talk, content, "SECRETNAME.pdf"))
    await bridge.stop()
    raw = b"".join(path.read_bytes() for path in bridge.settings.data_dir.rglob("*") if path.is_file())
    assert b"SECRET-OF-THE-CUSTOMER" not in raw
    assert b"SECRETNAME" not in raw


async def test_a_message_of_files_is_kept_and_thanked_for_without_the_bot(bridge: Bridge) -> None:
    talk = await bridge.talk()
    ids = [await uploaded(talk, photo(), "凭条.jpg"), await uploaded(talk, pdf(), "流水.pdf")]
    first = await talk.post(client_id="m-1", attachment_ids=ids)
    again = await talk.post(client_id="m-1", attachment_ids=ids)
    assert (first.json(), again.json()) == ({"seq": 1}, {"seq": 1})
    mine, thanks = (await talk.history())["messages"]
    assert (mine["role"], mine["text"]) == ("customer", "［附件］凭条.jpg、流水.pdf")
    assert [(item["attachment_id"], item["name"]) for item in mine["attachments"]] == list(
        zip(ids, ("凭条.jpg", "流水.pdf"), strict=True)
    )
    assert (thanks["role"], thanks["text"]) == ("system", "收到2个附件，登记时会一并放进您的工单。您可以接着说。")
    assert bridge.bot.turns == []
    events = await talk.events(lambda found: len(found) >= 2)
    assert [event[1] for event in events[:2]] == [1, 2]
    assert events[0][2]["attachments"] == mine["attachments"]


async def test_the_conversation_goes_on_around_files(bridge: Bridge) -> None:
    """What the bot offered stays open, and the next turn is of words alone."""
    talk = await bridge.talk()
    bridge.bot.respond = lambda turn: (
        answer("哪里？")
        | {"messages": [{"text": "哪里？", "choices": [{"label": "城东", "payload": "/x"}], "asks": "branch"}]}
    )
    page = await talk.answered(await talk.say("柜员让我等"))
    choice = page["messages"][-1]["choices"][0]["choice_id"]
    await sent(talk, await uploaded(talk, photo()))
    assert len(bridge.bot.turns) == 1
    assert (await talk.post(choice_id=choice)).status_code == 202
    await talk.until(lambda page: len(bridge.bot.turns) == 2)
    assert (bridge.bot.turns[1]["choice"], bridge.bot.turns[1]["text"]) == ("/x", "城东")


async def test_files_that_come_while_the_bot_thinks(bridge: Bridge) -> None:
    talk = await bridge.talk()
    bridge.bot.delay = 0.3
    await talk.say("一")
    one = await uploaded(talk, photo())
    await sent(talk, one)
    last = await talk.say("二")
    await talk.answered(last)
    await talk.until(lambda page: len([m for m in page["messages"] if m["role"] == "bot"]) == 2)
    assert [turn["text"] for turn in bridge.bot.turns] == ["一", "二"]


async def test_the_same_photo_twice_is_one_attachment(bridge: Bridge) -> None:
    talk, other = await bridge.talk(), await bridge.talk()
    ids = {await uploaded(talk, photo()), await uploaded(talk, photo(), "again.jpg")}
    assert len(ids) == 1
    twice = await asyncio.gather(*(upload(talk, pdf(b"<< /X 1 >>"), "a.pdf") for _ in range(3)))
    assert len({response.json()["attachment_id"] for response in twice}) == 1
    assert await uploaded(other, photo()) not in ids
    assert len(stored(bridge)) == 2


# Tickets


async def test_what_was_sent_before_filing_goes_to_the_ticket(bridge: Bridge) -> None:
    talk = await bridge.talk()
    kept, forgotten = await uploaded(talk, photo(), "a.jpg"), await uploaded(talk, pdf(), "never-sent.pdf")
    await sent(talk, kept)
    number = await filed(bridge, talk)
    shown = await detail(bridge, number)
    (attachment,) = shown["attachments"]
    assert attachment["attachment_id"] == kept != forgotten
    assert (attachment["added_by"], attachment["from_customer"], attachment["scan"]) == (
        "customer",
        True,
        "not_scanned",
    )
    assert re.fullmatch("[0-9a-f]{64}", attachment["sha256"])
    entry = shown["events"][-1]
    assert (entry["type"], entry["audience"], [one["attachment_id"] for one in entry["data"]["attachments"]]) == (
        "evidence",
        "customer",
        [kept],
    )
    assert "a.jpg" not in str(entry)


async def test_what_is_sent_after_filing_keeps_the_promise_and_restarts_the_clock(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = await filed(bridge, talk)
    said = {"type": "comment", "text": "我有录音", "from_customer": True, "evidence": True}
    await bridge.http.post(f"/v1/tickets/{number}/events", json=said, headers=bridge.internal)
    assert [promise["met_at"] for promise in (await detail(bridge, number))["promises"]] == [None]
    await sent(talk, await uploaded(talk, samples.speech(), "录音.amr"))
    shown = await detail(bridge, number)
    assert [promise["met_at"] is not None for promise in shown["promises"]] == [True]
    entry = shown["events"][-1]
    assert (entry["type"], entry["data"]["new_facts"], entry["data"]["clock_restarted"]) == (
        "evidence",
        ["evidence"],
        True,
    )
    assert shown["version"] == len(shown["events"])
    thanks = (await talk.history())["messages"][-1]["text"]
    assert thanks == f"收到1个附件，已放进工单{number}，经办同事会看到。"


async def test_sending_the_same_again_tells_nothing_new(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = await filed(bridge, talk)
    one = await uploaded(talk, photo())
    await sent(talk, one)
    before = await detail(bridge, number)
    await sent(talk, one)
    after = await detail(bridge, number)
    assert (len(after["events"]), len(after["attachments"])) == (len(before["events"]), 1)


async def test_a_customer_who_was_waited_for_sets_the_work_going(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = await filed(bridge, talk)
    for event in ({"type": "accept"}, {"type": "wait", "for": "customer", "reason": "等凭条"}):
        done = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
        assert done.status_code == 201, done.text
    await sent(talk, await uploaded(talk, photo()))
    assert (await detail(bridge, number))["state"] == "investigating"


async def test_files_follow_a_ticket_that_was_merged(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number, into = await filed(bridge, talk), await filed(bridge, phone="13900139000", cause_l1="C1")
    merged = {"type": "merge", "into": into}
    done = await bridge.http.post(f"/v1/tickets/{number}/events", json=merged, headers=bridge.key("supervisor"))
    assert done.status_code == 201, done.text
    await sent(talk, await uploaded(talk, photo()))
    assert len((await detail(bridge, into))["attachments"]) == 1


async def test_files_sent_while_the_turn_files_the_ticket_are_not_lost(bridge: Bridge) -> None:
    """The ticket joins another conversation's, so only the end of the turn tells whose ticket it is."""
    other, talk = await bridge.talk(), await bridge.talk()
    number = await filed(bridge, other)
    one = await uploaded(talk, photo())

    async def file_and_send(turn: dict[str, Any]) -> None:
        assert await filed(bridge, talk) == number
        await sent(talk, one)

    bridge.bot.before_answer = file_and_send
    bridge.bot.respond = lambda turn: answer("登记好了", ticket_no=number)
    await talk.answered(await talk.say("柜员让我等"))
    assert [found["attachment_id"] for found in (await detail(bridge, number))["attachments"]] == [one]


async def test_staff_add_and_read_evidence_and_both_leave_a_trace(bridge: Bridge) -> None:
    number = await filed(bridge)
    promised = {"type": "comment", "text": "有材料", "from_customer": True, "evidence": True}
    await bridge.http.post(f"/v1/tickets/{number}/events", json=promised, headers=bridge.internal)
    inside = await add(bridge, number, pdf(), "监控说明.pdf")
    assert inside.status_code == 201, inside.text
    shown = await detail(bridge, number)
    assert (shown["promises"][0]["met_at"], shown["events"][-1]["audience"]) == (None, "staff")
    brought = await add(bridge, number, photo(), "客户凭条.jpg", from_customer="true")
    shown = await detail(bridge, number)
    assert shown["promises"][0]["met_at"] is not None
    assert [(one["name"], one["added_by"], one["from_customer"]) for one in shown["attachments"]] == [
        ("监控说明.pdf", "key:handler", False),
        ("客户凭条.jpg", "key:handler", True),
    ]
    url = f"/v1/tickets/{number}/attachments/{brought.json()['attachment_id']}"
    got = await bridge.http.get(url, headers=bridge.key("auditor"))
    assert (got.status_code, got.headers["x-content-type-options"]) == (200, "nosniff")
    assert got.content[:3] == b"\xff\xd8\xff"
    trace = (await audited(bridge))[-1]
    assert (trace.who, trace.action, trace.subject) == ("key:auditor", "ticket.download", number)
    again = await add(bridge, number, photo(), "noch-einmal.jpg")
    assert again.json()["attachment_id"] == brought.json()["attachment_id"]


# The scanner


async def test_an_infected_file_is_refused_and_somebody_hears_of_it(start: Start) -> None:
    with played_clamd(lambda data: b"stream: Eicar FOUND\n" if EICAR in data else b"stream: OK\n") as address:
        bridge = await start(clamav=address)
        talk = await bridge.talk()
        assert code(await upload(talk, pdf(contents=EICAR), "a.pdf")) == (422, "file_infected")
        assert stored(bridge) == []
        number = await filed(bridge)
        assert code(await add(bridge, number, pdf(b"<<>>", contents=EICAR))) == (422, "file_infected")
        notices = (await bridge.http.get("/v1/notices", headers=bridge.key("admin"))).json()["notices"]
        assert {(notice["kind"], notice["ticket_no"]) for notice in notices} == {
            ("file_infected", None),
            ("file_infected", number),
        }
        clean = await add(bridge, number, pdf())
        assert clean.json()["scan"] == "clean"


async def test_a_file_waits_for_a_scanner_that_is_away(start: Start) -> None:
    answers = [b""]
    with played_clamd(lambda _: answers[-1]) as address:
        bridge = await start(clamav=address)
        talk = await bridge.talk()
        one = await uploaded(talk, photo())
        await sent(talk, one)
        number = await filed(bridge, talk)
        assert (await detail(bridge, number))["attachments"][0]["scan"] == "pending"
        url = f"/v1/tickets/{number}/attachments/{one}"
        assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (409, "attachment_not_scanned")
        upkeep = bridge.app.state.evidence.upkeep
        await upkeep.scan()
        assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (409, "attachment_not_scanned")
        answers.append(b"stream: OK\n")
        await upkeep.scan()
        assert (await bridge.http.get(url, headers=bridge.key("admin"))).status_code == 200


async def test_a_file_that_cannot_be_judged_holds_up_no_other(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "_AT_ONCE", 2)
    kept, verdicts = [], {b"": b""}

    def verdict(data: bytes) -> bytes:
        return next(line for mark, line in verdicts.items() if mark in data)

    with played_clamd(verdict) as address:
        bridge = await start(clamav=address)
        number, upkeep = await filed(bridge), bridge.app.state.evidence.upkeep
        for name in ("HUGE", "GONE", "FINE"):
            assert (await add(bridge, number, pdf(contents=name.encode()), f"{name}.pdf")).json()["scan"] == "pending"
            kept.append(set(stored(bridge)) - set().union(*kept))
        kept[1].pop().unlink()
        verdicts.clear()
        verdicts.update({b"HUGE": b"INSTREAM size limit exceeded. ERROR\n", b"": b"stream: OK\n"})
        for _ in range(2):
            await upkeep.scan()
        files = (await detail(bridge, number))["attachments"]
        assert [(one["name"], one["scan"]) for one in files] == [
            ("HUGE.pdf", "pending"), ("GONE.pdf", "pending"), ("FINE.pdf", "clean"),
        ]  # fmt: skip
        assert await told(bridge) == []
        bridge.app.state.context.clock._offset += timedelta(days=1, minutes=1)
        for _ in range(2):
            await upkeep.scan()
        assert await told(bridge) == [("file_not_scanned", number)] * 2


async def test_a_scanner_that_is_away_for_a_day_is_told_of_once(start: Start) -> None:
    bridge = await start(clamav=f"127.0.0.1:{free_port()}")
    number, upkeep = await filed(bridge), bridge.app.state.evidence.upkeep
    for contents in (b"1", b"2"):
        assert (await add(bridge, number, pdf(contents=contents))).json()["scan"] == "pending"
    await upkeep.scan()
    assert await told(bridge) == []
    bridge.app.state.context.clock._offset += timedelta(days=1, minutes=1)
    for _ in range(2):
        await upkeep.scan()
    assert await told(bridge) == [("scanner_away", None)]


async def told(bridge: Bridge) -> list[tuple[str, str | None]]:
    notices = (await bridge.http.get("/v1/notices", headers=bridge.key("admin"))).json()["notices"]
    return [(notice["kind"], notice["ticket_no"]) for notice in notices if not notice["kind"].startswith("sla_")]


async def test_what_the_scanner_finds_later_is_removed(start: Start) -> None:
    verdicts = [b""]
    with played_clamd(lambda _: verdicts[-1]) as address:
        bridge = await start(clamav=address)
        number = await filed(bridge)
        added = (await add(bridge, number, photo())).json()["attachment_id"]
        verdicts.append(b"stream: Later.Found FOUND\n")
        await bridge.app.state.evidence.upkeep.scan()
        assert stored(bridge) == []
        url = f"/v1/tickets/{number}/attachments/{added}"
        assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (410, "attachment_removed")
        notices = (await bridge.http.get("/v1/notices", headers=bridge.key("admin"))).json()["notices"]
        assert [(notice["kind"], notice["ticket_no"]) for notice in notices] == [("file_infected", number)]
        verdicts.append(b"")
        assert code(await add(bridge, number, photo(), "again.jpg")) == (422, "file_infected")


@pytest.mark.skipif(CLAMD is None, reason="no clamd on this machine (Debian: clamav-daemon)")
async def test_with_a_real_scanner(start: Start, tmp_path: Path) -> None:
    daemon = clamd(tmp_path / "clamd")
    bridge = await start(clamav=f"127.0.0.1:{daemon.port}")
    number = await filed(bridge)
    assert (await add(bridge, number, photo(), "a.jpg")).json()["scan"] == "pending"
    await asyncio.to_thread(daemon.start)
    try:
        await bridge.app.state.evidence.upkeep.scan()
        assert (await detail(bridge, number))["attachments"][0]["scan"] == "clean"
        assert code(await add(bridge, number, pdf(contents=EICAR))) == (422, "file_infected")
    finally:
        daemon.stop()


# Stores


async def test_on_s3(start: Start, tmp_path: Path) -> None:
    with s3(tmp_path) as (bucket, server):
        bridge = await start(
            evidence_s3_url=bucket.url,
            evidence_s3_bucket=bucket.name,
            evidence_s3_key=bucket.key,
            evidence_s3_secret=bucket.secret,
        )
        number = await filed(bridge)
        added = await add(bridge, number, photo())
        assert added.status_code == 201, added.text
        url = f"/v1/tickets/{number}/attachments/{added.json()['attachment_id']}"
        assert len((await bridge.http.get(url, headers=bridge.key("admin"))).content) == added.json()["size"]
        assert stored(bridge) == []
        server.stop()
        assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (503, "file_store_unavailable")
        assert code(await add(bridge, number, pdf())) == (503, "file_store_unavailable")
        assert len((await detail(bridge, number))["attachments"]) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"clamav": "nonsense"},
        {"evidence_s3_url": "http://127.0.0.1:9000"},
        {"evidence_s3_url": "http://127.0.0.1:9000", "evidence_s3_bucket": "x"},
    ],
)  # fmt: skip
async def test_half_a_configuration_stops_the_start(start: Start, settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="TINGSU_"):
        await start(**settings)


# What goes


async def test_two_tickets_share_a_file_and_one_is_erased(bridge: Bridge) -> None:
    one, other = await filed(bridge), await filed(bridge, phone="13900139000")
    await add(bridge, one, photo())
    kept = (await add(bridge, other, photo())).json()["attachment_id"]
    alone = (await add(bridge, one, pdf())).json()
    assert len(stored(bridge)) == 2
    _age(bridge)
    ctx, upkeep = bridge.app.state.context, bridge.app.state.evidence.upkeep
    gone = await ctx.db.write(lambda connection: repository.delete_of(connection, one))
    assert len(gone) == 1
    await upkeep.forget(gone)
    assert len(stored(bridge)) == 1
    url = f"/v1/tickets/{other}/attachments/{kept}"
    assert (await bridge.http.get(url, headers=bridge.key("admin"))).status_code == 200
    url = f"/v1/tickets/{one}/attachments/{alone['attachment_id']}"
    assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (404, "attachment_not_found")
    last = await ctx.db.write(lambda connection: repository.delete_of(connection, other))
    await upkeep.forget(last)
    assert stored(bridge) == []


def _age(bridge: Bridge, days: float = 2) -> None:
    before = time.time() - days * 86400
    for path in stored(bridge):
        os.utime(path, (before, before))


async def test_the_nightly_tidying(start: Start) -> None:
    """Unsent uploads, files without a row, and a file that somebody removed by hand."""
    bridge = await start(clock="2026-11-20T10:00:00+08:00")
    talk = await bridge.talk()
    unsent, number = await uploaded(talk, photo(), "unsent.jpg"), await filed(bridge, talk)
    said = await uploaded(talk, pdf(), "said.pdf")
    await sent(talk, said)
    directory = bridge.settings.data_dir / "evidence"
    orphan = directory / "ab" / "cd" / ("abcd" + "0" * 60)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"of a process that was killed between file and row")
    upkeep = bridge.app.state.evidence.upkeep
    await upkeep.tidy()
    assert len(stored(bridge)) == 3  # everything is young
    _age(bridge)
    await bridge.app.state.context.db.write(
        lambda connection: connection.execute(
            text("UPDATE attachments SET created_at = '2026-11-18 00:00:00' WHERE id = :id"), {"id": unsent}
        )
    )
    await upkeep.tidy()
    assert len(stored(bridge)) == 1
    assert code(await talk.post(attachment_ids=[unsent])) == (404, "attachment_not_found")
    stored(bridge)[0].unlink()
    await upkeep.tidy()
    notices = (await bridge.http.get("/v1/notices", headers=bridge.key("admin"))).json()["notices"]
    assert [(notice["kind"], notice["ticket_no"]) for notice in notices] == [("file_missing", number)]
    url = f"/v1/tickets/{number}/attachments/{said}"
    assert code(await bridge.http.get(url, headers=bridge.key("admin"))) == (500, "file_store_damaged")


_KILLED = """
import os, signal, sys
import uvicorn
from api.app import create_app
from api.core.settings import Settings
from api.tickets.evidence.service import Evidence
from api.core.files.vault import Vault

async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def die_now(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

place, port = sys.argv[1], int(sys.argv[2])
if place == "before the file":
    Vault.keep = die_now
else:
    Evidence.add_to_conversation = die
uvicorn.run(create_app(Settings(_env_file=None)), host="127.0.0.1", port=port, log_level="warning")
"""


@pytest.mark.parametrize("place", ["before the file", "between file and row"])
async def test_a_process_that_is_killed_leaves_nothing_half(
    start: Start, store: Store, tmp_path: Path, redis_url: str, place: str
) -> None:
    data, port = tmp_path / "data", free_port()
    environment = {
        "PATH": os.environ["PATH"], "TINGSU_DATA_DIR": str(data), "TINGSU_PLAYBOOK": str(ROOT / "playbook"), "REDIS_URL": redis_url,
        "TINGSU_INTERNAL_SECRET": INTERNAL, "TINGSU_ADMIN_PASSWORD": "correct-horse-battery", "PYTHONPATH": str(ROOT),
        "TINGSU_REDIS_PREFIX": "{killed}:", "DATABASE_URL": store.database_url or "",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, place, str(port), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/healthz")).status_code == 200:
                    break
            await asyncio.sleep(0.05)
        body = (await http.post("/v1/conversations", json={"channel": "web", "consent": True})).json()
        talk = Talk(http, body["conversation_id"], body["token"])
        with pytest.raises(httpx.TransportError):
            await upload(talk, photo())
    assert await process.wait() == -9

    bridge = await start()
    talk = Talk(bridge.http, talk.id, talk.token)
    assert (await talk.history())["messages"] == []
    # What is plain while it is worked on ends with the next start; what is sealed already, with the next tidying.
    assert len(stored(bridge)) == (0 if place == "before the file" else 1)
    _age(bridge)
    await bridge.app.state.evidence.upkeep.tidy()
    assert stored(bridge) == []
    one = await uploaded(talk, photo())
    await sent(talk, one)
    assert len(stored(bridge)) == 1
