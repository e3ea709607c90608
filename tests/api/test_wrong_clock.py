"""A clock that is hours off and is set right (local time in the hardware clock until NTP corrects it) holds nothing up.

What it does to background jobs is in test_jobs.py.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from api.dialogue.models import conversations
from api.tickets.handoff.webhooks.models import deliveries, webhooks
from tests.api.conftest import Bridge, Start
from tests.api.receiver import Receiver, eventually
from tests.api.test_accounts import code, create, login, me
from tests.api.test_bot_failures import texts
from tests.api.test_reconciliation import write
from tests.api.test_webhooks import QUICK, comment, filed, tried, until, webhook

HOURS = 8
SLOW = {**QUICK, "webhook_retries": (3600.0,) * 4}


def jump(bridge: Bridge, hours: int) -> None:
    bridge.app.state.context.clock._offset += timedelta(hours=hours)


# Webhooks


async def test_a_try_that_failed_while_it_was_ahead_is_not_waited_for(start: Start, receiver: Receiver) -> None:
    """Nor is the ticket's next event."""
    bridge = await start(**SLOW)
    made = await webhook(bridge, receiver.url)
    (number,) = await filed(bridge, 1)
    await until(bridge, made, "delivered")
    jump(bridge, HOURS)
    receiver.fails(500)
    await comment(bridge, number, "一")
    await eventually(lambda: tried_and_pending(bridge, made))
    jump(bridge, -HOURS)
    await comment(bridge, number, "二")
    await until(bridge, made, "delivered", 3)


async def test_what_happened_while_it_was_ahead_is_delivered(start: Start, receiver: Receiver) -> None:
    bridge = await start(**SLOW)
    made = await webhook(bridge, receiver.url)
    paused = f"/v1/webhooks/{made['id']}"
    await bridge.http.patch(paused, json={"active": False}, headers=bridge.key())
    jump(bridge, HOURS)
    await filed(bridge, 1)
    await until(bridge, made, "pending")
    jump(bridge, -HOURS)
    await bridge.http.patch(paused, json={"active": True}, headers=bridge.key())
    await until(bridge, made, "delivered")


async def test_a_lease_and_a_pause_of_a_clock_that_was_ahead_are_over(start: Start, receiver: Receiver) -> None:
    """Of another machine that was killed; this one's clock was right all the time."""
    bridge = await start(**SLOW)
    made = await webhook(bridge, receiver.url)
    await bridge.http.patch(f"/v1/webhooks/{made['id']}", json={"active": False}, headers=bridge.key())
    await filed(bridge, 1)
    await until(bridge, made, "pending")
    ahead = bridge.app.state.context.clock.now() + timedelta(hours=HOURS)
    await write(bridge, update(deliveries).values(lease_by="gone", lease_until=ahead))
    await write(bridge, update(webhooks).values(resume_at=ahead, active=True))
    bridge.app.state.handoff.courier._set_right_at = None  # a minute has gone by
    await until(bridge, made, "delivered")


async def test_what_waits_is_tried_at_once_when_it_was_behind(start: Start, receiver: Receiver) -> None:
    bridge = await start(**SLOW)
    made = await webhook(bridge, receiver.url)
    jump(bridge, -HOURS)
    receiver.fails(500)
    await filed(bridge, 1)
    await eventually(lambda: tried_and_pending(bridge, made))
    jump(bridge, HOURS)
    await until(bridge, made, "delivered")


async def test_a_wait_by_a_clock_that_is_right_is_kept(start: Start, receiver: Receiver) -> None:
    bridge = await start(**SLOW)
    made = await webhook(bridge, receiver.url)
    receiver.fails(500)
    (number,) = await filed(bridge, 1)
    await eventually(lambda: tried_and_pending(bridge, made))
    await comment(bridge, number, "一")
    bridge.app.state.handoff.courier._set_right_at = None
    await asyncio.sleep(1.5)
    assert [row["attempts"] for row in await tried(bridge, made)] == [1]


async def tried_and_pending(bridge: Bridge, made: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in await tried(bridge, made) if row["state"] == "pending"]


# Conversations


@pytest.mark.parametrize("column", ["claim_until", "retry_at"])
async def test_a_claim_of_a_clock_that_was_ahead_is_over(bridge: Bridge, column: str) -> None:
    bridge.bot.failures, bridge.bot.status = 1, 503
    talk = await bridge.talk()
    bridge.bot.before_answer = lambda turn: asyncio.sleep(0.2)
    seq = await talk.say("交班让我等")
    held = {"claim_until": None, column: time.time() + HOURS * 3600}
    await asyncio.sleep(0.5)
    await write(bridge, update(conversations).values(**held))
    page = await talk.answered(seq)
    assert texts(page, "bot") == ["收到：交班让我等"]


async def test_a_new_message_takes_over_from_such_a_claim(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await write(bridge, update(conversations).values(claim_until=time.time() + HOURS * 3600))
    await talk.answered(await talk.say("交班让我等"))


# Staff


async def test_a_lock_of_a_clock_that_was_ahead_is_over(start: Start) -> None:
    bridge = await start(redis_url=None)
    made = await create(bridge)
    jump(bridge, HOURS)
    for _ in range(10):
        await login(bridge, "li.si", "wrong")
    assert code(await login(bridge, "li.si", made["password"])) == (429, "login_locked")
    jump(bridge, -HOURS)
    bridge.app.state.context.redis._hits.clear()  # those go by the monotonic clock
    accounts = (await bridge.http.get("/v1/staff", headers=bridge.key())).json()["staff"]
    assert [account["locked_until"] for account in accounts] == [None, None]
    assert (await login(bridge, "li.si", made["password"])).status_code == 200


@pytest.mark.parametrize("hours", [HOURS, -HOURS], ids=["ahead", "behind"])
async def test_a_session_outlives_a_jump_and_never_its_idle_time(start: Start, hours: int) -> None:
    bridge = await start(redis_url=None, session_idle=timedelta(minutes=30))
    await login(bridge)
    jump(bridge, hours)
    assert await me(bridge) == 401
    jump(bridge, -hours)
    assert await me(bridge) == 200
    jump(bridge, hours)
    await login(bridge)
    assert await me(bridge) == 200
    jump(bridge, -hours)
    assert await me(bridge) == 401


async def test_nobody_is_present_for_hours_who_was_seen_by_a_clock_that_was_ahead(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis, real = bridge.app.state.context.redis, time.time
    monkeypatch.setattr(time, "time", lambda: real() + HOURS * 3600)
    await redis.seen("li.si")
    assert await redis.present() == {"li.si"}
    monkeypatch.setattr(time, "time", real)
    assert await redis.present() == set()
    await redis.seen("li.si")
    assert await redis.present() == {"li.si"}
