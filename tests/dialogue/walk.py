"""A customer who says anything in any order, and what must hold whatever is said.

`Walk` talks to the real stack through the public contract, keeps what it has told, and checks after every message: an answer
with words, nothing forbidden, no loop, an open question while a form is open, a level that never falls, one ticket for one
confirmation, and no fact lost. What is said decides test_random_walk.py.
"""

import itertools
import json
import re
import string
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from contract.playbook import Playbook
from tests.dialogue.customer import Customer, joined

Message = dict[str, Any]

CONFIRM = "确认提交"
YES = ("确认提交", "没问题，提交吧", "可以了，交吧", "好的", "嗯", "对", "可以")
_BRANCHES = ("城东支行", "柳园支行", "解放路支行", "南湖支行", "大学城支行", "人民医院支行", "石桥镇支行")
_SURNAMES = "虞鄢裴阮滕邱岑娄邬郝"
ANSWERS: Mapping[str, str] = {
    "narrative": "柜员一直不给办，问他原因也不说，把我晾在那儿大半天",
    "event_time": "前天下午三点多",
    "branch": "{branch}",
    "product": "信用卡",
    "amount": "{amount}块",
    "request": "给我道个歉",
    "name": "我姓{name}",
    "phone": "{phone}",
    "authorization": "有的，原件过几天补",
    "representative_count": "一共六个人",
    "ticket_no": "没有工单号",
    "phone_tail": "不记得了",
    "cause": "都差不多",
}
FRESH_START = "我要投诉，前天在{branch}办业务，柜员态度特别差，话没说完就把证件扔出来了"

_RESPONSES = Path(__file__).resolve().parents[2] / "bot" / "domain" / "responses.yml"
_LONGEST_BUBBLE = 300
_LOOP = 3
_GOAL_MESSAGES = 14
_SETTLED_SECONDS = 0.6
_OWNERS = frozenset({"bot", "queued", "human", "human_wrapup"})
_UNFILLED = re.compile(r"[{}]|<[A-Z]+_\d+>")
# What a lookup or the end of a case asks for; everything else is asked by the complaint form.
_NOT_OF_THE_FORM = frozenset({"ticket_no", "phone_tail", "satisfaction"})
# Lines after which the open question waits without being put again, and lines that end a form (names begin so).
_HOLDS = ("utter_wait", "utter_correct_how", "utter_human_available", "utter_human_unavailable")
_RECEIPTS = ("utter_filed", "utter_merged")
_ENDS = (*_RECEIPTS, "utter_not_filed", "utter_safety", "utter_stay")
_SAFETY = ("utter_safety",)
# Asked for company while somebody waits for a human; no form is open for it.
_WHILE_WAITING = ("utter_tell_while_waiting",)
_CONVERSATION_OF: dict[tuple[str, str], str | None] = {}


@dataclass(frozen=True)
class Fact:
    """Something told that must not be lost. `aside`: it belongs to a second matter, which is filed after the first."""

    kind: str
    value: str
    aside: bool = False

    def stands_in(self, record: str) -> bool:
        return re.search(rf"(?<!\d){re.escape(self.value)}(?!\d)", record) is not None


@dataclass(frozen=True)
class Step:
    """What was said and what came back."""

    said: str
    answer: str
    lines: frozenset[str]

    def has(self, beginnings: tuple[str, ...]) -> bool:
        return any(line.startswith(beginnings) for line in self.lines)


class _Writer(Customer):
    """A customer who chooses the client_id, and can wait until everything sent has been answered."""

    def answer_to(self, seq: int) -> list[Message]:
        return self._wait_for_answer(seq)

    def wait_until_settled(self, after: int) -> list[Message]:
        """All that was said since `after`, once nothing more comes."""
        known, since = -1, time.monotonic()
        while time.monotonic() - since < _SETTLED_SECONDS:
            self.messages = self.history()["messages"]
            if len(self.messages) != known:
                known, since = len(self.messages), time.monotonic()
            time.sleep(0.1)
        return [one for one in self.messages if one["seq"] > after and one["role"] == "bot"]


