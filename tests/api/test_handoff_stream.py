"""The Redis stream: in order, once per entry id, and complete again after Redis was killed or emptied."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis as client
from redis.asyncio.client import Pipeline

from api.tickets.handoff import repository, stream
from tests.api.conftest import Bridge, Start
from tests.api.redis_server import RedisServer
from tests.api.test_handoff_pull import pulled


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


def key(bridge: Bridge) -> str:
    return f"{bridge.settings.redis_prefix}handoff"


async def entries(bridge: Bridge, count: int) -> list[tuple[str, dict[str, Any]]]:
    """(entry id, fields) of the stream once it has `count`."""
    found: list[Any] = []
    for _ in range(400):
        with client.Redis.from_url(bridge.settings.redis_url or "", decode_responses=True) as reader:
            try:
                found = reader.xrange(key(bridge))
            except client.RedisError:
                found = []
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(found)


async def files(bridge: Bridge, *tails: int) -> list[str]:
    return [(await bridge.file(phone=f"1390000{tail:04}")).json()["ticket_no"] for tail in tails]


async def test_events_come_in_order_under_their_position(bridge: Bridge) -> None:
    numbers = await files(bridge, 1, 2, 3)
    found = await entries(bridge, 3)
    assert [entry for entry, _ in found] == ["1-0", "2-0", "3-0"]
    assert [fields["ticket_no"] for _, fields in found] == numbers
    assert [fields["id"] for _, fields in found] == [f"evt_{number}_1" for number in numbers]
    body = json.loads(found[0][1]["body"])
    assert (body["id"], body["data"]["version"]) == (found[0][1]["id"], 1)


async def test_everybody_reads_that_redis_so_it_holds_nothing_personal(bridge: Bridge) -> None:
    await bridge.file(name="王女士", narrative_raw="柜员让我等")
    ((_, fields),) = await entries(bridge, 1)
    assert not any(word in fields["body"] for word in ("王", "138", "柜员"))


async def test_sealed_tickets_stay_out_unless_their_unit_is_named(start: Start, redis: RedisServer) -> None:
    bridge = await start(redis_url=redis.url)
    sealed = (await bridge.file(cause_l1="C8")).json()
    await files(bridge, 1)
    ((entry, _),) = await entries(bridge, 1)
    assert entry == "2-0"
    await bridge.stop()
    named = await start(redis_url=redis.url, redis_prefix="{other}:", handoff_stream_sealed_units=(sealed["route"],))
    assert [entry for entry, _ in await entries(named, 2)] == ["1-0", "2-0"]


async def test_while_redis_is_gone_events_wait(bridge: Bridge, redis: RedisServer) -> None:
    """A killed Redis without persistence comes back empty: what it had is there again, too."""
    await files(bridge, 1)
    await entries(bridge, 1)
    redis.stop()
    await files(bridge, 2, 3)
    redis.start()
    assert [entry for entry, _ in await entries(bridge, 3)] == ["1-0", "2-0", "3-0"]


async def test_a_stream_that_was_flushed_fills_again_under_the_same_ids(bridge: Bridge, redis: RedisServer) -> None:
    await files(bridge, 1, 2)
    before = await entries(bridge, 2)
    with client.Redis.from_url(redis.url) as other:
        other.flushall()
    assert await entries(bridge, 2) == before


async def test_a_lost_tail_is_added_again(bridge: Bridge, redis: RedisServer) -> None:
    """As after a failover to a replica that had not heard the last words."""
    await files(bridge, 1, 2, 3)
    ((first, fields), *_) = before = await entries(bridge, 3)
    with client.Redis.from_url(redis.url) as other, other.pipeline() as together:
        together.delete(key(bridge))
        together.xadd(key(bridge), fields, id=first)
        together.execute()
    assert await entries(bridge, 3) == before


async def test_two_processes_add_each_entry_once(start: Start, redis: RedisServer) -> None:
    bridge = await start(redis_url=redis.url)
    publisher = bridge.app.state.handoff.stream
    await files(bridge, *range(20))
    await asyncio.gather(*(publisher.publish() for _ in range(5)))
    assert [entry for entry, _ in await entries(bridge, 20)] == [f"{position}-0" for position in range(1, 21)]


async def test_what_is_refused_for_want_of_memory_leaves_no_hole(bridge: Bridge, redis: RedisServer) -> None:
    """The first entry is refused, and before the second one somebody else has made room."""
    with client.Redis.from_url(redis.url) as other:
        await files(bridge, 1)
        await entries(bridge, 1)
        other.config_set("maxmemory", 1)
        await files(bridge, 2, 3)
        await pulled(bridge, 3)
        xadd, queued = Pipeline.xadd, []

        def and_then_there_is_room(pipeline: Any, *arguments: Any, **options: Any) -> Any:
            queued.append(xadd(pipeline, *arguments, **options))
            return pipeline.config_set("maxmemory", 0)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Pipeline, "xadd", and_then_there_is_room)
            while len(queued) < 2:  # noqa: ASYNC110 - filled by the next look
                await asyncio.sleep(0.01)
        other.config_set("maxmemory", 0)
    assert [entry for entry, _ in await entries(bridge, 3)] == ["1-0", "2-0", "3-0"]


async def test_a_redis_that_loses_everything_between_two_pages_gets_the_first_again(
    bridge: Bridge, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_BATCH", 2)
    fields, told = stream._fields, 0

    def and_everything_is_lost(*arguments: Any) -> Any:
        nonlocal told
        told += 1
        if told == 3:
            with client.Redis.from_url(redis.url) as other:
                other.flushall()
        return fields(*arguments)

    monkeypatch.setattr(stream, "_fields", and_everything_is_lost)
    await files(bridge, 1, 2, 3, 4)
    assert [entry for entry, _ in await entries(bridge, 4)] == ["1-0", "2-0", "3-0", "4-0"]
    assert told > 4


async def test_after_a_gap_the_newest_entries_fill_an_empty_stream(start: Start, redis: RedisServer) -> None:
    """As after a restore, when positions go on a million later."""
    bridge = await start(redis_url=redis.url, handoff_stream_length=2)
    await files(bridge, 1, 2, 3)
    await pulled(bridge, 3)
    gap = partial(repository.leave_gap, positions=1_000, versions=0)
    await bridge.app.state.context.db.write(gap)
    with client.Redis.from_url(redis.url) as other:
        other.flushall()
    assert [entry for entry, _ in await entries(bridge, 2)] == ["2-0", "3-0"]
    await files(bridge, 4)
    async with asyncio.timeout(8):
        while (await entries(bridge, 2))[-1][0] != "1004-0":  # noqa: ASYNC110 - looks into Redis
            await asyncio.sleep(0.02)


async def test_a_stream_of_another_database_is_put_aside(bridge: Bridge, redis: RedisServer) -> None:
    """After a restore positions are given anew; an old stream would refuse them for ever."""
    with client.Redis.from_url(redis.url) as other:
        other.xadd(key(bridge), {"id": "evt_old_1"}, id="1000-0")
        numbers = await files(bridge, 1)
        async with asyncio.timeout(8):
            while not (aside := other.keys(f"{key(bridge)}:before-*")):  # noqa: ASYNC110 - looks into Redis
                await asyncio.sleep(0.02)
        assert other.xlen(aside[0]) == 1
    assert [fields["ticket_no"] for _, fields in await entries(bridge, 1)] == numbers


async def test_a_group_reads_acknowledges_and_takes_over(bridge: Bridge, redis: RedisServer) -> None:
    """As docs/integration.md tells receivers to do: a consumer that dies leaves its entries to the next."""
    await files(bridge, 1, 2)
    await entries(bridge, 2)
    with client.Redis.from_url(redis.url, decode_responses=True) as other:
        other.xgroup_create(key(bridge), "crm", id="0", mkstream=True)
        ((_, taken),) = other.xreadgroup("crm", "first", {key(bridge): ">"}, count=1)
        assert [entry for entry, _ in taken] == ["1-0"]
        again = other.xautoclaim(key(bridge), "crm", "second", min_idle_time=0)[1]
        assert [entry for entry, _ in again] == ["1-0"]
        assert other.xack(key(bridge), "crm", "1-0") == 1
        ((_, rest),) = other.xreadgroup("crm", "second", {key(bridge): ">"})
        assert [entry for entry, _ in rest] == ["2-0"]
