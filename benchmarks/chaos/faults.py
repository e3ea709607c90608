"""What goes wrong, each as one coroutine that breaks something, waits, and puts it right again."""

import asyncio
import random
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import Redis

from benchmarks.chaos.world import World

_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Fault:
    """`possible` says whether this world can play it; the sentence names what is missing otherwise."""

    name: str
    play: Callable[[World, random.Random], Awaitable[None]]
    possible: Callable[[World], str | None] = lambda world: None


async def _kill(world: World, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0.1, 0.6))
    chance.choice(world.bridges).kill()
    await world.bring_back()


async def _kill_twice(world: World, chance: random.Random) -> None:
    """The second time while it is still starting: migrations and jobs must bear it."""
    bridge = chance.choice(world.bridges)
    bridge.kill()
    bridge.start()
    await asyncio.sleep(chance.uniform(0.1, 1.5))
    bridge.kill()
    await world.bring_back()


async def _freeze(world: World, chance: random.Random) -> None:
    bridge = chance.choice(world.bridges)
    bridge.send(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 2))
    bridge.send(signal.SIGCONT)


async def _lock(world: World, chance: random.Random) -> None:
    """Somebody else's transaction; sometimes longer than the bridge waits for it."""
    seconds = chance.choice((0.5, 2.0, 6.5))
    await asyncio.to_thread(_lock_sqlite if world.database is None else _lock_postgres, world, seconds)


def _lock_sqlite(world: World, seconds: float) -> None:
    # SQLite lets whoever asks again first have the lock: while the bridge catches up, a gap may be long in coming.
    connection = sqlite3.connect(world.data / "tingsu.sqlite3", timeout=60, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _lock_postgres(world: World, seconds: float) -> None:
    with psycopg.connect(str(world.database)) as connection:
        connection.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


async def _gone(world: World, chance: random.Random) -> None:
    """PostgreSQL crashes, is away for a while, and recovers."""
    assert world.postgres is not None
    await asyncio.to_thread(world.postgres.stop)
    await asyncio.sleep(chance.uniform(0.5, 3))
    await asyncio.to_thread(world.postgres.start)


async def _fill(world: World, chance: random.Random) -> None:
    filler = world.data / "filler"
    await asyncio.to_thread(_write_until_full, filler)
    await asyncio.sleep(chance.uniform(0.5, 2))
    filler.unlink()
    await asyncio.to_thread(world.revive)
    await world.bring_back()


def _write_until_full(path: Path) -> None:
    block = bytes(1 << 20)
    with path.open("wb", buffering=0) as file:
        for size in (len(block), 4096, 1):
            try:
                while file.write(block[:size]):
                    pass
            except OSError:
                continue


async def _redis_killed(world: World, chance: random.Random) -> None:
    world.redis.stop()
    await asyncio.sleep(chance.uniform(0.5, 2))
    world.redis.start()


async def _redis_frozen(world: World, chance: random.Random) -> None:
    world.redis.send(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 2))
    world.redis.send(signal.SIGCONT)


async def _redis_flushed(world: World, chance: random.Random) -> None:
    await asyncio.to_thread(Redis.from_url(world.redis.url).flushall)


async def _receiver_gone(world: World, chance: random.Random) -> None:
    world.receiver.kill()
    await asyncio.sleep(chance.uniform(0.5, 2))
    world.receiver.start()


def _receiver_in(mood: str) -> Callable[[World, random.Random], Awaitable[None]]:
    async def play(world: World, chance: random.Random) -> None:
        world.mood.write_text(mood)
        await asyncio.sleep(chance.uniform(1, 2))
        world.mood.write_text("ok")

    return play


async def _clock_jumps(world: World, chance: random.Random) -> None:
    """The wall clock of the running bridge, back and forth; in the end it is right again."""
    world.offset.write_text(str(chance.choice((-_DAY, -8 * _HOUR, -_HOUR, _HOUR, 8 * _HOUR, 3 * _DAY))))
    await asyncio.sleep(chance.uniform(0.5, 1.5))
    world.offset.write_text("0")


async def _clock_jumps_while_it_fails(world: World, chance: random.Random) -> None:
    """What is put off by the wrong clock must not wait for as long as that was ahead."""
    await asyncio.gather(_receiver_in("wrong")(world, chance), _clock_jumps(world, chance))


async def _all_at_once(world: World, chance: random.Random) -> None:
    await asyncio.gather(_receiver_gone(world, chance), _redis_killed(world, chance), _kill(world, chance))


FAULTS = (
    Fault("kill -9", _kill),
    Fault("kill -9 while starting", _kill_twice),
    Fault("bridge frozen", _freeze),
    Fault("database locked", _lock),
    Fault("database full", _fill, lambda world: None if world.has_limit else "a file system of its own needs root"),
    Fault("database gone", _gone, lambda world: None if world.postgres else "SQLite has no server that could go away"),
    Fault("redis killed", _redis_killed),
    Fault("redis frozen", _redis_frozen),
    Fault("redis flushed", _redis_flushed),
    Fault("receiver gone", _receiver_gone),
    Fault("receiver slow", _receiver_in("slow")),
    Fault("receiver wrong", _receiver_in("wrong")),
    Fault("clock jumps", _clock_jumps),
    Fault("clock jumps, receiver wrong", _clock_jumps_while_it_fails),
    Fault("redis, receiver and bridge together", _all_at_once),
)