@dataclass
class Walk:
    """One conversation. Whatever is done, everything is checked afterwards."""

    base_url: str
    staff: httpx.Client
    playbook: Playbook
    steps: list[Step] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    peak: int = 0
    tickets: frozenset[str] = frozenset()
    form_open: bool = False
    question: str | None = None
    offered: list[dict[str, str]] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.customer = _Writer(self.base_url)
        self._new: Mapping[str, Iterator[str]] = {
            "branch": itertools.cycle(_BRANCHES),
            "name": itertools.cycle(_SURNAMES),
            "amount": (str(1234 + 137 * number) for number in itertools.count()),
            # Nobody else's, so that walks never meet in one ticket.
            "phone": (f"138{uuid.uuid4().int % 10**8:08d}" for _ in itertools.count()),
        }

    # What the customer does

    def say(self, template: str, *, new: bool = False, aside: bool = False) -> None:
        """Says it with facts in its placeholders: those told before, or `new` ones that replace them."""
        text = self._filled(template, new=new, aside=aside)
        confirmed = text in YES and self.question == "confirm"
        self._exchange({"text": text}, text, confirmed=confirmed)

    def say_at_once(self, templates: Sequence[str]) -> None:
        """Several messages before anybody could answer."""
        texts = [self._filled(template, new=False, aside=False) for template in templates]
        before = self._last_seq()
        for text in texts:
            self._post({"text": text})
        self._check(" / ".join(texts), self.customer.wait_until_settled(before), confirmed=False)
        # They may have been answered in several turns, of which only the last one's choices are open.
        self.offered = []

    def refuse(self, text: str) -> None:
        """Who refuses takes name and phone back, too."""
        self._forget("name", "phone")
        self.say(text)

    def pick(self, place: int) -> None:
        """Picks one of the open choices."""
        choice = self.offered[place % len(self.offered)]
        label = choice["label"]
        if label == "不对":
            self._forget(self.question or "")
        self._exchange({"choice_id": choice["choice_id"]}, f"［{label}］", confirmed=label == CONFIRM)

    def pick_stale(self, place: int) -> None:
        """A button of an older answer is refused, and nothing happens."""
        before = self.customer.history()
        choice = self.stale[place % len(self.stale)]
        refused = self.customer.post({"client_id": str(uuid.uuid4()), "choice_id": choice})
        code = httpx.codes.UNPROCESSABLE_ENTITY
        self.demand(refused.status_code == code, f"a stale choice: {refused.status_code}")
        self.demand(self.customer.history() == before, "a stale choice changed the conversation")

    def send_again(self) -> None:
        """The same client_id again, as a widget does after a broken connection."""
        before = self.customer.history()
        again = self.customer.post(self.sent)
        self.demand(again.status_code == httpx.codes.ACCEPTED, f"sent again: {again.status_code}")
        known = {one["seq"] for one in before["messages"] if one["role"] == "customer"}
        self.demand(again.json()["seq"] in known, "sent again, and stored twice")
        self.demand(self.customer.history() == before, "sent again, and the conversation went on")

    def confirm(self) -> None:
        """Files what is read back: by the button while it is open, else by word."""
        button = next((place for place, it in enumerate(self.offered) if it["label"] == CONFIRM), None)
        if button is None:
            self.say(YES[0])
        else:
            self.pick(button)
        self.demand(self.steps[-1].has(_RECEIPTS), "confirmed, and no receipt")

    def answer(self) -> None:
        """Answers what is asked; tells a complaint when nothing is."""
        if self.question == "confirm":
            self.confirm()
        elif self.question == "cause" and self.offered:
            self.pick(0)
        else:
            self.say(ANSWERS.get(self.question or "", FRESH_START))

    def reach_the_goal(self) -> None:
        """Who answers what is asked gets a ticket, from wherever the talk has come to."""
        for _ in range(_GOAL_MESSAGES):
            if self.is_filed:
                return
            self.answer()
        self.demand(self.is_filed, f"no ticket after {_GOAL_MESSAGES} answers")

    @property
    def is_filed(self) -> bool:
        return bool(self.tickets) and not self.form_open

    def demand(self, holds: bool, what: str) -> None:
        """Raises with the whole talk, so that a failure can be read without running it again."""
        talk = "\n".join(f"客户：{step.said}\n听诉：{step.answer}" for step in self.steps)
        assert holds, f"{what}\n{talk}"

    # Facts

    def _filled(self, template: str, *, new: bool, aside: bool) -> str:
        """The words; what they tell is kept. What is told anew replaces what was told before."""
        values = dict(self.told)
        for _, kind, _, _ in string.Formatter().parse(template):
            if kind is None:
                continue
            if new or aside or kind not in values:
                values[kind] = next(self._new[kind])
            if not aside:
                self._forget(kind)
                self.told[kind] = values[kind]
            self.facts.append(Fact(kind, values[kind], aside))
        return template.format_map(values)

    def _forget(self, *kinds: str) -> None:
        self.facts = [fact for fact in self.facts if fact.aside or fact.kind not in kinds]

    # One exchange and its checks

    def _exchange(self, body: dict[str, str], shown: str, *, confirmed: bool) -> None:
        self._check(shown, self.customer.answer_to(self._post(body)), confirmed=confirmed)

    def _post(self, body: dict[str, str]) -> int:
        self.sent = {"client_id": str(uuid.uuid4()), **body}
        posted = self.customer.post(self.sent)
        self.demand(posted.status_code == httpx.codes.ACCEPTED, f"not taken: {body} {posted.text}")
        return int(posted.json()["seq"])

    def _check(self, said: str, answer: list[Message], *, confirmed: bool) -> None:
        lines = frozenset(name for bubble in answer for name in _lines(bubble["text"]))
        self.steps.append(Step(said, joined(answer), lines))
        self._check_bubbles(answer)
        self._check_loop()
        self._follow_choices(answer)
        self._follow_question(answer)
        self._check_level()
        filed = self._check_tickets(confirmed=confirmed)
        if filed or self.is_filed:
            self._check_facts()

    def _check_bubbles(self, answer: list[Message]) -> None:
        self.demand(any(bubble["text"] for bubble in answer), "no words in the answer")
        for bubble in answer:
            text = bubble["text"]
            shown = "\n".join([text, *(choice["label"] for choice in bubble.get("choices") or ())])
            self.demand(len(text) <= _LONGEST_BUBBLE, f"{len(text)} characters in one bubble")
            self.demand(not self.playbook.phrases.violations(shown), f"forbidden: {shown}")
            self.demand(not _UNFILLED.search(shown + joined([bubble])), f"not filled: {joined([bubble])}")

    def _check_loop(self) -> None:
        latest = self.steps[-_LOOP:]
        alike = len({step.answer for step in latest}) == 1 and len({step.said for step in latest}) == _LOOP
        self.demand(not alike, f"the same answer {_LOOP} times in a row")

    def _follow_choices(self, answer: list[Message]) -> None:
        self.stale += [choice["choice_id"] for choice in self.offered]
        self.offered = [choice for bubble in answer for choice in bubble.get("choices") or ()]

    def _follow_question(self, answer: list[Message]) -> None:
        asked: str | None = None
        for bubble in answer:
            names = _lines(bubble["text"])
            if any(name.startswith(_ENDS) for name in names):
                self.form_open, self.question, asked = False, None, None
            if bubble.get("asks"):
                asked = str(bubble["asks"])
                in_form = asked not in _NOT_OF_THE_FORM and not any(name in _WHILE_WAITING for name in names)
                self.form_open = self.form_open or in_form
        if asked or not self.form_open:
            self.question = asked
        else:
            self.demand(self.steps[-1].has(_HOLDS), f"the form is open, and {self.question} is not asked any more")

    def _check_level(self) -> None:
        found = self.staff.get("/v1/conversations", params={"limit": 50}).json()["conversations"]
        own = next(it for it in found if it["conversation_id"] == self.customer.conversation_id)
        self.demand(own["owner"] in _OWNERS, f"owner {own['owner']}")
        self.demand(own["level_peak"] >= self.peak, f"level_peak fell from {self.peak} to {own['level_peak']}")
        self.peak = own["level_peak"]

    def _check_tickets(self, *, confirmed: bool) -> bool:
        """Whether something was filed or joined to a ticket: only for a confirmation or in danger, and once."""
        found = self.staff.get("/v1/tickets", params={"limit": 30}).json()["tickets"]
        own = {it["ticket_no"] for it in found if self._is_own(it["ticket_no"])}
        new, step = own - self.tickets, self.steps[-1]
        filed = bool(new) or step.has(_RECEIPTS)
        self.demand(len(new) <= 1, f"filed twice: {sorted(new)}")
        self.demand(not filed or confirmed or step.has(_SAFETY), "filed without a confirmation")
        self.tickets |= new
        shown = self.customer.ticket_no
        self.demand(bool(shown) == bool(self.tickets), f"the customer sees ticket {shown}, the desk {self.tickets}")
        return filed

    def _is_own(self, number: str) -> bool:
        """The list of tickets does not name conversations; each ticket is opened once for all walks."""
        key = (self.base_url, number)
        if key not in _CONVERSATION_OF:
            _CONVERSATION_OF[key] = self.staff.get(f"/v1/tickets/{number}").json()["conversation_id"]
        return bool(_CONVERSATION_OF[key] == self.customer.conversation_id)

    def _check_facts(self) -> None:
        """Everything told so far stands in a ticket or its thread; a second matter's facts wait for their own."""
        numbers = self.tickets | {self.customer.ticket_no}
        record = json.dumps([self.staff.get(f"/v1/tickets/{it}").json() for it in numbers], ensure_ascii=False)
        waiting = [fact for fact in self.facts if self.form_open and (fact.aside or not self._just_filed)]
        lost = [fact for fact in self.facts if fact not in waiting and not fact.stands_in(record)]
        self.demand(not lost, f"lost: {lost}")
        self.facts = waiting

    @property
    def _just_filed(self) -> bool:
        return self.steps[-1].has((*_RECEIPTS, *_SAFETY))

    def _last_seq(self) -> int:
        return max((int(one["seq"]) for one in self.customer.history()["messages"]), default=0)


@cache
def _templates() -> tuple[tuple[str, re.Pattern[str]], ...]:
    responses = YAML(typ="safe").load(_RESPONSES)["responses"]
    return tuple((name, _pattern(one["text"])) for name, variants in responses.items() for one in variants)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)))


def _lines(text: str) -> frozenset[str]:
    """The names of the fixed lines that this bubble may be."""
    return frozenset(name for name, pattern in _templates() if pattern.fullmatch(text))
