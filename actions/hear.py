"""What a message in the form is: facts, an answer, or something else that wants a reaction first. Pure.

`listen` gives the memory after the message and the reaction; what is said next decides actions/next_step.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actions import fields, texts
from actions.absorb import absorb, is_correction
from actions.nature import paper
from actions.questions import asks_for_rights
from actions.tracker import Memory, Turn
from actions.wishes import wish_of
from contract.ticket import FieldSource, Request, TicketDraft

VERIFY = "verify:"
_FREE_TEXT = {"branch": "branch_name", "event_time": "event_time_text", "product": "product", "name": "name"}
_MAX_FREE_TEXT = 40
# A message with one of these answers the question about it, not the one that is open.
_ANSWERS_ELSE = frozenset({"branch", "time", "amount", "phone", "card_tail", "name", "product", "request"})
_OWN_TYPE = {"event_time": "time", "branch": "branch", "product": "product", "name": "name", "request": "request"}
_LIKE_A_NAME = re.compile(r"^(?!.*(?:时间|地点|提交|道歉|不|没|吗|要|了$))[\u4e00-\u9fffA-Za-z·\s]{1,8}$")
_COUNT = re.compile(
    r"(\d+|[一二两三四五六七八九十百]+)\s*(?:多|几|来)?(?:个|位|人|名|口|户|家)|^\s*(\d+|[一二两三四五六七八九十百]+)[。！!]?\s*$"
)
_TOGETHER = 2
_SOME_WORDS = 4
_TALK = frozenset({"greet", "thank", "chitchat", "praise", "bot_challenge", "out_of_scope", "goodbye"})
# Words that steer the form are short; in a story they mean something else.
_STEERING_CHARACTERS = 20
_RISK = 3
_TELLS = frozenset({"complain", "inform", "nlu_fallback"})
_STORY = 12
# What is a name where a name was asked for; whatever else is short and no sentence is taken as it stands.
_TITLE = r"(?:先生|女士|小姐|太太|同学|老板|会计|老师|师傅|经理|医生|大爷|大妈|大哥|大姐|工|总|生|姐|哥|叔|姨|嫂|婶)"
_CALL = r"(?:^|那就|就|请)(?:敬?称|叫|喊|称呼|写|填)?(?:我|成)?(?:叫)?"
_NAMES = (
    re.compile(r"^(?:我|俺)?(?:免贵|敝|鄙|本人)?姓([\u4e00-\u9fff])(?![\u4e00-\u9fff]*名)"),
    re.compile(rf"{_CALL}([\u4e00-\u9fff]{{1,3}}?{_TITLE})(?:就行|就可以|就好|好了|吧|即可)?(?:[。！!，,\s]|$)"),
    re.compile(rf"{_CALL}([老小阿大][\u4e00-\u9fff]{{1,2}}?)(?:就行|就可以|就好|吧|好了)?(?:[。！!，,\s]|$)"),
    re.compile(r"^(?![诶嗯啊哦喂哎唉呃噢好行对不没是有无烦])([\u4e00-\u9fff])(?:[（(，,\s].*)?$"),
    re.compile(r"是[\u4e00-\u9fff]{1,3}的([\u4e00-\u9fff])(?:[。！!，,\s]|$)"),
)
_SUM = re.compile(r"(?<!不)(?:是|为|成)\s*(\d+(?:\.\d{1,2})?)(?![\d万千百])")
_WHICH = re.compile(r"是[\u4e00-\u9fff]{1,3}的([\u4e00-\u9fff])|(?<!不)是(?:姓)?([\u4e00-\u9fff]{1,3})[。！!]?$")
_ALWAYS = re.compile(r"平时|每天|每次|每回|一直|经常|常年|天天|都这样|没有?固定|好多(?:次|回)|记不清|不记得|忘了")
_REFUSES = re.compile(
    r"不(?:想|愿意?|方便|便|用|肯|能)?(?:留|透露|报)|别(?:问|留|打)|不(?:想|愿意?|方便|便)?(?:说|给|讲)(?!我|你)|就不(?:说|给|讲)了|保密|没(?:有)?(?:电话|手机)(?!.*\d)"
)
# A story is no wish, nor is a question to us.
_TOLD = re.compile(r"^(?:我)?(?:要|还要)?投诉|不满意|已经|当时|一直|就是不|刚才|昨天|前天|我先|的时候")
_CLAUSES = re.compile(r"[，。！；,!;\s]+")
_ASKS_FOR = re.compile(
    r"^(?:那就?)?(?:能不能|能否|可不可以|请|要|希望|把|给|让|帮|别|不要|得|必须|应该|我要|我想|我就想|你们?(?:要|得|应该|必须|把|给))"
)
_WISH_CHARACTERS = 40
_NO_WISH = frozenset({"ask_why", "greet", "thank", "goodbye", "bot_challenge", "request_human"})
_NO_ANSWER = frozenset({"silence", "wait", "back", "foreign", "rejects", "accepts", "how_long", "returned"})
_QUESTION = re.compile(r"[?？]\s*$|[吗呢][。！!]?$|不会.{0,10}吧|^(?:请问|为什么|为啥|凭什么|(?:这个)?要?多久|几天)")
_OWN_WORDS = 0.7


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """What a message wants beside the next question: a line, a script, or another question than the missing one.

    `holds`: the question stays open and is not put again. `is_answer`: the message was meant as an answer to it.
    """

    line: str | None = None
    script: str | None = None
    opens: str | None = None
    holds: bool = False
    is_answer: bool = False


ANSWER = Reaction(is_answer=True)
_SKIPPED = frozenset({"utter_skipped", "utter_skipped_phone"})


def listen(before: Memory, turn: Turn) -> tuple[Memory, Reaction]:
    """The memory after this message, and what it was."""
    if _is_second_matter(before, turn):
        return replace(before, later=_later(before, turn), last_at=turn.now.isoformat()), Reaction(line="utter_later")
    asked = (before.requested or "").removeprefix(VERIFY) or None
    verifying = bool(before.requested and before.requested.startswith(VERIFY))
    now = absorb(replace(before, requested=asked), turn)
    if verifying and asked:
        now, settled = _verified(now, before, turn, asked)
        if settled:
            return now, Reaction()
    said = _said_plainly(now, before, turn, asked)
    reaction = ANSWER if said is not None else react(turn, replace(before, requested=asked), now)
    now = said or now
    if reaction.line == "utter_corrected" and (right := _put_right(turn)):
        now = replace(now, draft=_update(now.draft, **right))
    if asked and reaction.line in _SKIPPED:
        now = replace(now, skipped=now.skipped | {asked})
    if reaction.is_answer and asked not in (None, "confirm"):
        now = _with_answer(now, before, turn, asked or "")
    correcting = reaction.line == "utter_correct_how" or reaction.opens is not None
    return replace(now, correcting=correcting, last_at=turn.now.isoformat()), reaction


def _is_second_matter(before: Memory, turn: Turn) -> bool:
    """Another matter, told while the first is taken down: kept aside whole, so that neither blurs the other."""
    told = before.draft.narrative_raw is not None and before.requested != "narrative"
    return told and "second_matter" in turn.cues and turn.intent in _TELLS and len(turn.text) >= _STORY


def _later(before: Memory, turn: Turn) -> dict[str, Any]:
    """The other matter so far; a third one goes with the second, and is told apart by people."""
    alone = Memory(draft=TicketDraft.model_validate(dict(before.later or {})), requested=None, form_active=True)
    return absorb(alone, replace(turn, intent="complain")).draft.model_dump(mode="json", exclude_defaults=True)


def react(turn: Turn, before: Memory, now: Memory) -> Reaction:
    """The first that fits; ANSWER when the message is nothing else."""
    if before.draft.narrative_raw is None:
        return ANSWER
    learned = fields.facts(now.draft) != fields.facts(before.draft)
    steering = turn.cues if turn.intent != "complain" or len(turn.text) <= _STEERING_CHARACTERS else frozenset()
    if "foreign" in turn.cues:
        return Reaction(line="utter_foreign_more")
    if learned and (is_correction(turn) or before.correcting):
        return Reaction(line="utter_corrected")
    found = None
    if not learned:
        found = _steered(turn, before, steering) or _refused(turn, before) or _asked_back(turn, before, steering)
    return found or _talked(turn, before, now, learned=learned) or ANSWER


def _refused(turn: Turn, before: Memory) -> Reaction | None:
    """The customer does not want to say it."""
    refuses = before.requested in ("name", "phone") and _REFUSES.search(turn.text) is not None
    if before.requested is None or not (refuses or turn.intent in ("skip", "deny")):
        return None
    if before.requested == "confirm":
        return Reaction()
    return Reaction(line="utter_skipped_phone" if before.requested == "phone" else "utter_skipped")


def _steered(turn: Turn, before: Memory, cues: frozenset[str]) -> Reaction | None:
    """The customer wants another pace or another question."""
    if "silence" in cues and not texts.is_confirmation(turn.text):
        return Reaction(line="utter_silence")
    if "returned" in cues:
        return Reaction(line="utter_welcome_back")
    if "wait" in cues and turn.intent not in ("bot_challenge", "inquire", "ask_why"):
        return Reaction(line="utter_wait", holds=True)
    if "back" in cues and (field := _asked_before(before)) is not None:
        return Reaction(opens=field)
    if (field := turn.cue_field("change")) is not None and any(cue.startswith("change") for cue in cues):
        return Reaction(line="utter_corrected") if _put_right(turn) else Reaction(opens=field)
    if turn.intent == "correct" or "misspoke" in cues:
        return Reaction(line="utter_correct_how", holds=True)
    return None


def _asked_back(turn: Turn, before: Memory, cues: frozenset[str]) -> Reaction | None:
    """A question to us."""
    if "afraid" in cues:
        return Reaction(line="utter_no_effect")
    field = turn.cue_field("why")
    if turn.intent == "ask_why" or (field is not None and any(cue.startswith("why") for cue in cues)):
        return Reaction(line=f"utter_why_{field or before.requested or 'idle'}")
    if "anonymous" in turn.cues:
        return Reaction(script="X32")
    if "how_long" in cues and turn.intent != "complain":
        return Reaction(line="utter_how_long")
    if "what_next" in cues and turn.intent != "complain":
        return Reaction(line="utter_what_next")
    if asks_for_rights(turn.text) and len(turn.text) <= _MAX_FREE_TEXT:
        return Reaction(script="X27")
    if turn.intent in ("inquire", "query_progress") and before.requested != "narrative":
        return Reaction(line="answer")
    return None


def _talked(turn: Turn, before: Memory, now: Memory, *, learned: bool) -> Reaction | None:
    """Consent, refusal, small talk, more of the story."""
    if now.draft.accepted_explanation == "no" and before.draft.accepted_explanation != "no" and not learned:
        return Reaction(line="utter_not_accepted")
    if turn.intent == "withdraw" and turn.level >= _RISK:
        return Reaction(line="utter_left_open", holds=True)
    if "accepts" in turn.cues and not learned:
        return Reaction(line="utter_accepted")
    if turn.intent in _TALK and not learned:
        return Reaction(line=f"utter_{turn.intent}_in_form")
    more = now.draft.narrative_raw != before.draft.narrative_raw and before.requested != "narrative"
    answered = before.requested is not None and fields.is_known(now.draft, before.requested)
    if more and not answered and before.requested is not None:
        return Reaction(line="utter_heard_more", is_answer=not learned and before.requested != "confirm")
    return None


def _asked_before(memory: Memory) -> str | None:
    """The question before the open one."""
    earlier = [field for field in memory.asked if field != memory.requested]
    return earlier[-1] if earlier else None


def judged(memory: Memory, field: str, *, right: bool) -> Memory:
    """The answer to a closed question: yes makes the fact sure, no empties it."""
    sources = dict(memory.draft.sources)
    if right:
        sources[field] = FieldSource(source="said", confidence=1.0)
        return replace(memory, draft=_update(memory.draft, sources=sources))
    sources.pop(field, None)
    return replace(memory, draft=_update(memory.draft, sources=sources, **dict.fromkeys(fields.stored_in(field))))


def _verified(now: Memory, before: Memory, turn: Turn, field: str) -> tuple[Memory, bool]:
    """Whether the message settles the closed question; another fact replaces the doubtful one by itself."""
    if now.draft.sources.get(field) != before.draft.sources.get(field):
        return now, False
    if turn.intent == "affirm" or texts.is_confirmation(turn.text):
        return judged(now, field, right=True), True
    if turn.intent in ("deny", "correct"):
        return judged(now, field, right=False), True
    return now, False


def _with_answer(now: Memory, before: Memory, turn: Turn, asked: str) -> Memory:
    """Takes the message as the answer to the question asked; counts the attempt when it is none."""
    told_else = fields.facts(now.draft) != fields.facts(before.draft)
    if not fields.is_known(now.draft, asked) and turn.intent not in ("complain", "inquire") and not told_else:
        now = _in_own_words(now, turn, asked)
    elif before.correcting and not told_else:
        now = _in_own_words(
            replace(now, draft=_update(now.draft, **dict.fromkeys(fields.stored_in(asked)))), turn, asked
        )
        now = now if fields.is_known(now.draft, asked) else replace(now, draft=before.draft)
    if fields.is_known(now.draft, asked) or told_else:
        return now
    if asked == "request" and now.tries.get(asked) and len(turn.text.strip()) >= _SOME_WORDS:
        # What is wanted cannot be misunderstood twice: the words themselves are kept.
        return _answered(now, asked, {"request": Request.OTHER, "customer_quote": turn.text.strip()[:_MAX_FREE_TEXT]})
    return replace(now, tries={**now.tries, asked: now.tries.get(asked, 0) + 1})


def _said_plainly(now: Memory, before: Memory, turn: Turn, asked: str | None) -> Memory | None:
    """An answer that the question makes plain, whatever the words would mean elsewhere: "小乔" to "怎么称呼您"."""
    text = turn.text.strip()
    if asked is None or (is_correction(turn) and asked != "request") or len(text) > _MAX_FREE_TEXT:
        return None
    changes: Mapping[str, Any] = {}
    match asked:
        case "name" if now.draft.name == before.draft.name and turn.intent not in _NO_WISH:
            changes = _name(text)
        case "request" if now.draft.customer_quote == before.draft.customer_quote and _is_wish(turn):
            changes = {"request": wish_of(text) or Request.OTHER, "customer_quote": text}
        case "event_time" if (
            now.draft.event_time is None and now.draft.event_time_text is None and _ALWAYS.search(text)
        ):
            changes = {"event_time_text": text}
        case "authorization":
            changes = paper(text)
        case "representative_count" if now.draft.representative_count == before.draft.representative_count:
            changes = _people(text)
    return _answered(now, asked, changes) if changes else None


def _name(text: str) -> Mapping[str, Any]:
    matches = (pattern.search(text) for pattern in _NAMES)
    return next(({"name": match.group(1)} for match in matches if match), {})


def _put_right(turn: Turn) -> Mapping[str, Any]:
    """What an order to change brings along: "金额错了，是55", "姓写错了，是生姜的姜"."""
    match turn.cue_field("change"):
        case "name":
            match = _WHICH.search(turn.text.strip())
            return {"name": match.group(1) or match.group(2)} if match else {}
        case "amount" if found := _SUM.search(turn.text):
            return {"amount": found.group(1)}
    return {}


def _people(text: str) -> Mapping[str, Any]:
    match = _COUNT.search(text)
    count = texts.whole_number(next(it for it in match.groups() if it)) if match else None
    return {"representative_count": count} if count is not None and count >= _TOGETHER else {}


def _is_wish(turn: Turn) -> bool:
    if turn.intent in _NO_WISH or turn.cues & _NO_ANSWER or turn.span("phone"):
        return False
    if _TOLD.search(turn.text) or _QUESTION.search(turn.text) or len(turn.text) > _WISH_CHARACTERS:
        return False
    if turn.intent in ("skip", "deny"):
        return wish_of(turn.text) is not None
    asks = any(_ASKS_FOR.match(clause) for clause in _CLAUSES.split(turn.text))
    return asks or wish_of(turn.text) is not None


def _in_own_words(memory: Memory, turn: Turn, asked: str) -> Memory:
    text = turn.text.strip()
    if not text or len(text) > _MAX_FREE_TEXT or is_correction(turn) or turn.intent == "nlu_fallback":
        return memory
    if any(span.type in _ANSWERS_ELSE - {_OWN_TYPE.get(asked)} for span in turn.spans):
        return memory
    if asked == "name" and not _LIKE_A_NAME.match(text):
        return memory
    if asked in _FREE_TEXT and getattr(memory.draft, _FREE_TEXT[asked]) is None:
        return _answered(memory, asked, {_FREE_TEXT[asked]: text})
    if asked == "request" and memory.draft.request is None:
        return _answered(memory, asked, {"request": wish_of(text) or Request.OTHER, "customer_quote": text})
    return memory


def _answered(memory: Memory, asked: str, changes: Mapping[str, Any]) -> Memory:
    sources = {**memory.draft.sources, asked: FieldSource(source="said", confidence=_OWN_WORDS)}
    return replace(memory, draft=_update(memory.draft, sources=sources, **changes))


def pause(memory: Memory, turn: Turn) -> float:
    """Minutes since the customer's last message in the form; 0 for the first."""
    if memory.last_at is None:
        return 0.0
    return (turn.now - datetime.fromisoformat(memory.last_at)).total_seconds() / 60


def _update(draft: TicketDraft, **changes: Any) -> TicketDraft:
    return draft.model_copy(update=changes)
