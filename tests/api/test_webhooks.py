"""Webhooks end to end: administered, signed, in order, tried again, dead at last and alive again."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response

from api.core.models import audit
from api.tickets.handoff import repository as outbox
from api.tickets.handoff.webhooks import models
from tests.api.conftest import Bridge, Start
from tests.api.receiver import Event, Receiver, eventually

# Tries in a test follow each other at once; `webhook_retries` of the real thing stand in settings.py.
QUICK = {"webhook_allow": ("127.0.0.1",), "webhook_retries": (0.05,) * 4, "webhook_timeout": 1.0}


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(**QUICK)
    return started


async def webhook(bridge: Bridge, url: str, **more: Any) -> dict[str, Any]:
    body = {"name": "客户关系系统", "url": url, **more}
    made = await bridge.http.post("/v1/webhooks", json=body, headers=bridge.key())
    assert made.status_code == 201, made.text
    return dict(made.json())


async def call(bridge: Bridge, method: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    sent = {} if method == "GET" else {"json": body}
    params = body if method == "GET" else None
    response = await bridge.http.request(method, path, headers=bridge.key(), params=params, **sent)
    assert response.status_code == status, response.text
    return dict(response.json()) if response.content else {}


async def deliveries(bridge: Bridge, made: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    page = await call(bridge, "GET", f"/v1/webhooks/{made['id']}/deliveries", **params)
    return list(page["deliveries"])


async def until(bridge: Bridge, made: dict[str, Any], state: str, count: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(1500):
        found = await deliveries(bridge, made, state=state)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(await deliveries(bridge, made))


async def relayed(bridge: Bridge) -> bool:
    return not await bridge.app.state.context.db.read(outbox.is_waiting)


async def filed(bridge: Bridge, *tails: int, **more: Any) -> list[str]:
    return [(await bridge.file(phone=f"1390000{tail:04}", **more)).json()["ticket_no"] for tail in tails]


async def comment(bridge: Bridge, number: str, *texts: str) -> None:
    for text in texts:
        body = {"type": "comment", "text": text}
        done = await bridge.http.post(f"/v1/tickets/{number}/events", json=body, headers=bridge.key())
        assert done.status_code == 201, done.text


async def notices(bridge: Bridge, kind: str) -> list[dict[str, Any]]:
    page = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()
    return [notice for notice in page["notices"] if notice["kind"] == kind]


# Administration


@pytest.mark.parametrize("role", ["agent", "handler", "supervisor", "auditor"])
async def test_only_administrators_know_of_webhooks(bridge: Bridge, role: str) -> None:
    assert (await bridge.http.get("/v1/webhooks", headers=bridge.key(role))).status_code == 403


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://192.168.0.1/", "https://[::1]/", "nonsense"])
async def test_an_address_inside_is_refused_at_once(bridge: Bridge, url: str) -> None:
    body = {"name": "x", "url": url}
    refused = await bridge.http.post("/v1/webhooks", json=body, headers=bridge.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_target_refused")


async def test_changing_to_such_an_address_is_refused_too(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", 409, url="https://10.0.0.1/")


async def test_what_does_not_exist_is_not_found(bridge: Bridge) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("POST", "/replay"), ("GET", "/deliveries")):  # fmt: skip
        refused = await bridge.http.request(
            method, f"/v1/webhooks/wh_x{path}", headers=bridge.key(), json=None if method == "GET" else {}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "webhook_not_found"), path


async def test_a_time_to_replay_needs_its_beginning(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "POST", f"/v1/webhooks/{made['id']}/replay", 422, until="2026-01-01T00:00:00+08:00")


async def test_the_secret_is_shown_once_and_kept_encrypted(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url + "/key-in-path")
    assert made["secret"].startswith("whsec_")
    listed = await bridge.http.get("/v1/webhooks", headers=bridge.key())
    assert made["secret"] not in listed.text
    assert [one["id"] for one in listed.json()["webhooks"]] == [made["id"]]
    (row,) = await bridge.app.state.context.db.read(
        lambda connection: connection.exec_driver_sql("SELECT secret, url FROM webhooks").all()
    )
    assert made["secret"].encode() not in row[0]
    assert b"key-in-path" not in row[1]


async def test_whatever_is_done_to_a_webhook_leaves_a_trace_without_secrets(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url + "/key-in-path")
    path = f"/v1/webhooks/{made['id']}"
    await call(bridge, "PATCH", path, name="另一个名字")
    fresh = await call(bridge, "POST", f"{path}/rotate")
    await call(bridge, "POST", f"{path}/replay")
    await call(bridge, "DELETE", path, 204)
    rows = await bridge.app.state.context.db.read(
        lambda connection: connection.execute(audit.select().where(audit.c.subject == made["id"])).all()
    )
    assert [row.action.removeprefix("webhook.") for row in rows] == ["create", "change", "rotate", "replay", "delete"]
    told = str([row.changes for row in rows])
    assert not any(word in told for word in (made["secret"], fresh["secret"], "key-in-path"))
    assert "另一个名字" in told


# Signed


async def test_a_change_arrives_signed_with_its_stable_id(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    (number,) = await filed(bridge, 1, name="王女士")
    (event,) = await receiver.until(1)
    assert receiver.verified(made["secret"]) == event
    assert receiver.requests[0][0]["webhook-id"] == event["id"] == f"evt_{number}_1"
    assert (event["data"]["ticket"]["name"], event["data"]["ticket"]["phone"]) == ("王**", "139****0001")
    (done,) = await until(bridge, made, "delivered")
    assert (done["event_id"], done["attempts"], done["last_status"]) == (event["id"], 1, 204)


async def test_another_body_or_secret_does_not_verify(bridge: Bridge, receiver: Receiver) -> None:
    made, other = await webhook(bridge, receiver.url), await webhook(bridge, receiver.url, types=["ticket.none"])
    await filed(bridge, 1)
    await receiver.until(1)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(other["secret"])
    headers, body = receiver.requests[0]
    receiver.requests[0] = (headers, body.replace(b"new", b"old"))
    with pytest.raises(WebhookVerificationError):
        receiver.verified(made["secret"])


async def test_while_a_secret_changes_both_sign(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    fresh = await call(bridge, "POST", f"/v1/webhooks/{made['id']}/rotate", grace_hours=24)
    await filed(bridge, 1)
    await receiver.until(1)
    assert receiver.verified(made["secret"])
    assert receiver.verified(fresh["secret"])
    bridge.app.state.context.clock._offset += timedelta(hours=25)
    await filed(bridge, 2)
    await receiver.until(2)
    assert receiver.verified(fresh["secret"])
    with pytest.raises(WebhookVerificationError):
        receiver.verified(made["secret"])


async def test_a_secret_that_leaked_ends_at_once(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "POST", f"/v1/webhooks/{made['id']}/rotate", grace_hours=0)
    await filed(bridge, 1)
    await receiver.until(1)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(made["secret"])


async def test_a_test_is_sent_now_and_not_kept(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    path = f"/v1/webhooks/{made['id']}/test"
    assert await call(bridge, "POST", path) == {"delivered": True, "status": 204, "error": None}
    assert receiver.verified(made["secret"])["type"] == "webhook.test"
    receiver.fails(500)
    assert await call(bridge, "POST", path) == {"delivered": False, "status": 500, "error": "http_500"}
    assert await deliveries(bridge, made) == []


# Who gets what


async def test_receivers_get_their_types_and_units(bridge: Bridge, receiver: Receiver) -> None:
    await webhook(bridge, receiver.url, types=["ticket.comment"], unit="网点负责人")
    await webhook(bridge, receiver.url, unit="没有这个部门")
    (number,) = await filed(bridge, 1)
    await comment(bridge, number, "一")
    assert [event["type"] for event in await receiver.until(1)] == ["ticket.comment"]
    await asyncio.sleep(0.2)
    assert len(receiver.events) == 1


async def test_sealed_tickets_go_to_the_receivers_of_their_unit_only(bridge: Bridge, receiver: Receiver) -> None:
    sealed = (await bridge.file(cause_l1="C8")).json()
    await webhook(bridge, receiver.url + "/open")
    named = await webhook(bridge, receiver.url + "/sealed", sealed_units=[sealed["route"]])
    await comment(bridge, sealed["ticket_no"], "已约谈")
    (event,) = await receiver.until(1)
    assert receiver.verified(named["secret"]) == event
    await filed(bridge, 2)
    assert len(await receiver.until(3)) == 3


async def test_what_was_sealed_while_it_waited_is_withheld(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=False)
    (number,) = await filed(bridge, 1)
    await until(bridge, made, "pending")
    body = {"type": "correct", "fields": {"cause_l1": "C8"}}
    await bridge.http.post(f"/v1/tickets/{number}/events", json=body, headers=bridge.key())
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=True)
    (kept,) = await until(bridge, made, "withheld")
    assert (kept["last_error"], receiver.events) == ("sealed", [])


async def test_a_receiver_without_personal_data_gets_none(bridge: Bridge, receiver: Receiver) -> None:
    await webhook(bridge, receiver.url, personal="none")
    await filed(bridge, 1, name="王女士")
    await receiver.until(1)
    assert not any(word.encode() in receiver.requests[0][1] for word in ("王", "139", "柜员"))


# Tried again


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
async def test_whatever_is_not_a_success_is_tried_again_under_the_same_id(
    bridge: Bridge, receiver: Receiver, status: int
) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(status, headers={"Location": f"{receiver.url}/elsewhere"} if status < 400 else None)
    await filed(bridge, 1)
    await receiver.until(1)
    assert [event["id"] for event in receiver.events] == [receiver.events[0]["id"]] * 2
    (done,) = await until(bridge, made, "delivered")
    assert done["attempts"] == 2


async def test_a_failure_is_kept_by_code_never_by_words(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[500] * 5)
    await filed(bridge, 1)
    (dead,) = await until(bridge, made, "dead")
    assert (dead["last_status"], dead["last_error"], dead["attempts"]) == (500, "http_500", 5)
    assert "secret words" not in str(await deliveries(bridge, made))


async def test_a_receiver_that_never_answers_costs_one_timeout(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    forever = asyncio.Event()

    async def respond(_: Event) -> Response:
        if len(receiver.events) == 1:
            await forever.wait()
        return Response()

    receiver.respond = respond
    await filed(bridge, 1)
    await receiver.until(1)
    assert (await until(bridge, made, "delivered"))[0]["attempts"] == 2
    forever.set()


async def test_a_receiver_that_is_gone_gets_everything_when_it_is_back(start: Start, receiver: Receiver) -> None:
    """Nobody waits for the next step of the back-off when the first thing arrives again."""
    bridge = await start(**{**QUICK, "webhook_retries": (0.1, 0.1, 0.1, 3600.0, 3600.0)})
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[503] * 12)
    numbers = await filed(bridge, 1, 2, 3)
    for number in numbers:
        await comment(bridge, number, "一", "二")

    async def exhausted() -> bool:
        return all(row["attempts"] == 4 for row in await deliveries(bridge, made) if row["version"] == 1)

    await eventually(exhausted)
    # The queue as a whole pauses for a minute at most; single deliveries would wait an hour.
    bridge.app.state.context.clock._offset += timedelta(minutes=1)
    (fresh,) = await filed(bridge, 4)
    await receiver.until(10)
    assert [receiver.versions(number) for number in (*numbers, fresh)] == [[1, 2, 3]] * 3 + [[1]]


async def test_a_receiver_may_ask_for_patience(start: Start, receiver: Receiver) -> None:
    bridge = await start(**QUICK)
    made = await webhook(bridge, receiver.url)
    receiver.fails(429, headers={"Retry-After": "3600"})
    await filed(bridge, 1)
    rows = await eventually(lambda: tried(bridge, made))
    now = bridge.app.state.context.clock.now()
    assert now + timedelta(minutes=59) < _moment(rows[0]["next_at"]) <= now + timedelta(hours=1)


@pytest.mark.parametrize("wish", ["99999999999", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_no_wish_is_obeyed_for_longer_than_a_day(bridge: Bridge, receiver: Receiver, wish: str) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(503, headers={"Retry-After": wish})
    await filed(bridge, 1)
    rows = await eventually(lambda: tried(bridge, made))
    if rows[0]["next_at"] is not None:
        assert _moment(rows[0]["next_at"]) <= bridge.app.state.context.clock.now() + timedelta(days=1)


async def tried(bridge: Bridge, made: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in await deliveries(bridge, made) if row["attempts"]]


def _moment(shown: str) -> datetime:
    return datetime.fromisoformat(shown)


async def test_whoever_says_gone_is_disabled_with_a_notice(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(410)
    (number,) = await filed(bridge, 1)
    await eventually(lambda: notices(bridge, "webhook_gone"))
    shown = await call(bridge, "GET", f"/v1/webhooks/{made['id']}")
    assert (shown["active"], "410" in shown["inactive_reason"]) == (False, True)
    await comment(bridge, number, "停用期间")
    await until(bridge, made, "pending", 2)
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=True)
    await receiver.until(2)
    assert receiver.versions(number) == [1, 2]


# In order, each for itself


async def test_a_ticket_keeps_its_order_while_others_overtake(bridge: Bridge, receiver: Receiver) -> None:
    await webhook(bridge, receiver.url)
    failed: set[str] = set()

    async def respond(event: Event) -> Response:
        """The second event of the first ticket fails three times."""
        if event["id"].endswith("_2") and len(failed) < 1 and receiver.events.count(event) < 4:
            return Response(status_code=500)
        failed.add(event["id"]) if event["id"].endswith("_2") else None
        return Response()

    receiver.respond = respond
    numbers = await filed(bridge, 1, 2, 3)
    for number in numbers:
        await comment(bridge, number, "一", "二", "三")
    for _ in range(1500):
        # At least once: on a loaded machine a delivery may come again before its answer was seen.
        seen = [list(dict.fromkeys(receiver.versions(number))) for number in numbers]
        if sum(map(len, seen)) == 12:
            break
        await asyncio.sleep(0.02)
    assert seen == [[1, 2, 3, 4]] * 3


async def test_a_slow_receiver_delays_nobody_else(start: Start, receiver: Receiver) -> None:
    bridge = await start(**{**QUICK, "webhook_timeout": 30.0})
    slow = await Receiver().start()
    forever = asyncio.Event()

    async def respond(_: Event) -> Response:
        await forever.wait()
        return Response()

    slow.respond = respond
    await webhook(bridge, slow.url)
    await webhook(bridge, receiver.url)
    await filed(bridge, *range(12))
    await receiver.until(12)
    assert (len(slow.kept), slow.most_running) == (0, 4)
    forever.set()
    await slow.until(12)
    await slow.server.stop()


async def test_a_lease_of_a_process_that_died_is_taken_over(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=False)
    await filed(bridge, 1)
    await until(bridge, made, "pending")
    db, now = bridge.app.state.context.db, bridge.app.state.context.clock.now()

    async def leased(moment: datetime) -> None:
        taken = update(models.deliveries).values(lease_by="dead", lease_until=moment)
        await db.write(lambda connection: connection.execute(taken) and None)

    await leased(now + timedelta(minutes=1))
    await call(bridge, "PATCH", f"/v1/webhooks/{made['id']}", active=True)
    await asyncio.sleep(0.3)
    assert receiver.events == []
    await leased(now - timedelta(seconds=1))
    await receiver.until(1)


# Dead and alive again


async def test_after_the_last_try_somebody_is_told_once(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[500] * 15)
    await filed(bridge, 1, 2, 3)
    await until(bridge, made, "dead", 3)
    shown = await call(bridge, "GET", f"/v1/webhooks/{made['id']}")
    assert (shown["pending"], shown["dead"], len(await notices(bridge, "webhook_dead"))) == (0, 3, 1)


async def test_a_dead_letter_does_not_hold_up_the_next_version(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    receiver.fails(*[500] * 5)
    (number,) = await filed(bridge, 1)
    await until(bridge, made, "dead")
    await comment(bridge, number, "一")
    await receiver.until(1)
    assert receiver.versions(number) == [2]


async def test_dead_letters_are_replayed_one_or_all_under_their_ids(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    path = f"/v1/webhooks/{made['id']}/replay"
    receiver.fails(*[500] * 15)
    numbers = await filed(bridge, 1, 2, 3)
    await until(bridge, made, "dead", 3)
    assert await call(bridge, "POST", path, event_id=f"evt_{numbers[1]}_1") == {"replayed": 1}
    (first,) = await receiver.until(1)
    assert first["data"]["ticket_no"] == numbers[1]
    assert await call(bridge, "POST", path) == {"replayed": 2}
    await receiver.until(3)
    assert {event["id"] for event in receiver.kept} == {f"evt_{number}_1" for number in numbers}
    assert await call(bridge, "POST", path) == {"replayed": 0}


async def test_a_time_is_replayed_with_what_was_before_the_webhook(bridge: Bridge, receiver: Receiver) -> None:
    clock = bridge.app.state.context.clock
    (too_early,) = await filed(bridge, 1)
    clock._offset += timedelta(hours=2)
    since = clock.now()
    (before,) = await filed(bridge, 2)
    await eventually(lambda: relayed(bridge))  # what waits for its position is sent to whoever is there by then
    made = await webhook(bridge, receiver.url)
    (after,) = await filed(bridge, 3)
    await receiver.until(1)
    path = f"/v1/webhooks/{made['id']}/replay"

    async def replayed() -> int:
        return int((await call(bridge, "POST", path, since=since.isoformat()))["replayed"])

    await eventually(replayed)
    await until(bridge, made, "delivered", 2)
    assert [event["data"]["ticket_no"] for event in receiver.kept] == [after, before]
    assert await call(bridge, "POST", path, since=since.isoformat(), delivered=True) == {"replayed": 2}
    await receiver.until(4)
    assert too_early not in str(receiver.events)


async def test_a_deleted_webhook_gets_nothing_more(bridge: Bridge, receiver: Receiver) -> None:
    made = await webhook(bridge, receiver.url)
    await call(bridge, "DELETE", f"/v1/webhooks/{made['id']}", 204)
    await filed(bridge, 1)
    await asyncio.sleep(0.3)
    assert receiver.events == []
    await call(bridge, "GET", f"/v1/webhooks/{made['id']}", 404)
