"""Whose matter it is and of what kind: the cases of the law (3号令 art 2, 12, 14), told by the customer's words. Pure."""

import re
from typing import Any

from actions.explain import is_explained_to
from actions.fields import FOREIGN, JOINT
from actions.texts import whole_number
from actions.tracker import Turn
from contract.ticket import Nature, Request, TicketDraft

# "举报" in passing is a threat or a story; as the first word it is a tip-off.
_TIPS_OFF = re.compile(r"^\W*(?:你好|您好)?\W*(?:我|本人)?(?:要|想|来|想要|特来)?(?:实名|匿名)?(?:举报|检举|揭发|告发)")
_SUGGESTS_EARLY = 12
_MISCONDUCT = "C8"
_PAPERS = r"(?:委托书|授权书|授权|委托|关系证明|亲属证明|继承公证)"
_BROUGHT = re.compile(
    rf"{_PAPERS}[^，。]{{0,12}}(?:有|在手|带|齐|现成|盖|写好|签好|可以|随时|送|补)|(?:有|带|备)[^，。]{{0,8}}{_PAPERS}"
)
_LACKING = re.compile(rf"(?:没有?|还没|没写|没办)[^，。]{{0,6}}{_PAPERS}|{_PAPERS}[^，。]{{0,4}}(?:没有|没写|没办)")
_NO_PAPER = re.compile(r"没(?!问题|错)|无(?!误)|不(?:会|懂|知道|清楚)|写不了|拿不(?:到|出)")
_HAS_PAPER = re.compile(r"有|带|办|签|补|送|寄|写|提供|盖|出|开|可以|能|行|好|同意|现成|在")
_JOINT_AT_LEAST = 2
_HEATED = 2
_STORY, _EXPLANATION = 30, re.compile(r"解释|说法|理由|话术|这套")
_PEOPLE = re.compile(r"(\d{1,4}|[一二两三四五六七八九十百]+)(?:多|几|来)?个?(?:人|位|户|家)")
# `疑似代理` is for humans only; the service stays the same (domain.md 4.4).
_TAGS = {"agency": "疑似代理", "joint": JOINT, "foreign": FOREIGN}
# Who wants redress has a complaint, however politely it is put.
_REDRESS = frozenset({Request.REFUND, Request.COMPENSATION, Request.APOLOGY, Request.CORRECTION, Request.STAFF})


def with_case(draft: TicketDraft, turn: Turn, *, first: bool) -> TicketDraft:
    """The draft with what this message says about the person and the kind of the matter; `first`: it opens the matter."""
    cues = turn.cues
    changes: dict[str, Any] = {"nature": _nature(draft, turn, first=first)}
    if cues & {"agent", "heir", "kin"}:
        changes |= {"is_agent": True, "agent_kind": "heir" if "heir" in cues else draft.agent_kind or "agent"}
    if (draft.is_agent or changes.get("is_agent")) and draft.authorization is None:
        changes |= _told_paper(turn.text)
    if "anonymous" in cues and turn.intent != "inquire":
        changes["anonymous"] = True
    elif draft.anonymous and (turn.span("phone") or turn.span("name")):
        changes["anonymous"] = False
    if "corporate" in cues:
        changes["customer_type"] = "对公"
    tags = [tag for cue, tag in _TAGS.items() if cue in cues]
    if (draft.representative_count or 0) >= _JOINT_AT_LEAST:
        tags.append(JOINT)
    changes["tags"] = tuple(dict.fromkeys((*draft.tags, *tags)))
    if JOINT in changes["tags"] and draft.representative_count is None and (people := _PEOPLE.search(turn.text)):
        count = whole_number(people.group(1)) or 0
        changes["representative_count"] = count if count >= _JOINT_AT_LEAST else None
    if "callback" in cues:
        changes["callback_wanted"] = True
    if is_explained_to(draft.script_ids_used) and (answer := _answer_to_explanation(turn)):
        changes["accepted_explanation"] = answer
    return draft.model_copy(update=changes)


def _told_paper(text: str) -> dict[str, Any]:
    """What a story says about it by itself."""
    if _LACKING.search(text):
        return {"authorization": "none"}
    return {"authorization": "promised"} if _BROUGHT.search(text) else {}


def paper(text: str) -> dict[str, Any]:
    """The answer to our question for the authorisation; empty when it answers nothing."""
    if _NO_PAPER.search(text):
        return {"authorization": "none"}
    return {"authorization": "promised"} if _HAS_PAPER.search(text) else {}


def _nature(draft: TicketDraft, turn: Turn, *, first: bool) -> Nature:
    if "plain_complaint" in turn.cues:
        return Nature.COMPLAINT
    if draft.nature is Nature.TIP_OFF:
        return Nature.TIP_OFF
    anonymous = draft.anonymous or "anonymous" in turn.cues
    if draft.cause_l1 == _MISCONDUCT and ("tip_off" in turn.cues or anonymous):
        return Nature.TIP_OFF
    if "tip_off" in turn.cues and _TIPS_OFF.match(turn.text):
        return Nature.TIP_OFF
    if turn.intent == "complain" and not (first and _suggests(draft, turn)):
        # A suggestion that turns into anger is a complaint; one that is told in more detail stays one.
        calm = draft.nature is Nature.SUGGESTION and turn.level < _HEATED and draft.request not in _REDRESS
        return draft.nature if calm else Nature.COMPLAINT
    if first and turn.intent == "praise":
        return Nature.PRAISE
    if first and _suggests(draft, turn):
        return Nature.SUGGESTION
    return draft.nature


def _suggests(draft: TicketDraft, turn: Turn) -> bool:
    cue = next((span for span in turn.spans if span.type == "cue" and span.value == "suggestion"), None)
    if cue is None or turn.level > 1 or draft.request in _REDRESS:
        return False
    early = turn.text.find(cue.text.strip()) <= _SUGGESTS_EARLY
    return turn.level == 0 or early


def _answer_to_explanation(turn: Turn) -> str | None:
    """Only what is short, or names the explanation: "敷衍" in a story is what the teller did."""
    if len(turn.text) > _STORY and not _EXPLANATION.search(turn.text):
        return None
    if "rejects" in turn.cues:
        return "no"
    return "yes" if "accepts" in turn.cues else None
