"""What staff do all day, over HTTP with one connection: how long each takes."""

import http.client
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic_core import from_json, to_json

from api.core.paging import cursor_of
from benchmarks.tickets.made import rare_word

_WARM = 5
PASSWORD = "a long enough password"  # noqa: S105 - of accounts in a database of nobody
# Accounts whose units decide what they see: what is added to a question's name, and the account.
HANDLERS = {
    "（大部门所见）": "handler-large",
    "（小部门所见）": "handler-small",
    "（没有工单的部门所见）": "handler-none",
}


@dataclass(frozen=True)
class Timing:
    """Milliseconds; `cpu` on average, of everybody who takes part; `found` is how many lines the last answer had."""

    what: str
    cpu: float
    p50: float
    p95: float
    worst: float
    found: int


class Desk:
    """One member of staff at the desk."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = headers

    @classmethod
    def logged_in(cls, port: int, username: str, password: str) -> "Desk":
        desk = cls(port, {"Content-Type": "application/json"})
        body = to_json({"username": username, "password": password})
        desk._connection.request("POST", "/v1/staff/login", body, desk._headers)
        answer = desk._connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        desk._headers = {"Cookie": "; ".join(cookies)}
        return desk

    def get(self, path: str) -> Any:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:300])
        return from_json(body)

    def post(self, path: str, body: Any) -> Any:
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        self._connection.request("POST", path, to_json(body), headers)
        answer = self._connection.getresponse()
        told = answer.read()
        assert answer.status in (200, 201), (answer.status, told[:300])
        return from_json(told)


def timed(what: str, ask: Callable[[], Any], times: int, spent: Callable[[], float]) -> Timing:
    took, answer, before = [], None, 0.0
    for number in range(times + _WARM):
        if number == _WARM:
            before = spent()
        began = time.perf_counter()
        answer = ask()
        if number >= _WARM:
            took.append((time.perf_counter() - began) * 1000)
    cpu = (spent() - before) / times
    took.sort()
    found = len(answer["tickets"]) if isinstance(answer, dict) and "tickets" in answer else 1
    return Timing(what, cpu, took[len(took) // 2], took[int(len(took) * 0.95)], took[-1], found)


def questions(count: int, routes: list[str]) -> Iterator[tuple[str, str, Callable[[random.Random], dict[str, Any]]]]:
    """Name, who asks (of HANDLERS, else somebody who sees everything), and the filters."""

    def deep(chance: random.Random) -> str:
        return cursor_of(chance.randrange(count // 50, count))

    for name, filters in (
        ("队列首页", {}),
        ("队列深处的一页", {"cursor": deep}),
        ("状态：待受理", {"state": "new"}),
        ("状态：待受理，深处", {"state": "new", "cursor": deep}),
        ("状态：等待第三方（少）", {"state": "waiting_third_party"}),
        ("状态：已办结（多），深处", {"state": "closed_resolved", "cursor": deep}),
        ("原因：C1", {"cause": "C1"}),
        ("原因：C12（少），深处", {"cause": "C12", "cursor": deep}),
        ("原因细类：C5a，深处", {"cause": "C5a", "cursor": deep}),
        ("等级不低于 3，深处", {"level_min": 3, "cursor": deep}),
        ("等级不低于 4，深处", {"level_min": 4, "cursor": deep}),
        ("等级不低于 1，深处", {"level_min": 1, "cursor": deep}),
        ("部门，深处", {"route": routes[0], "cursor": deep}),
        ("部门（少），深处", {"route": routes[-1], "cursor": deep}),
        ("没有的部门", {"route": "没有这个部门"}),
        ("超时", {"overdue": "true"}),
        ("超时，深处", {"overdue": "true", "cursor": deep}),
        ("未超时，深处", {"overdue": "false", "cursor": deep}),
        ("经办人", {"owner": lambda chance: f"clerk{chance.randrange(300):03}"}),
        ("经办人，在办", {"owner": lambda chance: f"clerk{chance.randrange(300):03}", "state": "investigating"}),
        ("待受理 + 原因 + 部门", {"state": "new", "cause": "C5", "route": routes[0]}),
        ("原因 + 部门，深处", {"cause": "C11", "route": routes[0], "cursor": deep}),
        ("等级 4 + 原因", {"level_min": 4, "cause": "C7"}),
        ("超时 + 部门 + 等级 3", {"overdue": "true", "route": routes[0], "level_min": 3}),
        ("超时 + 原因", {"overdue": "true", "cause": "C9"}),
        ("已办结 + 部门 + 等级 3，深处", {"state": "closed_explained", "route": routes[0], "level_min": 3, "cursor": deep}),
        ("等待客户 + 原因细类 + 等级 4（几乎没有）", {"state": "waiting_customer", "cause": "C13b", "level_min": 4}),
        ("搜：少见的词", {"q": lambda chance: rare_word(1000 * chance.randrange(1, max(2, count // 1000)))}),
        ("搜：常见的两字词", {"q": "银行"}),
        ("搜：常见的两字词，深处", {"q": "投诉", "cursor": deep}),
        ("搜：不多不少的词", {"q": lambda chance: chance.choice(("理财", "保安", "存折", "短信", "年费", "利率"))}),
        ("搜：长词", {"q": "信用卡中心"}),
        ("搜：两个词", {"q": "利率 房贷"}),
        ("搜：没有的词", {"q": "氢弹"}),
        ("搜：字对都有、连不起来的", {"q": "银行卡里钱不见"}),
        ("搜：手机号", {"q": lambda chance: f"13{chance.randrange(10**9):09}"}),
        ("搜：网点", {"q": lambda chance: f"YT{chance.randrange(1, 300):03}"}),
        ("搜：客户称呼", {"q": "王伟"}),
        ("搜：工单尾号", {"q": lambda chance: f"{chance.randrange(10**5):05}"}),
        ("搜：词 + 待受理", {"q": "银行", "state": "new"}),
        ("搜：词 + 部门 + 等级 3", {"q": "利率", "route": routes[0], "level_min": 3}),
    ):  # fmt: skip
        yield name, "", _drawn(filters)
        if name in (
            "队列首页",
            "队列深处的一页",
            "状态：待受理",
            "等级不低于 3，深处",
            "超时",
            "搜：常见的两字词",
            "搜：少见的词",
        ):
            for asker in HANDLERS:
                yield f"{name}{asker}", asker, _drawn(filters)


def _drawn(filters: dict[str, Any]) -> Callable[[random.Random], dict[str, Any]]:
    return lambda chance: {name: value(chance) if callable(value) else value for name, value in filters.items()}


def ask_all(
    port: int, key: str, count: int, *, routes: list[str], numbers: list[str], times: int, spent: Callable[[], float]
) -> Iterator[Timing]:
    desk = Desk(port, {"X-API-Key": key})
    desks = {"": desk, **{asker: Desk.logged_in(port, name, PASSWORD) for asker, name in HANDLERS.items()}}
    chance = random.Random(1)
    for name, asker, draw in questions(count, routes):
        who = desks[asker]
        ask = lambda who=who, draw=draw: who.get(f"/v1/tickets?{urlencode(draw(chance))}")  # noqa: E731
        yield timed(name, ask, times, spent)
    yield timed("工单详情", lambda: desk.get(f"/v1/tickets/{chance.choice(numbers)}"), times, spent)
