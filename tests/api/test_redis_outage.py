"""Redis is killed and comes back in the middle of conversations: late at most, never lost."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Bridge, Start
from tests.api.redis_server import RedisServer
from tests.api.test_stream import numbers


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def bridge(start: Start, redis: RedisServer) -> Bridge:
    started: Bridge = await start(redis_url=redis.url)
    return started


async def redis_is(bridge: Bridge, status: str) -> None:
    async with asyncio.timeout(8):
        while (await bridge.http.get("/readyz")).json()["checks"]["redis"]["status"] != status:  # noqa: ASYNC110 - polls over HTTP
            await asyncio.sleep(0.05)


async def test_a_conversation_goes_on_while_redis_is_gone(bridge: Bridge, redis: RedisServer) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("第一句"))
    redis.stop()
    await talk.answered(await talk.say("第二句"))
    redis.start()
    await talk.answered(await talk.say("第三句"))
    assert [turn["text"] for turn in bridge.bot.turns] == ["第一句", "第二句", "第三句"]


async def test_an_open_stream_survives_the_outage(bridge: Bridge, redis: RedisServer) -> None:
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: len(numbers(found)) == 6, seconds=15))
    await talk.answered(await talk.say("第一句"))
    redis.stop()
    await talk.answered(await talk.say("第二句"))
    redis.start()
    await talk.answered(await talk.say("第三句"))
    assert numbers(await reading) == [1, 2, 3, 4, 5, 6]


async def test_readiness_follows_redis(bridge: Bridge, redis: RedisServer) -> None:
    await redis_is(bridge, "ok")
    redis.stop()
    await redis_is(bridge, "degraded")
    redis.start()
    await redis_is(bridge, "ok")


async def test_the_bus_hears_redis_again(bridge: Bridge, redis: RedisServer) -> None:
    bus = bridge.app.state.context.bus
    redis.stop()
    async with asyncio.timeout(8):
        while bus.connected:  # noqa: ASYNC110 - the bus tells nobody but itself
            await asyncio.sleep(0.05)
    redis.start()
    async with asyncio.timeout(8):
        while not bus.connected:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def test_failures_of_redis_are_counted(bridge: Bridge, redis: RedisServer) -> None:
    redis.stop()
    await bridge.talk()
    assert 'tingsu_redis_failures_total{use="rate"} 1.0' in (await bridge.http.get("/metrics")).text


async def test_tickets_are_filed_once_without_redis(bridge: Bridge, redis: RedisServer) -> None:
    await bridge.file(key="k-1")
    redis.stop()
    again = await bridge.file(key="k-1")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
