"""For a compliance officer: every text that the product can utter, read for what it must never say.

Nothing of phrases.yml, no verdict, and no amount, deadline or other figure but from sla.yml, the customer, the branch
directory, an incident or a ticket's dates. Each test collects everything that is wrong and shows it at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from rasa_sdk.executor import CollectingDispatcher
from ruamel.yaml import YAML

import api.app  # noqa: F401 - loads every room, and with it every error
from actions import branch_facts, fields, submit, texts
from actions.bridge import FiledTicket
from actions.explain import Explanation, Situation, applicable_scripts, render
from actions.voice import Voice
from api.core.errors import ApiError
from api.dialogue.commit import NOTICE
from api.tickets.events import RATING
from bot.channels.rendering import for_channel
from contract.dated import in_force
from contract.playbook import Playbook
from contract.script import WORDINGS, Script
from contract.sla import Figure
from contract.ticket import Channel, Nature, Request, TicketDraft
from contract.turn import BotMessage, Card, Choice
from tests.playbook.rules import ALOUD, BUBBLE, all_filled, faults, filled, parts, plain, template
from tests.playbook.situations import (
    DAYS,
    NOW,
    TICKET_NO,
    boundaries,
    every_cause,
    nothing_known,
    plain_states,
    situations,
)

ROOT = Path(__file__).resolve().parents[2]
_TODAY = NOW.date()
_CHECKED_WORDS = ("登记", "核实")
# WeChat takes five messages in answer to one.
_WECHAT_MESSAGES = 5


class Report:
    """Collects what is wrong; a text is read once, however many situations lead to it."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._read: set[tuple[str, int | None, bool]] = set()
        self._found: dict[str, None] = {}

    def read(self, where: str, text: str, *, longest: int | None = BUBBLE, may_ask: bool = False) -> None:
        if (text, longest, may_ask) in self._read:
            return
        self._read.add((text, longest, may_ask))
        for fault in faults(text, self._playbook, longest=longest, may_ask=may_ask):
            self.add(where, fault, plain(text))

    def add(self, where: str, fault: str, text: str = "") -> None:
        self._found[f"{where}：{fault}：{text}"] = None

    def show(self, *, at_least: int) -> None:
        """Fails with everything that was found; `at_least` guards against a test that has nothing to read."""
        assert len(self._read) >= at_least
        assert not self._found, f"{len(self._found)} 处：\n" + "\n".join(self._found)


# Explanations


def test_every_explanation_in_every_situation(playbook: Playbook) -> None:
    report, reached = Report(playbook), set()
    for script in playbook.scripts:
        for explanation in _explanations(script, playbook, report):
            lines = (*explanation.stages.values(), explanation.spoken)
            reached |= {(script.id, explanation.version, template(line)) for line in lines}
            _read_explanation(explanation, report)
    for script_id, version, line in _lines(playbook):
        if (script_id, version, line) not in reached:
            report.add(f"{script_id}@{version}", "没有一种情形会说到", line)
    report.show(at_least=2000)


def _explanations(script: Script, playbook: Playbook, report: Report) -> Iterator[Explanation]:
    """Every different one, with its values told apart from our words."""
    seen = set()
    for given in situations(script, playbook):
        for turn in range(WORDINGS):
            found = render(script, replace(given, slots=all_filled(given.slots), turn=turn))
            if found is None:
                continue
            found = _with_date_told_apart(found, script)
            key = (found.version, *found.stages.values(), found.spoken)
            if key not in seen:
                seen.add(key)
                _check_figures(found, given.day, playbook, report)
                yield found


def _with_date_told_apart(found: Explanation, script: Script) -> Explanation:
    """`render` itself puts in the day from which the version holds."""
    since = next(it.effective_from for it in script.versions if it.version == found.version)
    day = f"{since.year}年{since.month}月{since.day}日"

    def told_apart(line: str) -> str:
        return line.replace(day, filled("effective_from", day))

    stages = {name: told_apart(line) for name, line in found.stages.items()}
    return replace(found, stages=stages, spoken=told_apart(found.spoken))


