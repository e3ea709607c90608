"""Invented tickets in the real schema: sizes, ages and popularity as a bank's would be (few causes, branches and words make most of them).

Stories are put together from the hand-written training sentences, so that words are as common as people say them; every
so often a word that nobody else says stands in one.
"""

import random
import re
from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic_core import to_json
from sqlalchemy import JSON, Dialect, Table

from api.core.crypto import Cipher
from api.tickets.calendar import WorkCalendar
from api.tickets.lifecycle import CLOSED_STATES, DECIDED_STATES, HANDLED_STATES, RUNNING_STATES, WAITING_STATES, State
from api.tickets.models import ticket_events, tickets
from api.tickets.numbers import ticket_number
from api.tickets.search.models import search_tokens
from api.tickets.search.words import grams_of, hashed
from contract.playbook import Playbook

_T = TypeVar("_T")

ROOT = Path(__file__).resolve().parents[2]
DAYS = 3 * 365
EVENTS = 10  # per ticket, on average
EVENT_COLUMNS = ("ticket_no", "seq", "type", "actor", "audience", "data", "created_at")
_SENT = to_json({"route": "网点负责人", "copied": [], "level": 1})
_MARK = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华"
_STATES = {
    State.CLOSED_RESOLVED: 62, State.CLOSED_EXPLAINED: 20, State.WITHDRAWN: 3, State.REJECTED_NOT_COMPLAINT: 2, State.MERGED: 3,
    State.NEW: 2, State.ACCEPTED: 2, State.INVESTIGATING: 3, State.WAITING_CUSTOMER: 1, State.WAITING_THIRD_PARTY: 0.5, State.PROPOSED: 1.5,
}  # fmt: skip
_LEVELS = {0: 30, 1: 40, 2: 22, 3: 6.5, 4: 1.5}
_THREAD = (
    "create",
    "accept",
    "investigate",
    "contact",
    "comment",
    "comment",
    "comment",
    "comment",
    "comment",
    "comment",
)


class Zipf(Generic[_T]):
    """Picks one: the nth as often as 1/n."""

    def __init__(self, random_: random.Random, values: Sequence[_T]) -> None:
        self._values, self._random = values, random_
        self._upto = list(accumulate(1 / n for n in range(1, len(values) + 1)))

    def __call__(self) -> _T:
        return self._values[bisect(self._upto, self._random.random() * self._upto[-1])]


class Rows:
    """Values of a table's columns as a driver takes them; what most rows share is worked out once."""

    def __init__(self, table: Table, dialect: Dialect, shared: dict[str, Any]) -> None:
        self.names = [column.name for column in table.columns]
        self._at = {name: at for at, name in enumerate(self.names)}
        self._processors: list[Callable[[Any], Any] | None] = [
            column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns
        ]
        self._base = [None] * len(self.names)
        self._base = self.row(shared)

    def row(self, values: dict[str, Any]) -> list[Any]:
        made = list(self._base)
        for name, value in values.items():
            at = self._at[name]
            process = self._processors[at]
            made[at] = process(value) if process is not None and value is not None else value
        return made


@dataclass(frozen=True, slots=True)
class Made:
    """Rows for the driver: one ticket, its thread, its hashes."""

    ticket: list[Any]
    events: list[tuple[Any, ...]]
    tokens: list[Any]
    hashes: set[int]


