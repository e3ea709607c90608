"""Clients that do what a bank's systems do: file, add to what was filed, and never give up on a call without an answer."""

import asyncio
import contextlib
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.chaos.world import HEADERS, World

_PAUSE = 0.15  # seconds between two tries of one call
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_LIFE = ("accept", "investigate", "resolve", "close")


def _word() -> str:
    """One that was never said before, without digits: sixteen of a row may look like a card's number, and would be masked."""
    return uuid.uuid4().hex.translate(_LETTERS)


@dataclass
class Ledger:
    """What was acknowledged. `filed`: key → ticket number; `said`: text of an entry → ticket number; `moved`: ticket → events."""

    filed: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    moved: dict[str, list[str]] = field(default_factory=dict)
    tries: int = 0
    wrong: list[str] = field(default_factory=list)


class Client:
    """One caller with tickets of its own, so that its events never collide with another's."""

    def __init__(self, world: World, ledger: Ledger, seed: int) -> None:
        self._world = world
        self._ledger = ledger
        self._random = random.Random(seed)
        self._own: list[str] = []
        self._steps: dict[str, int] = {}

    async def work(self, stop: asyncio.Event) -> None:
        """One call after the other; a call that has begun is brought to its end even when `stop` is set."""
        while not stop.is_set():
            if not self._own or self._random.random() < 0.4:
                await self._file()
            elif self._random.random() < 0.5:
                await self._comment()
            else:
                await self._move()

    async def _file(self) -> None:
        key = str(uuid.uuid4())
        body = {
            "narrative_raw": f"柜台少给了钱，找了三次没有结果。{_word()}",
            "cause_l1": "C1",
            "phone": f"13{self._random.randrange(10**9):09}",
            "branch": f"YT{self._random.randrange(900):03}",
        }
        answer = await self._call("/v1/tickets", body, key)
        number = str(answer["ticket_no"])
        self._ledger.filed[key] = number
        self._own.append(number)
        if self._random.random() < 0.1:
            again = await self._call("/v1/tickets", body, key)
            if again["ticket_no"] != number:
                self._ledger.wrong.append(f"{key} 先后得到 {number} 和 {again['ticket_no']}")

    async def _comment(self) -> None:
        number, text = self._random.choice(self._own), f"补充 {_word()}"
        await self._call(f"/v1/tickets/{number}/events", {"type": "comment", "text": text}, text)
        self._ledger.said[text] = number

    async def _move(self) -> None:
        """The next step of a ticket's life; one that has come to its end is left alone."""
        number = self._random.choice(self._own)
        step = self._steps.get(number, 0)
        if step == len(_LIFE):
            return
        event = {"type": _LIFE[step], **({"outcome": "道歉"} if _LIFE[step] == "resolve" else {})}
        await self._call(f"/v1/tickets/{number}/events", event, f"{number}-{step}")
        self._steps[number] = step + 1
        self._ledger.moved.setdefault(number, []).append(_LIFE[step])

    async def _call(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Until it is acknowledged, with the same key each time."""
        headers = {**HEADERS, "Idempotency-Key": key}
        while True:
            self._ledger.tries += 1
            url = self._random.choice(self._world.urls)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._world.session.post(f"{url}{path}", json=body, headers=headers) as answer:
                    if answer.status in (200, 201):
                        return dict(await answer.json())
                    if answer.status not in _TRY_AGAIN:
                        text = f"{path} {answer.status} {(await answer.text())[:200]}"
                        self._ledger.wrong.append(text)
                        raise AssertionError(text)
            await asyncio.sleep(_PAUSE)