def _check_figures(found: Explanation, day: date, playbook: Playbook, report: Report) -> None:
    """The value of the day on which it happened, and only one that was read in its source or is our own arrangement."""
    figures = {figure.name: figure for figure in playbook.sla.figures}
    for name, text in parts("".join((*found.stages.values(), found.spoken))):
        if (figure := figures.get(name)) is not None and (fault := _unsure(figure, text, day)):
            report.add(found.label, fault, text)


def _unsure(figure: Figure, text: str, day: date) -> str | None:
    value = in_force(figure.values, day)
    if value is None or value.text != text:
        return f"{day} 的 {figure.name} 不是这个数"
    return None if value.reliability in ("V", "P") else f"{figure.name} 是 {value.reliability} 级，不能说"


def _read_explanation(found: Explanation, report: Report) -> None:
    """As it is said: web and WeChat in bubbles, the hotline aloud; whole, without the feeling, and the fact alone."""
    for stage in found.stages.values():
        report.read(found.label, stage)
    report.read(found.label, found.spoken, longest=ALOUD)
    shown = replace(
        found, stages={name: plain(line) for name, line in found.stages.items()}, spoken=plain(found.spoken)
    )
    for channel, short, feeling in product(Channel, (False, True), (False, True)):
        dispatcher = CollectingDispatcher()
        Voice(dispatcher, channel).explain(shown, short=short, feeling=feeling)
        said = [message["text"] for message in dispatcher.messages]
        longest = ALOUD if channel is Channel.HOTLINE and not short else BUBBLE
        if not said or any(not 0 < len(text) <= longest for text in said):
            report.add(found.label, f"{channel} 上有空的或超过 {longest} 字的消息", "\n".join(said))


def _lines(playbook: Playbook) -> Iterator[tuple[str, int, str]]:
    for script in playbook.scripts:
        for version in script.versions:
            for variant in version.variants:
                for line in (variant.spoken, *(line for wording in variant.wordings for line in wording.lines)):
                    yield script.id, version.version, line


def test_without_facts_every_cause_is_registered_and_checked(playbook: Playbook) -> None:
    """An empty fact is never a guess: whatever the cause, the level and the version, there is a text, and it says so."""
    report = Report(playbook)
    for code, level in product(every_cause(playbook), range(5)):
        for script in _scripts_for(code, playbook):
            story = "".join(script.words)
            if not applicable_scripts(playbook, code, story, frozenset()):
                report.add(code, f"没有话术可用，应至少有 {script.id}")
            for day in boundaries(script, playbook):
                _check_says_it_is_checked(script, nothing_known(code, level, day, playbook), report)
    report.show(at_least=100)


def _scripts_for(code: str, playbook: Playbook) -> list[Script]:
    return [it for it in playbook.scripts if code in it.causes or code.rstrip("abcde") in it.causes]


def _check_says_it_is_checked(script: Script, given: Situation, report: Report) -> None:
    for turn in range(WORDINGS):
        found = render(script, replace(given, turn=turn, slots=all_filled(given.slots)))
        if found is None:
            report.add(script.id, f"{given.cause} {given.level} 级 {given.day}：什么都不知道时没有话可说")
            return
        found = _with_date_told_apart(found, script)
        for text in ("".join(found.stages.values()), found.spoken):
            report.read(found.label, text, longest=None)
            if not any(word in text for word in _CHECKED_WORDS):
                report.add(found.label, "没有说登记或核实", plain(text))


def test_what_the_dialogue_calls_for_has_words_without_facts(playbook: Playbook) -> None:
    """X00 and the scripts for rights, progress, withdrawal and so on belong to no cause: they speak in every one."""
    report = Report(playbook)
    for script in (it for it in playbook.scripts if not it.causes):
        for code, level in product((None, *every_cause(playbook)), range(5)):
            for day in boundaries(script, playbook):
                given = nothing_known(code, level, day, playbook)
                found = render(script, replace(given, slots=all_filled(given.slots)))
                if found is None:
                    report.add(script.id, f"{code} {level} 级 {day}：什么都不知道时没有话可说")
                else:
                    report.read(found.label, _with_date_told_apart(found, script).spoken, longest=ALOUD)
    report.show(at_least=10)


