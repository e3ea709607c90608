"""What the assistant does next: one pure function of what was known, what is known now, and the message.

Draft, understanding and policy in; steps out, in the order in which the customer hears them. The form, the rules and the
policies around it only carry them out. The method is domain.md 4.1: acknowledge, then collect, then explain, then offer.
"""

from dataclasses import dataclass
from typing import Literal

from actions import fields
from actions.explain import MAX_LEVEL, is_explained_to
from actions.hear import VERIFY, Reaction, pause
from actions.questions import names_authority
from actions.tracker import Memory, Turn
from contract.playbook import Playbook
from contract.ticket import Nature, TicketDraft

Kind = Literal[
    "say",  # a line of bot/domain/responses.yml
    "answer",  # the question that was put to us
    "script",  # an explanation of the playbook
    "fact",  # its fact alone, at a heated moment
    "human",  # a human is offered, with the choice to go on
    "human_short",  # in half a sentence
    "ask",
    "ask_again",  # in other words
    "verify",  # a closed question about a fact that is not sure
    "clarify",  # a closed question about the cause
    "confirm",  # the read-back
    "hint",  # the read-back is still open
    "hold",  # the question stays open and is not put again
]

# Below this the first place of the ranking is asked about instead of believed.
CLARIFY_BELOW = 0.45
_RISK = 3
# Fewer are no facts yet that an explanation could answer.
_STORY_CHARACTERS = 12
_LONG_PAUSE = 30  # minutes
_WELCOME = "utter_welcome_back"
RIGHTS = "X27"
# In `told`: the cause was asked about.
CLARIFIED = "clarified"
# Cases of the law and what is said about them, once each; the scripts are the playbook's.
_NOTES = {
    Nature.TIP_OFF: "X22",
    Nature.PRAISE: "utter_note_praise",
    Nature.SUGGESTION: "utter_note_suggestion",
}


@dataclass(frozen=True)
class Step:
    """One thing to do; `what` is the response, the script or the field."""

    kind: Kind
    what: str = ""


def next_steps(
    turn: Turn, before: Memory, now: Memory, reaction: Reaction, *, playbook: Playbook, explanation: str | None
) -> tuple[Step, ...]:
    """Everything to do after this message. `explanation` is the script that the facts call for, when there is one."""
    steps = [*_opening(turn, before, now, reaction), *_reply(reaction), *_notes(now, before, reaction)]
    steps += _care(turn, now, reaction)
    if reaction.holds:
        return (*steps, Step("hold"))
    if reaction.opens is not None:
        return (*steps, Step("ask", reaction.opens))
    if explanation is not None and is_explained(turn, now):
        steps.append(Step("fact" if now.draft.level_peak == MAX_LEVEL else "script", explanation))
    return (*steps, _question(turn, before, now, playbook))


def is_explained(turn: Turn, now: Memory) -> bool:
    """Whether an explanation may be given: not in the heat, not on a guess, not to who has called the last one an excuse."""
    draft = now.draft
    heard = len(draft.narrative_raw or "") >= _STORY_CHARACTERS
    # At level 2 at most one, however calm the customer has become since.
    enough = draft.level_peak == MAX_LEVEL and is_explained_to(draft.script_ids_used)
    sure = heard and (draft.cause_confidence or 0.0) >= CLARIFY_BELOW
    wanted = draft.accepted_explanation != "no" and not enough
    return draft.level_peak <= MAX_LEVEL and sure and wanted and _is_complaint(draft)


def _opening(turn: Turn, before: Memory, now: Memory, reaction: Reaction) -> list[Step]:
    """The first words show that somebody listens; after a long silence, that nothing is forgotten."""
    if before.draft.narrative_raw is None and now.draft.narrative_raw is not None:
        if fields.FOREIGN in now.draft.tags:
            return [Step("say", "utter_foreign")]
        return [Step("script", "X00")] if now.draft.nature in (Nature.COMPLAINT, Nature.TIP_OFF) else []
    away = pause(before, turn) > _LONG_PAUSE and reaction.line != _WELCOME
    return [Step("say", _WELCOME)] if away else []


def _reply(reaction: Reaction) -> list[Step]:
    if reaction.script is not None:
        return [Step("script", reaction.script)]
    if reaction.line == "answer":
        return [Step("answer")]
    return [Step("say", reaction.line)] if reaction.line is not None else []


def _notes(now: Memory, before: Memory, reaction: Reaction) -> list[Step]:
    """What the law gives to this kind of matter, said once."""
    draft, notes = now.draft, []
    if (note := _NOTES.get(draft.nature)) is not None:
        notes.append(note)
    if draft.is_agent and draft.nature is Nature.COMPLAINT:
        notes.append("utter_note_heir" if draft.agent_kind == "heir" else "utter_note_agent")
    if fields.JOINT in draft.tags:
        notes.append("X28")
    if draft.anonymous and not before.draft.anonymous:
        notes.append("X32")
    fresh = [note for note in notes if note not in now.told and note != reaction.script]
    return [Step("script" if note.startswith("X") else "say", note) for note in fresh]


def _care(turn: Turn, now: Memory, reaction: Reaction) -> list[Step]:
    """Level 3: rights and a human, once. Level 2: a human, once."""
    if (
        turn.level >= _RISK
        and not now.rights_told
        and now.draft.nature is Nature.TIP_OFF
        and not names_authority(turn.text)
    ):
        # "举报" is what they do, no threat.
        return [] if now.human_offered else [Step("human_short")]
    if turn.level >= _RISK and not now.rights_told:
        rights = [] if reaction.script == RIGHTS else [Step("script", RIGHTS)]
        return [*rights, Step("human")]
    if (turn.level == MAX_LEVEL or fields.FOREIGN in now.draft.tags) and not now.human_offered:
        return [Step("human_short")]
    return []


def _question(turn: Turn, before: Memory, now: Memory, playbook: Playbook) -> Step:
    if _is_unclear(turn, now):
        return Step("clarify")
    if (doubtful := fields.to_verify(now.draft, now.told, now.skipped)) is not None:
        return Step("verify", doubtful)
    field = fields.next_field(now.draft, playbook=playbook, skipped=now.skipped, tries=now.tries, asked=now.asked)
    if field != "confirm":
        return Step("ask_again" if field in now.asked else "ask", field)
    unchanged = fields.facts(before.draft) == fields.facts(now.draft) and before.requested == "confirm"
    return Step("hint" if unchanged else "confirm")


def _is_unclear(turn: Turn, now: Memory) -> bool:
    unsure = bool(turn.causes) and (now.draft.cause_confidence or 0.0) < CLARIFY_BELOW
    told = not fields.is_vague(now.draft.narrative_raw or "")
    return unsure and told and CLARIFIED not in now.told and turn.level < _RISK and _is_complaint(now.draft)


def _is_complaint(draft: TicketDraft) -> bool:
    return draft.nature is Nature.COMPLAINT and fields.FOREIGN not in draft.tags


def requested_after(step: Step) -> str | None:
    """The slot that says which question is open after this step."""
    match step.kind:
        case "ask" | "ask_again":
            return step.what
        case "verify":
            return VERIFY + step.what
        case "clarify":
            return "cause"
        case "confirm" | "hint":
            return "confirm"
        case _:
            return None
