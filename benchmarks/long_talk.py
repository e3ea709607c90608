"""`python -m benchmarks.long_talk`: what the 200th turn of a conversation costs beside the first ones, while the form is open.

The same ten kinds of messages go round, so that turns 1 to 10 and 191 to 200 say the same; one of them tells something new
each time, so that the narrative grows as it does with somebody who keeps on talking. Starts a stack of its own unless
`--url` names one that runs. Prints medians in milliseconds and their ratio (the goal: 1.3 at most); nothing is asserted.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.load import OurTalk
from tests.running_stack import running_stack

_TURNS, _SAMPLE = 200, 10
_GOAL = 1.3
# Nothing here withdraws, files or asks for a human: the form stays open to the end.
_ROUND = (
    "第{number}件要说的：在城东支行等了{number}分钟没人管，柜台里的人还在聊天",
    "等一下，我找找单子",
    "为什么要问这个",
    "你是机器人吗",
    "城东支行周六几点开门",
    "不对，是前天下午",
    "😡😡😡",
    "你们什么破银行，气死我了",
    "要多久才有结果",
    "谢谢",
)


class FormTalk(OurTalk):
    """A conversation that can tell whether its form is still open."""

    async def is_form_open(self) -> bool:
        params = {"after": str(max(0, self._latest_bot - 2 * _SAMPLE))}
        async with self._session.get(f"{self._url}/messages", params=params, headers=self._headers) as response:
            response.raise_for_status()
            page = await response.json()
        return "ticket_no" not in page and any(message.get("asks") for message in page["messages"])


@dataclass(frozen=True)
class Cost:
    """Medians of the first and the last turns of one conversation, in milliseconds."""

    first: float
    last: float
    form_open: bool

    @property
    def ratio(self) -> float:
        return self.last / self.first


def words(turn: int) -> str:
    """What is said in this turn; turns count from 0."""
    return _ROUND[turn % len(_ROUND)].format(number=turn // len(_ROUND) + 1)


async def measure(url: str, *, turns: int = _TURNS) -> Cost:
    """One conversation from its first word on."""
    async with aiohttp.ClientSession() as session:
        talk = FormTalk(session, url)
        await talk.open()
        milliseconds = [await _turn(talk, words(turn)) for turn in range(turns)]
        form_open = await talk.is_form_open()
        await talk.close()
    return Cost(statistics.median(milliseconds[:_SAMPLE]), statistics.median(milliseconds[-_SAMPLE:]), form_open)


async def _turn(talk: OurTalk, text: str) -> float:
    sent = time.perf_counter()
    await talk.turn(text)
    return (time.perf_counter() - sent) * 1000


async def _all(url: str, conversations: int) -> list[Cost]:
    await measure(url, turns=2 * _SAMPLE)  # warms caches
    return [await measure(url) for _ in range(conversations)]


@contextmanager
def stack_at(url: str | None) -> Iterator[str]:
    """The stack named, or a new one that ends with the measurement."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory)) as stack:
        yield stack.settings.url


def render(costs: list[Cost]) -> str:
    """A Markdown table with a line for each conversation."""
    lines = [
        f"| conversation | turns 1–{_SAMPLE} p50, ms | turns {_TURNS - _SAMPLE + 1}–{_TURNS} p50, ms | ratio | form open |"
    ]
    lines.append("|---|---|---|---|---|")
    for number, cost in enumerate(costs, start=1):
        shown = "yes" if cost.form_open else "no"
        lines.append(f"| {number} | {cost.first:.1f} | {cost.last:.1f} | {cost.ratio:.2f} | {shown} |")
    ratio = statistics.median(cost.ratio for cost in costs)
    return "\n".join([*lines, "", f"median ratio {ratio:.2f} (goal: {_GOAL} at most)"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a stack that runs already; without it one is started")
    parser.add_argument("--conversations", type=int, default=5, help="how many are measured, one after the other")
    options = parser.parse_args()
    with stack_at(options.url) as url:
        print(render(asyncio.run(_all(url, options.conversations))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