def test_figures_that_are_not_sure_are_not_told(playbook: Playbook) -> None:
    """[R] and [W] of domain.md: on no day does the dialogue get them, and no text may name them."""
    report = Report(playbook)
    starts = {value.effective_from for figure in playbook.sla.figures for value in figure.values}
    for figure, day in product(playbook.sla.figures, {*starts, _TODAY}):
        value = in_force(figure.values, day)
        if value is not None and value.reliability not in ("V", "P") and figure.name in playbook.sla.figures_on(day):
            report.add("sla.yml", f"{day} 会说出 {value.reliability} 级的 {figure.name}")
    never = {it.name for it in playbook.sla.figures if all(value.reliability in ("W", "R") for value in it.values)}
    assert never == {"review_days", "leak_report"}
    for where, _, line in _lines(playbook):
        if named := never & set(re.findall(r"{(\w+)}", line)):
            report.add(where, f"用了 {named}", line)
    for name, line in _responses():
        if named := never & set(re.findall(r"{(\w+)}", line)):
            report.add(name, f"用了 {named}", line)
    report.show(at_least=0)


def test_phrases_are_forbidden_in_both_forms_of_address(playbook: Playbook) -> None:
    phrases = {phrase for group in playbook.phrases.forbidden for phrase in group.phrases}
    missing = {
        other
        for phrase in phrases
        for other in (phrase.replace("您", "你"), phrase.replace("你", "您"))
        if not any(known in other for known in phrases)
    }
    assert not missing


# Fixed lines


@cache
def _responses() -> tuple[tuple[str, str], ...]:
    found = YAML(typ="safe").load((ROOT / "bot/domain/responses.yml").read_text("utf-8"))["responses"]
    return tuple((name, variant["text"]) for name, variants in found.items() for variant in variants)


def test_every_response_with_its_placeholders_filled(playbook: Playbook) -> None:
    report, groups = Report(playbook), _fillings(playbook)
    for name, text in _responses():
        # Whoever is in danger is asked nothing.
        may_ask = not name.startswith(("utter_safety", "utter_stay"))
        needed = set(re.findall(r"{(\w+)}", text))
        choices = [group for group in groups if needed & group[0].keys()]
        if lacking := needed - {key for group in choices for key in group[0]}:
            report.add(name, f"测试不知道怎么填 {lacking}", text)
            continue
        for chosen in product(*choices):
            values = {key: value for part in chosen for key, value in part.items()}
            report.read(name, text.format_map(all_filled(values)), may_ask=may_ask)
    report.show(at_least=250)


def _fillings(playbook: Playbook) -> list[list[Mapping[str, str]]]:
    """Values that go together, for each group of placeholders; where they come from, see actions/."""
    days = [f"{day}T12:00:00" for day in DAYS]
    told = ("昨天中午十二点多", "上个月底", "刚才")
    drafts = [TicketDraft(event_time=day, event_time_text=text) for day in days for text in told]
    values = [*(branch.name for branch in playbook.branches), *(fields.event_time_text(it) or "" for it in drafts)]
    return [
        [playbook.sla.figures_on(_TODAY)],
        [{"ticket_no": TICKET_NO}],
        [{"next_date": texts.day_text(day)} for day in ("2026-12-10T23:59:59+08:00", "2027-01-01T09:00:00+08:00")],
        [{"state": state} for state in plain_states()],
        [{"hotline": playbook.organisation.hotline}],
        [{"who": who} for who in ("京东", "中国移动通信集团", "我们小区物业公司")],
        [{"value": value} for value in values],
        list(_published(playbook)),
    ]


def _published(playbook: Playbook) -> Iterator[Mapping[str, str]]:
    """What is said of a branch's hours on every kind of day."""
    for branch, day in product(playbook.branches, (None, *DAYS)):
        moment = None if day is None else NOW.replace(year=day.year, month=day.month, day=day.day)
        yield {
            "branch_name": branch.name,
            "hours": branch_facts.hours_text(branch, moment),
            "handover": branch_facts.handover_text(branch),
            "closed": (moment and branch_facts.closed_text(branch, moment)) or "节假日不营业",
        }


def test_every_choice(playbook: Playbook) -> None:
    report = Report(playbook)
    for choice in _choices(playbook):
        report.read("choice", choice.label, longest=20)
    report.show(at_least=25)


