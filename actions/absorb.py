"""Takes what a message says into the draft: facts, cause, level. Pure; never asks and never speaks."""

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from actions.tracker import CauseGuess, Memory, Span, Turn
from contract.ticket import Request, TicketDraft

# A later message changes the main cause only when it is clearly about something else.
_NEW_CAUSE = 0.6
_UNSURE_CAUSE = 0.5
# Below it the words that weighed most for the level say nothing to a reader.
_HEATED = 2
# What the desk is shown as another possibility.
_WORTH_A_LOOK = 0.15

_FREE_TEXT = {"branch": "branch_name", "event_time": "event_time_text", "product": "product", "name": "name"}
_MAX_FREE_TEXT = 40
# A message with one of these answers the question about it, not the one that is open.
_ANSWERS_ELSE = frozenset({"branch", "time", "amount", "phone", "card_tail", "name", "product", "request"})
_OWN_TYPE = {"event_time": "time", "branch": "branch", "product": "product", "name": "name", "request": "request"}
_LIKE_A_NAME = re.compile(r"^(?!.*(?:时间|地点|提交|道歉|不|没|吗|要|了$))[\u4e00-\u9fffA-Za-z·\s]{1,8}$")
_PUT_RIGHT = re.compile(r"^(?:不对|不是|错了|写错|说错|更正|改成|改一下|應該是|应该是)")
_NO_STORY = frozenset({"skip", "ask_why", "greet", "thank"})


def absorb(memory: Memory, turn: Turn) -> Memory:
    """The memory after this message. What was said before is kept unless the customer corrects it."""
    overwrite = is_correction(turn) or memory.requested == "confirm"
    draft = _with_level(memory.draft, turn)
    draft = _with_facts(draft, turn, asked=memory.requested, overwrite=overwrite)
    if (
        turn.intent == "complain"
        or not draft.narrative_raw
        or (memory.requested == "narrative" and turn.intent not in _NO_STORY)
    ):
        draft = _with_grievance(draft, turn)
    return replace(memory, draft=draft)


def is_correction(turn: Turn) -> bool:
    """ "不对，是柳园支行": whatever the classifier thinks, the words say that something is put right."""
    return turn.intent == "correct" or (_PUT_RIGHT.match(turn.text.strip()) is not None and bool(turn.spans))


def answer_in_own_words(memory: Memory, turn: Turn) -> Memory:
    """Takes the message itself as the answer to the question asked, when nothing in it was recognised as one."""
    asked = memory.requested
    text = turn.text.strip()
    if asked is None or not text or len(text) > _MAX_FREE_TEXT:
        return memory
    if any(span.type in _ANSWERS_ELSE - {_OWN_TYPE.get(asked)} for span in turn.spans) or is_correction(turn):
        return memory
    if asked == "name" and not _LIKE_A_NAME.match(text):
        return memory
    draft = memory.draft
    if asked in _FREE_TEXT and getattr(draft, _FREE_TEXT[asked]) is None:
        draft = _update(draft, **{_FREE_TEXT[asked]: text})
    elif asked == "request" and draft.request is None:
        draft = _update(draft, request=Request.OTHER, customer_quote=text)
    return replace(memory, draft=draft)


def _with_level(draft: TicketDraft, turn: Turn) -> TicketDraft:
    """The peak never falls within a conversation (domain.md 6.3)."""
    peak = max(draft.level_peak, turn.level)
    reasons = draft.trigger_phrases
    if turn.level >= max(draft.level_peak, _HEATED):
        reasons = _union(reasons, turn.reasons[:3])
    return _update(draft, level=turn.level, level_peak=peak, trigger_phrases=reasons)


def _with_facts(draft: TicketDraft, turn: Turn, *, asked: str | None, overwrite: bool) -> TicketDraft:
    changes: dict[str, Any] = {}
    # "不是五百，是五百五": what is right comes last.
    said = replace(turn, spans=turn.spans[::-1]) if is_correction(turn) else turn
    for field, found in _facts(said).items():
        known = getattr(draft, next(iter(found))) is not None
        if not known or overwrite or asked == field:
            changes.update(found)
    tags = _union(draft.tags, tuple(str(span.best) for span in turn.all_spans("tag")))
    groups = _union(draft.special_group, tuple(str(span.best) for span in turn.all_spans("special_group")))
    return _update(draft, tags=tags, special_group=groups, **changes)


def _facts(turn: Turn) -> dict[str, dict[str, Any]]:
    """The facts of this message by the field that would ask for them."""
    facts: dict[str, dict[str, Any]] = {}
    if (branch := turn.branch) is not None:
        facts["branch"] = {"branch_name": branch.name, "branch": branch.code}
    if (moment := turn.span("time")) is not None:
        facts["event_time"] = {"event_time_text": moment.text, "event_time": moment.value}
    if (amount := _amount(turn.span("amount"))) is not None:
        facts["amount"] = {"amount": amount}
    if (wanted := turn.span("request")) is not None:
        facts["request"] = {"request": Request(wanted.best), "customer_quote": wanted.text}
    if (count := turn.span("representative_count")) is not None:
        facts["representative_count"] = {"representative_count": int(count.best)}
    for kind, name in (("phone", "phone"), ("name", "name"), ("product", "product"), ("person", "staff_described")):
        span = turn.span(kind)
        if span is not None:
            facts[name] = {name: str(span.value) if kind in ("phone", "name") and span.value else span.text}
    if (tail := turn.span("card_tail")) is not None:
        facts["card_tail"] = {"card_tail": str(tail.best)}
    return facts


def _amount(span: Span | None) -> str | None:
    if span is None:
        return None
    try:
        return str(Decimal(str(span.best)))
    except InvalidOperation:
        return None


def _with_grievance(draft: TicketDraft, turn: Turn) -> TicketDraft:
    narrative = turn.text if not draft.narrative_raw else f"{draft.narrative_raw}\n{turn.text}"
    draft = _update(draft, narrative_raw=narrative)
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
    return _update(draft, cause_secondary=draft.cause_secondary or best.finest)


def _runner_up(turn: Turn, second: str | None) -> str | None:
    """The next guess of the ranking, when it is no second matter of its own and no mere possibility."""
    others = [it for it in turn.causes[1:] if it.finest != second and it.confidence >= _WORTH_A_LOOK]
    return others[0].finest if others else None


def _is_better(draft: TicketDraft, guess: CauseGuess) -> bool:
    unsure = (draft.cause_confidence or 0.0) < _UNSURE_CAUSE or draft.cause_l1 == "C99"
    return guess.code != draft.cause_l1 and guess.code != "C99" and unsure and guess.confidence >= _NEW_CAUSE


def _other(old: str | None, new: str) -> str | None:
    return old if old not in (None, "C99", new) else None


def _union(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _update(draft: TicketDraft, **changes: Any) -> TicketDraft:
    return draft.model_copy(update=changes)