class Maker:
    """Makes tickets from the oldest to the newest; the same seed makes the same ones, save nonces."""

    def __init__(self, cipher: Cipher, dialect: Dialect, playbook: Playbook, count: int, now: datetime) -> None:
        self._random = random.Random(20261127)
        self._count, self._now = count, now
        self._key = next(iter(cipher.search_keys.values()))
        self._cipher = cipher
        calendar = {"policy_version": 1, "calendar_version": WorkCalendar(playbook.calendar).version}
        self.tickets = Rows(tickets, dialect, {**_shared(), **calendar})
        self._encrypt = cipher.encrypt
        process = ticket_events.c.created_at.type.dialect_impl(dialect).bind_processor(dialect)
        self._moment: Callable[[datetime], Any] = process or (lambda moment: moment)
        self._json: dict[str, bytes] = {}
        self.tokens = Rows(search_tokens, dialect, {"key_number": cipher.ring.current})
        told = sentences()
        self._random.shuffle(told)
        self._sentence = Zipf(self._random, told)
        self._hashed: dict[str, set[int]] = {}
        causes = [cause.code for cause in playbook.taxonomy.causes]
        self._cause = Zipf(self._random, causes)
        self._route = Zipf(self._random, sorted({route.handler for route in playbook.routing.routes}))
        self._branch = Zipf(self._random, [(f"YT{n:03}", f"第{n}支行") for n in range(1, 301)])
        self._owner = Zipf(self._random, [f"clerk{n:03}" for n in range(300)])
        self._state = _weighted(self._random, _STATES)
        self._level = _weighted(self._random, _LEVELS)
        self._earlier = deque(["TS2020010100018"], maxlen=1000)  # numbers that another ticket may be merged into

    def all(self) -> Iterator[Made]:
        start = self._now - timedelta(days=DAYS)
        day, sequence = start.date(), 0
        for number in range(1, self._count + 1):
            at = start + timedelta(days=DAYS) * (number / (self._count + 1))
            sequence = sequence + 1 if at.date() == day else 1
            day = at.date()
            yield self._one(number, ticket_number(day, sequence), at)

    def _one(self, number: int, ticket_no: str, at: datetime) -> Made:
        chance = self._random.random
        age = self._now - at
        state = State(self._state())
        if age < timedelta(days=10) and chance() < 0.7:
            state = State.NEW if chance() < 0.3 else State.INVESTIGATING
        story = [self._sentence() for _ in range(self._random.randint(1, 4))]
        own = self._own_word(number)
        branch, branch_name = self._branch()
        owner = None if state is State.NEW else self._owner()
        values = {
            "id": number, "ticket_no": ticket_no, "created_at": at, "version": 0, "state": state, **self._matter(number, at),
            "narrative_raw": "。".join([*story, *own]), "summary": story[0][:60], "branch": branch, "branch_name": branch_name,
            "owner": owner, **_moments(state, at, self._random),
            "parent_ticket": self._random.choice(self._earlier) if state is State.MERGED else None, "next_check_at": self._next_check(state),
        }  # fmt: skip
        events = [self._event(ticket_no, seq, at) for seq in range(1, max(1, round(self._random.gauss(EVENTS, 4))) + 1)]
        values["version"] = len(events)
        self._earlier.append(ticket_no)
        plain = [values["name"], branch, branch_name, values["route"], owner or "", *own]
        hashes = set().union(hashed(self._key, grams_of([ticket_no])), *map(self._hashes_of, [*plain, *story]))
        return Made(self.tickets.row(values), events, self.tokens.row({"ticket_id": number, "tokens": hashes}), hashes)

    def _matter(self, number: int, at: datetime) -> dict[str, Any]:
        cause, level = self._cause(), int(self._level())
        phone = f"13{self._random.randrange(10**9):09}"
        name = self._random.choice(_SURNAMES) + "".join(self._random.sample(_GIVEN, 2))
        return {
            "name": name, "phone": phone, "phone_index": self._cipher.blind_index(phone), "cause_l1": cause,
            "cause_l2": f"{cause}{self._random.choice('abc')}", "level": level, "level_peak": level, "route": self._route(),
            "restricted": cause == "C8", "due_at": at + timedelta(days=15), "first_contact_due_at": at + timedelta(days=1),
            "updated_at": at + timedelta(days=self._random.random() * 10), "trigger_phrases": ["投诉"],
        }  # fmt: skip

    def _event(self, ticket_no: str, seq: int, at: datetime) -> tuple[Any, ...]:
        """Without the id, which the database gives; by hand, because there are ten million of them."""
        data = self._encrypt(self._told() if seq > 3 else _SENT, b"ticket_events.data")
        kind = _THREAD[min(seq, len(_THREAD)) - 1]
        return ticket_no, seq, kind, self._owner(), "staff", data, self._moment(at + timedelta(hours=seq))

    def _told(self) -> bytes:
        sentence = self._sentence()
        if sentence not in self._json:
            self._json[sentence] = to_json({"text": sentence[:80]})
        return self._json[sentence]

    def _next_check(self, state: State) -> datetime | None:
        """All warnings of the past were told; the next ones come after the measurement."""
        return self._now + timedelta(days=1 + 10 * self._random.random()) if state in RUNNING_STATES else None

    def _own_word(self, number: int) -> list[str]:
        """Every thousandth has a word of its own, told by `rare_word`."""
        return [rare_word(number)] if number % 1000 == 0 else []

    def _hashes_of(self, told: str) -> set[int]:
        if told not in self._hashed:
            self._hashed[told] = hashed(self._key, grams_of([told]))
        return self._hashed[told]


def rare_word(number: int) -> str:
    """Two characters that hardly anybody writes."""
    return chr(0x8C00 + number // 1000 % 0x800) + chr(0x7C00 + number // 1000 * 7 % 0x800)


def sentences() -> list[str]:
    found = []
    for path in sorted((ROOT / "data" / "nlu").glob("*/c*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if (text := line.strip()).startswith("- ") and len(text) > 8 and "intent:" not in text:
                found.append(_MARK.sub(r"\1", text[2:]))
    return found


def _weighted(random_: random.Random, weights: dict[Any, float]) -> Callable[[], Any]:
    values, upto = list(weights), list(accumulate(weights.values()))
    return lambda: values[bisect(upto, random_.random() * upto[-1])]


def _shared() -> dict[str, Any]:
    """What a filed ticket has when nobody said anything special."""
    nothing: dict[str, Any] = {
        column.name: [] for column in tickets.columns if not column.nullable and isinstance(column.type, JSON)
    }
    return nothing | {
        "sources": {}, "explanation_levels": {}, "repeat_count": 0, "intake_channel": "web", "operator_id": "bot", "anonymous": False,
        "is_agent": False, "nature": "投诉", "classified_by": "bot", "callback_wanted": False, "accepted_explanation": "unasked",
        "hours_fault": False, "clock_basis": "《银行业保险业消费投诉处理管理办法》第十九条", "first_contact_basis": "本行承诺",
        "extended_days": 0, "urged_count": 0, "reopened": 0, "refused_count": 0, "complexity": "simple", "provisional": False,
        "restricted": False,
    }  # fmt: skip


def _moments(state: State, at: datetime, random_: random.Random) -> dict[str, Any]:
    """What the table's constraints want of each state."""
    found: dict[str, Any] = {}
    if state in HANDLED_STATES or state in DECIDED_STATES:
        found |= {"accepted_at": at + timedelta(hours=2), "first_contact_at": at + timedelta(hours=5)}
    if state in WAITING_STATES:
        found |= {"awaited": "请补充回单照片"}
    if state in DECIDED_STATES:
        outcome = "解释" if state is State.CLOSED_EXPLAINED else "道歉"
        found |= {"resolved_at": at + timedelta(days=random_.random() * 14), "outcome": outcome}
        found |= {"root_cause": "排班不足", "corrective_action": "午间增开一个窗口"}
    if state in CLOSED_STATES:
        found |= {"closed_at": at + timedelta(days=15)}
    if state is State.WITHDRAWN:
        found |= {"withdrawn_at": found["closed_at"]}
    return found