def _choices(playbook: Playbook) -> list[Choice]:
    """The fixed ones, and the names of causes and fields."""
    offered = (value for name, value in vars(texts).items() if name.endswith("_CHOICES"))
    fixed = [choice for choices in offered for choice in choices]
    causes = [Choice(label=playbook.taxonomy.name(code), payload=code) for code in every_cause(playbook)]
    return [*fixed, texts.OTHER_CAUSE, *causes, *(Choice(label=it, payload=it) for it in fields.LABELS.values())]


# Cards

_FULL = TicketDraft(
    narrative_raw="昨天中午去存钱\n柜员说交班让我等了两个小时", cause_l1="C5", cause_l2="C5a", branch="YT002", branch_name="城东支行",
    event_time="2026-11-24T12:10:00", event_time_text="昨天中午", product="存款", amount="550", request=Request.APOLOGY,
    customer_quote="给我道歉，赔偿我两千块钱", name="王女士", phone="<PHONE_1>", representative_count=8, authorization="promised",
)  # fmt: skip
_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"phone": None},
    {"phone": None, "name": None, "anonymous": True},
    {"authorization": "none", "amount": None, "customer_quote": None},
    *({"nature": nature} for nature in Nature),
    *({"customer_quote": None, "request": request} for request in Request),
)
# The lines in which the customer reads their own words, or a date and a number of theirs.
_CUSTOMERS = frozenset(
    {"narrative", "branch", "event_time", "product", "amount", "representative_count", "request", "name", "phone"}
)


def test_every_card(playbook: Playbook) -> None:
    report = Report(playbook)
    for changes in _CHANGES:
        draft = _FULL.model_copy(update=changes)
        card = fields.read_back_card(draft, playbook)
        theirs = _CUSTOMERS if draft.phone else _CUSTOMERS - {"phone"}
        _read_card(card, report, theirs=theirs)
    for draft, filed in product((_FULL.model_copy(update=changes) for changes in _CHANGES), _filed()):
        for message in _receipt(draft, filed):
            report.read("receipt", message.text.replace(TICKET_NO, filled("ticket_no", TICKET_NO)))
            if message.card is not None:
                _read_card(message.card, report, theirs=frozenset({"ticket_no", "first_contact_due", "decision_due"}))
                _check_dates(message.card, filed, report)
    report.show(at_least=30)


def _read_card(card: Card, report: Report, *, theirs: frozenset[str]) -> None:
    report.read(card.kind, card.title)
    for line in card.fields:
        report.read(f"{card.kind}.{line.name}", line.label)
        if line.name not in theirs:
            report.read(f"{card.kind}.{line.name}", line.value)


def _filed() -> list[FiledTicket]:
    dates = (
        ("2026-11-26T23:59:59+08:00", "2026-12-10T23:59:59+08:00"),
        ("2026-11-25T16:00:00+08:00", None),
        (None, None),
    )
    return [
        FiledTicket(
            ticket_no=TICKET_NO, merged=merged, clock_restarted=again, first_contact_due=first, decision_due=decided
        )
        for merged, again, (first, decided) in product((False, True), (False, True), dates)
    ]


def _receipt(draft: TicketDraft, filed: FiledTicket) -> Iterator[BotMessage]:
    """The lines are chosen by the action and worded by the bot: all wordings are read."""
    dispatcher = CollectingDispatcher()
    submit._tell(Voice(dispatcher), filed, draft)
    for message in dispatcher.messages:
        for text in (text for name, text in _responses() if name == message["response"]):
            yield BotMessage(text=text.format(ticket_no=message["ticket_no"]), card=message["custom"].get("card"))


def _check_dates(card: Card, filed: FiledTicket, report: Report) -> None:
    """Every number in a receipt is the ticket's own."""
    first, decided = filed.first_contact_due, filed.decision_due
    told = {filed.ticket_no, first and texts.moment_text(first), decided and texts.day_text(decided)}
    for line in card.fields:
        if line.value not in told:
            report.add("receipt", "不是工单上的日期", line.value)


# Channels


