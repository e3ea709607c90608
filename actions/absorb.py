"""Takes what a message says into the draft: facts with their source, cause, level, whose matter it is. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from actions import texts
from actions.nature import with_case
from actions.tracker import CauseGuess, Memory, Span, Turn
from contract.ticket import FieldSource, Request, TicketDraft

# A later message changes the main cause only when it is clearly about something else.
_NEW_CAUSE = 0.6
_UNSURE_CAUSE = 0.5
_MUCH_SURER = 0.25
_FEW_WORDS = 12
# Below it the words that weighed most for the level say nothing to a reader.
_HEATED = 2
# What the desk is shown as another possibility.
_WORTH_A_LOOK = 0.15

# How sure a fact is by the way it was said; below fields.VERIFY_BELOW one closed question is asked.
_PLAIN, _OWN_WORDS, _GUESSED = 0.95, 0.7, 0.5

_PUT_RIGHT = re.compile(
    r"^(?:不对|不是|错了|写错|说错|更正|改成|改一下|應該是|应该是)|(?:不是|写错|说错|打错|记错|不对).{0,16}?(?:[，,、\s]|应该)(?:应该)?(?:是|为)"
)
_NO_STORY = frozenset(
    {"skip", "ask_why", "greet", "thank", "affirm", "deny", "goodbye", "bot_challenge", "request_human"}
)
_MAY_TELL = frozenset({"inform", "correct", "inquire", "praise", "nlu_fallback", "out_of_scope", "chitchat"})
_PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>")
_IN_ALL = re.compile(r"(?:一共|总共|共计|合计|加起来|累计|前后)[^，。,]{0,6}$")
# "我昨天，哦不是不是，前天": taken back in the same breath.
_SLIP = re.compile(r"[，,、\s](?:哦|啊|呃|噢|哎)?(?:不对|不是不是|不是|说错了|记错了|错了)[，,、\s]")
# The sum that is disputed, not the one that the business was about.
_DISPUTED = re.compile(r"(?:少|短|差|扣|收|刷|丢|亏|罚|划|吞|骗|不见|要)[^，。,；;]{0,8}$")
_DEMAND = re.compile(r"要|请|希望|得|必须|给|帮|赶紧|快|马上|应该|能不能|能否|还我|退我|把|求|别|不许|诉求|想")
_UNWANTED = re.compile(r"没(?:有)?(?:人)?(?:签|同意|让|说|答应|要求|退|给|还)|自己给")
_CRY = 6
# What a ticket holds (contract/ticket.py): yuan and cents.
_CENT, _TOO_MUCH = Decimal("0.01"), Decimal(10) ** 12
_MOST_PEOPLE = 100_000
_LONGEST_SPAN, _MOST_REASONS, _LONGEST_COURSE = 60, 12, 40
# Words of a day; a time of day without one is taken for today, and asked about.
_DAY_WORDS = re.compile(r"[年月号日昨今前周]|星期|礼拜|节|刚|现在|这会|此刻|天")
# "昨晚……九点四十" is in the evening.
_EVENING, _NOON = re.compile(r"晚|夜|下午|傍晚"), 12
_TODAY = re.compile(r"今|刚|现在|这会|此刻")
# More than this beside the facts is part of the story.
_MORE_CHARACTERS, _GRIEVANCE, _FEW_CHARACTERS = 8, 5, 2
_FRAME = re.compile(r"我姓|我叫|免贵|姓|电话(?:是)?|手机(?:号)?|我的|在|是|的|和|，")


def absorb(memory: Memory, turn: Turn) -> Memory:
    """The memory after this message. What was said before is kept unless the customer corrects it."""
    overwrite = is_correction(turn) or memory.correcting or memory.requested == "confirm"
    draft = _with_level(memory.draft, turn)
    if _is_story(memory, turn):
        draft = _with_grievance(draft, turn)
    known, draft = draft, _with_facts(draft, turn, asked=memory.requested, overwrite=overwrite)
    draft = _with_contradiction(known, draft, turn, asked=memory.requested)
    draft = with_case(draft, turn, first=memory.draft.narrative_raw is None)
    return replace(memory, draft=draft)


def _with_contradiction(known: TicketDraft, draft: TicketDraft, turn: Turn, *, asked: str | None) -> TicketDraft:
    """What was said before stands in its field; a fact that differs from it is not lost, the words are kept."""
    told = draft.narrative_raw or ""
    if not told or turn.text in told:
        return draft
    for found, _ in _facts(turn, asked).values():
        name, value = next(iter(found.items()))
        if getattr(known, name) not in (None, value) and getattr(draft, name) != value:
            return _update(draft, narrative_raw=f"{told}\n{turn.text}")
    return draft


def is_correction(turn: Turn) -> bool:
    """ "不对，是柳园支行": whatever the classifier thinks, the words say that something is put right."""
    return turn.intent == "correct" or (_PUT_RIGHT.search(turn.text.strip()) is not None and bool(turn.spans))


def _is_story(memory: Memory, turn: Turn) -> bool:
    """Whether the words belong to the narrative: complaints, the answer to "what happened", and facts with more around them."""
    if memory.requested == "narrative":
        return turn.intent not in _NO_STORY and not texts.is_confirmation(turn.text)
    if not memory.draft.narrative_raw and turn.intent in _MAY_TELL:
        return _tells(turn, _FEW_CHARACTERS)
    if turn.intent == "complain":
        return not memory.draft.narrative_raw or memory.requested in (None, "confirm") or _tells(turn, _GRIEVANCE)
    return turn.intent in _MAY_TELL and _tells_more(turn)


def _tells_more(turn: Turn) -> bool:
    return _tells(turn, _MORE_CHARACTERS)


def _tells(turn: Turn, characters: int) -> bool:
    """Whether that much is said beside the facts, who it is, and how to call."""
    rest = _PLACEHOLDER.sub("", turn.text)
    for span in turn.spans:
        if span.type != "cue" and span.text:
            rest = rest.replace(span.text, "")
    return len(_FRAME.sub("", re.sub(r"[\W\d]", "", rest))) >= characters


def _with_level(draft: TicketDraft, turn: Turn) -> TicketDraft:
    """The peak never falls within a conversation (domain.md 6.3); the course and what explanations did to it are kept."""
    peak = max(draft.level_peak, turn.level)
    reasons = draft.trigger_phrases
    if turn.level >= max(draft.level_peak, _HEATED):
        fresh = tuple(words[:_LONGEST_SPAN] for words in turn.reasons[:3])
        reasons = _union(reasons, fresh)[:_MOST_REASONS]
    course = draft.level_course
    if not course or course[-1] != turn.level:
        course = (*course, turn.level)[-_LONGEST_COURSE:]
    after = {label: turn.level for label in draft.script_ids_used} | dict(draft.explanation_levels)
    return _update(
        draft,
        level=turn.level,
        level_peak=peak,
        trigger_phrases=reasons,
        level_course=course,
        explanation_levels=after,
    )


def _with_facts(draft: TicketDraft, turn: Turn, *, asked: str | None, overwrite: bool) -> TicketDraft:
    changes: dict[str, Any] = {}
    sources = dict(draft.sources)
    # "不是五百，是五百五": what is right comes last.
    said = replace(turn, spans=turn.spans[::-1]) if overwrite else turn
    for field, (found, sureness) in _facts(said, asked).items():
        known = getattr(draft, next(iter(found))) is not None
        refined = field == "event_time" and known and _refined_time(draft, found)
        if not known or overwrite or asked == field or refined:
            changes.update(refined or found)
            sources[field] = FieldSource(source="said", confidence=_PLAIN if refined else sureness)
    tags = _union(draft.tags, tuple(str(span.best) for span in turn.all_spans("tag")))
    groups = _union(draft.special_group, tuple(str(span.best) for span in turn.all_spans("special_group")))
    return _update(draft, tags=tags, special_group=groups, sources=sources, **changes)


def _refined_time(draft: TicketDraft, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """ "昨天", then "下午三点": one moment."""
    day, clock = draft.event_time, found["event_time"]
    if day is None or clock is None or "T" in day or "T" not in clock or _DAY_WORDS.search(found["event_time_text"]):
        return None
    text = f"{draft.event_time_text or ''}{found['event_time_text']}"
    return {"event_time_text": text, "event_time": f"{day}T{clock.partition('T')[2]}"}


def _wanted_is_change(turn: Turn) -> bool:
    """Whether the wish that was heard is nothing but the order to change a field."""
    wanted = turn.span("request")
    return wanted is not None and wanted.best == Request.CORRECTION


def _demands(words: str) -> bool:
    """ "款被退回来了" is a story, "把款退给我" a demand; two words alone are a cry."""
    if _UNWANTED.search(words):
        return False
    return _DEMAND.search(words) is not None or len(words.strip()) <= _CRY


def _facts(turn: Turn, asked: str | None) -> dict[str, tuple[dict[str, Any], float]]:
    """The facts of this message by the field that would ask for them, and how sure each is."""
    facts: dict[str, tuple[dict[str, Any], float]] = {}
    if (branch := turn.branch) is not None:
        sureness = _GUESSED if branch.alike else _PLAIN if branch.code else _OWN_WORDS
        facts["branch"] = {"branch_name": branch.name, "branch": branch.code}, sureness
    # "下午三点以后给我回电话" says when to call.
    if "callback" not in turn.cues and (moment := _moment(turn)) is not None:
        sureness = _OWN_WORDS if moment.value is None else _PLAIN if _DAY_WORDS.search(moment.text) else _GUESSED
        facts["event_time"] = {"event_time_text": moment.text, "event_time": moment.value}, sureness
    if (amount := _amount(turn)) is not None:
        facts["amount"] = {"amount": amount}, _PLAIN
    # "改一下金额" wants the form changed, not the bank's books.
    steers = turn.cue_field("change") not in (None, "request") and _wanted_is_change(turn)
    if (wanted := turn.span("request")) is not None and not steers and (asked == "request" or _demands(wanted.text)):
        facts["request"] = {"request": Request(wanted.best), "customer_quote": wanted.text}, _PLAIN
    if (count := turn.span("representative_count")) is not None:
        facts["representative_count"] = {"representative_count": min(int(count.best), _MOST_PEOPLE)}, _PLAIN
    for kind, name in (("phone", "phone"), ("name", "name"), ("product", "product"), ("person", "staff_described")):
        span = turn.span(kind)
        if span is not None:
            told = str(span.value) if kind in ("phone", "name") and span.value else span.text
            facts[name] = {name: told[:_LONGEST_SPAN]}, _PLAIN
    if (tail := turn.span("card_tail")) is not None:
        facts["card_tail"] = {"card_tail": str(tail.best)}, _PLAIN
    return facts


def _moment(turn: Turn) -> Span | None:
    """The time of the matter: a day and an hour of one message belong together; "今天" says when it was found out, if there
    is another day; what was taken back at once ("昨天，哦不是，前天") does not count.
    """
    spans = _without_slips(turn)
    dated = [span for span in spans if span.value is not None and _DAY_WORDS.search(span.text)]
    other = [span for span in dated if not _TODAY.match(span.text)]
    day = next((span for span in other if "T" in str(span.value)), next(iter(other or dated), None))
    clock = next((span for span in spans if "T" in str(span.value) and span is not day), None)
    if day is None:
        return clock or next(iter(spans), None)
    if clock is None or "T" in str(day.value) or _DAY_WORDS.search(clock.text):
        return day
    hour, _, minute = str(clock.value).partition("T")[2].partition(":")
    if _EVENING.search(day.text) and int(hour) < _NOON:
        hour = str(int(hour) + _NOON)
    return Span(type="time", text=f"{day.text}{clock.text}", value=f"{day.value}T{hour}:{minute}")


def _without_slips(turn: Turn) -> tuple[Span, ...]:
    spans = turn.all_spans("time")
    slip = next((match for match in _SLIP.finditer(turn.text) if match), None)
    if slip is None or len(spans) < 2:
        return spans
    after = [span for span in spans if turn.text.find(span.text, slip.start()) >= 0]
    return tuple(after) or spans


def _amount(turn: Turn) -> str | None:
    """The sum of the matter: the one told as the total, else the first that is disputed, else the first."""
    found: list[tuple[int, str]] = []
    for span in turn.all_spans("amount"):
        try:
            number = Decimal(str(span.best)).quantize(_CENT)
        except InvalidOperation:
            continue
        if not (number.is_finite() and 0 <= number < _TOO_MUCH):
            continue
        value = f"{number.normalize():f}"
        before, _, _ = turn.text.partition(span.text)
        rank = 0 if _IN_ALL.search(before) else 1 if _DISPUTED.search(before) else 2
        found.append((rank, value))
    return min(found, key=lambda it: it[0], default=(0, None))[1]


def _with_grievance(draft: TicketDraft, turn: Turn) -> TicketDraft:
    told = draft.narrative_raw
    narrative = turn.text if not told else told if turn.text in told else f"{told}\n{turn.text}"
    draft = _update(draft, narrative_raw=narrative)
    if not turn.causes and not told:
        # Short and full of facts, an opening is not heard as a complaint; what it would be as one is known all the same.
        turn = replace(turn, causes=turn.possible)
    return _with_cause(draft, turn) if turn.causes else draft


def _with_cause(draft: TicketDraft, turn: Turn) -> TicketDraft:
    best, told = turn.causes[0], turn.span("second_cause")
    second = str(told.value) if told else None
    if second is not None:
        # Two causes share the probability; together they say how sure it is that these are the matter.
        both = sum(guess.confidence for guess in turn.causes if guess.finest in (best.finest, second))
        best = replace(best, confidence=both)
    if draft.cause_l1 is None or _is_better(draft, best):
        return _update(
            draft,
            cause_l1=best.code,
            cause_l2=best.detail,
            cause_confidence=best.confidence,
            cause_runner_up=_runner_up(turn, second),
            cause_secondary=second or draft.cause_secondary or _other(draft.cause_l1, best.code),
        )
    if best.code == draft.cause_l1:
        confidence = max(draft.cause_confidence or 0.0, best.confidence)
        changes = {"cause_l2": draft.cause_l2 or best.detail, "cause_secondary": draft.cause_secondary or second}
        return _update(draft, cause_confidence=confidence, **changes)
    if best.code == "C99" or best.confidence < _UNSURE_CAUSE:
        return draft
    return _update(draft, cause_secondary=draft.cause_secondary or best.finest)


def _runner_up(turn: Turn, second: str | None) -> str | None:
    """The next guess of the ranking, when it is no second matter of its own and no mere possibility."""
    others = [it for it in turn.causes[1:] if it.finest != second and it.confidence >= _WORTH_A_LOOK]
    return others[0].finest if others else None


def _is_better(draft: TicketDraft, guess: CauseGuess) -> bool:
    known = draft.cause_confidence or 0.0
    hardly_told = len((draft.narrative_raw or "").split("\n")[0]) < _FEW_WORDS
    unsure = hardly_told or known < _UNSURE_CAUSE or draft.cause_l1 == "C99" or guess.confidence >= known + _MUCH_SURER
    return guess.code not in (draft.cause_l1, "C99") and unsure and guess.confidence >= _NEW_CAUSE


def _other(old: str | None, new: str) -> str | None:
    return old if old not in (None, "C99", new) else None


def _union(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _update(draft: TicketDraft, **changes: Any) -> TicketDraft:
    return draft.model_copy(update=changes)
