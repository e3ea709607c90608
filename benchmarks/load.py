"""One client for both sides: a simulated customer sends a message and waits until the answer has arrived."""

import asyncio
import itertools
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from benchmarks.scripts import CONVERSATIONS

_ANSWER_SECONDS = 60.0


class Talk(Protocol):
    """One conversation with either side."""

    async def open(self) -> None: ...

    async def turn(self, text: str) -> None:
        """Returns when the answer to `text` has arrived."""

    async def close(self) -> None: ...


class StockTalk:
    """Rasa's REST channel: the answer is the response."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._url = f"{base_url}/webhooks/rest/webhook"
        self._sender = uuid.uuid4().hex

    async def open(self) -> None:
        return None

    async def turn(self, text: str) -> None:
        async with self._session.post(self._url, json={"sender": self._sender, "message": text}) as response:
            response.raise_for_status()
            await response.read()

    async def close(self) -> None:
        return None


class OurTalk:
    """The customer's contract: the message is posted, the answer comes as a server-sent event."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base = base_url
        self._url = ""
        self._headers: dict[str, str] = {}
        self._reader: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._latest_bot = 0

    async def open(self) -> None:
        body = {"channel": "web", "consent": True}
        async with self._session.post(f"{self._base}/v1/conversations", json=body) as response:
            response.raise_for_status()
            opened = await response.json()
        self._url = f"{self._base}/v1/conversations/{opened['conversation_id']}"
        self._headers = {"Authorization": f"Bearer {opened['token']}"}
        ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(ready))
        await asyncio.wait_for(ready.wait(), _ANSWER_SECONDS)

    async def turn(self, text: str) -> None:
        self._answered.clear()
        body = {"client_id": uuid.uuid4().hex, "text": text}
        async with self._session.post(f"{self._url}/messages", json=body, headers=self._headers) as response:
            response.raise_for_status()
            seq = int((await response.json())["seq"])
        while self._latest_bot < seq:
            self._answered.clear()
            if self._latest_bot < seq:
                await asyncio.wait_for(self._answered.wait(), _ANSWER_SECONDS)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, ready: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(f"{self._url}/events", headers=self._headers, timeout=timeout) as stream:
            stream.raise_for_status()
            ready.set()
            async for event, data in _events(stream.content):
                if event == "message" and data.get("role") == "bot":
                    self._latest_bot = max(self._latest_bot, int(str(data["seq"])))
                    self._answered.set()


async def _events(lines: aiohttp.StreamReader) -> AsyncIterator[tuple[str, dict[str, object]]]:
    event = "message"
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            yield event, json.loads(line[5:])
            event = "message"


@dataclass(frozen=True)
class Timing:
    """Milliseconds; `per_second` is turns per second over all users."""

    p50: float
    p95: float
    per_second: float
    turns: int


OpenTalk = Callable[[aiohttp.ClientSession], Talk]


async def run_users(make: OpenTalk, *, users: int, seconds: float) -> Timing:
    """`users` customers at once, each telling one conversation after the other without a pause."""
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    ) as session:
        started = time.perf_counter()
        deadline = started + seconds
        await asyncio.gather(*(_user(make, session, number, deadline, latencies) for number in range(users)))
        elapsed = time.perf_counter() - started
    return _timing(latencies, elapsed)


async def _user(
    make: OpenTalk, session: aiohttp.ClientSession, number: int, deadline: float, latencies: list[float]
) -> None:
    for script in itertools.islice(itertools.cycle(CONVERSATIONS), number, None):
        talk = make(session)
        await talk.open()
        for text in script:
            if time.perf_counter() > deadline:
                await talk.close()
                return
            sent = time.perf_counter()
            await talk.turn(text)
            latencies.append((time.perf_counter() - sent) * 1000)
        await talk.close()


async def run_one_long_conversation(make: OpenTalk, *, turns: int) -> list[float]:
    """Milliseconds of each turn of a single conversation."""
    lines = itertools.cycle(line for script in CONVERSATIONS for line in script)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
        talk = make(session)
        await talk.open()
        latencies = []
        for text in itertools.islice(lines, turns):
            sent = time.perf_counter()
            await talk.turn(text)
            latencies.append((time.perf_counter() - sent) * 1000)
        await talk.close()
    return latencies


async def run_one_message(make: OpenTalk, text: str) -> float:
    """Milliseconds of one turn in a new conversation."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
        talk = make(session)
        await talk.open()
        sent = time.perf_counter()
        await talk.turn(text)
        elapsed = (time.perf_counter() - sent) * 1000
        await talk.close()
    return elapsed


def _timing(latencies: list[float], elapsed: float) -> Timing:
    if len(latencies) < 2:
        return Timing(p50=float("nan"), p95=float("nan"), per_second=0.0, turns=len(latencies))
    cuts = statistics.quantiles(latencies, n=20)
    return Timing(statistics.median(latencies), cuts[18], len(latencies) / elapsed, len(latencies))