def test_every_channel_adds_nothing_forbidden(playbook: Playbook) -> None:
    """What WeChat and the hotline put around an answer: numbers before choices, a card and choices in sentences."""
    report = Report(playbook)
    for channel, answer in product(Channel, _answers(playbook)):
        shown = for_channel(channel, answer)
        if channel is Channel.WECHAT and len(shown) > _WECHAT_MESSAGES:
            report.add(channel, f"{len(shown)} 条消息")
        for message in shown:
            # The numbers before choices are those to reply with; the card's values were read above.
            text = re.sub(r"(?m)^\d+ ", "", message["text"])
            for line in (message.get("card") or {"fields": ()})["fields"]:
                text = text.replace(f"，{line['value']}。", f"，{filled('told', '')}。")
            report.read(channel, text, longest=None, may_ask=True)
    report.show(at_least=30)


def _answers(playbook: Playbook) -> Iterator[list[dict[str, Any]]]:
    """An explanation, a human, and each question with its choices; the read-back with its card."""
    script = playbook.script("X00")
    assert script is not None
    found = render(script, nothing_known("C5a", 1, _TODAY, playbook))
    assert found is not None
    said = [{"text": text} for text in found.bubbles()]
    human = {"text": "需要的话我帮您转人工。", "choices": [it.model_dump() for it in texts.HUMAN_CHOICES]}
    for name, choices in ((name, value) for name, value in vars(texts).items() if name.endswith("_CHOICES")):
        for count in range(1, len(choices) + 1):
            asked = {"text": "您看呢？", "choices": [it.model_dump() for it in choices[:count]], "asks": name}
            yield [*said * 4, human, asked]
    card = fields.read_back_card(_FULL, playbook).model_dump()
    yield [*said, {"text": "请您核对一下。", "card": card, "asks": "confirm", "choices": [{"label": "确认提交"}]}]
    causes = [{"label": cause.name} for cause in playbook.taxonomy.causes]
    yield [{"text": "更接近下面哪一种？", "choices": causes, "asks": "cause"}]


# What the bridge and the window say by themselves


def test_every_sentence_of_the_bridge(playbook: Playbook) -> None:
    report = Report(playbook)
    for state in plain_states():
        report.read("state", state)
    report.read("notice", NOTICE)
    report.read("rating", RATING.format(ticket_no=filled("ticket_no", TICKET_NO)))
    for error in _errors(ApiError):
        report.read(error.__name__, error.message)
    report.show(at_least=25)


# Errors that only the desk, or a program that calls the API, ever sees.
_TO_STAFF = ("api.desk", "api.tickets")


def _errors(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    """Those that a customer's browser may show."""
    for error in kind.__subclasses__():
        yield from _errors(error)
        if not error.__module__.startswith(_TO_STAFF):
            yield error


def test_every_word_of_the_window(playbook: Playbook) -> None:
    """The widget's own words: whatever Chinese stands in its source."""
    report, chinese = Report(playbook), re.compile(r"[\u4e00-\u9fff][^'\"`<>{}$\n]*")
    sources = [path for path in (ROOT / "web/widget/src").rglob("*") if path.suffix in (".vue", ".ts")]
    for path in sources:
        for words in chinese.findall(path.read_text("utf-8")):
            report.read(path.name, words, longest=None, may_ask=True)
    report.show(at_least=20)


# The test itself: what it must not let through

_WRONG: Mapping[str, str] = {
    "您别激动，我来记。": "禁语",
    "请冷静一下。": "禁语",
    "15日内答复您。": "自己写的数字",
    "两个工作日给您答复。": "自己写的数字",
    "大概半小时就好。": "自己写的数字",
    "先给您垫5万元。": "自己写的数字",
    "这是我们的责任。": "结论",
    "一定会开除他。": "结论",
    "您好，{branch_name}。": "占位符",
    "您怎么看？": "有问号",
    "请打12315。": "自己写的数字",
    "情" * (BUBBLE + 1): "最多",
}


def test_the_reader_finds_what_it_looks_for(playbook: Playbook) -> None:
    for text, fault in _WRONG.items():
        assert any(fault in found for found in faults(text, playbook)), text

    def allowed(name: str, value: str) -> list[str]:
        return list(faults(f"按{filled(name, value)}算。", playbook))

    assert allowed("decision_days", "15日") == []
    assert allowed("heard", "等了两个小时") == []
    assert allowed("state", "15日内答复") != []
    assert list(faults(f"最多{filled('day_count', '3')}天。", playbook)) != []
    assert list(faults(f"今天是第{filled('day_count', '3')}天。", playbook)) == []
