"""What a message says goes into the draft: the cause, how sure it is, and what else it might be."""

from datetime import UTC, datetime

import pytest
from rasa_sdk import Tracker

from actions.absorb import absorb
from actions.intake import IntakeTurn
from actions.tracker import CauseGuess, Memory, Turn, read_turn
from actions.voice import Voice
from contract.playbook import Playbook
from contract.ticket import TicketDraft

STORY = "柜台和客服讲的不一样，最后还多收了我钱"


def turn(*causes: CauseGuess, level: int = 1, choice: str | None = None) -> Turn:
    return Turn(
        text=STORY, intent="complain", intent_confidence=0.9, causes=causes, level=level, reasons=(), spans=(), choice=choice,
        conversation_id="c1", channel="web", now=datetime(2026, 11, 25, 10, tzinfo=UTC), human_available=True, branches_version=0,
    )  # fmt: skip


def memory() -> Memory:
    return Memory(draft=TicketDraft(), requested=None, form_active=True)


class Spoken:
    """What Voice writes to: keeps the responses and their buttons."""

    def __init__(self) -> None:
        self.said: list[dict[str, object]] = []

    def utter_message(self, **parts: object) -> None:
        self.said.append(parts)


def test_the_runner_up_is_kept_while_it_is_likely() -> None:
    likely = turn(CauseGuess(code="C2", confidence=0.5, detail="C2a"), CauseGuess(code="C10", confidence=0.3))

    assert absorb(memory(), likely).draft.cause_runner_up == "C10"


def test_a_mere_possibility_is_no_runner_up() -> None:
    sure = turn(CauseGuess(code="C2", confidence=0.9), CauseGuess(code="C10", confidence=0.08))

    assert absorb(memory(), sure).draft.cause_runner_up is None


def test_what_is_likelier_no_complaint_has_no_cause() -> None:
    ranking = [{"code": "none", "confidence": 0.7}, {"code": "C1", "confidence": 0.2}]
    message = {"text": "好的", "metadata": {"now": "2026-11-25T10:00:00+08:00"}, "understanding": {"cause": ranking}}

    assert read_turn(Tracker("c1", {}, message, [], False, None, {}, "x")).causes == ()


@pytest.mark.parametrize(("confidence", "asks"), [(0.4, True), (0.6, False)])
def test_below_a_confidence_one_clarifying_question_with_few_choices(
    playbook: Playbook, confidence: float, asks: bool
) -> None:
    spoken = Spoken()
    unsure = turn(
        CauseGuess(code="C2", confidence=confidence),
        CauseGuess(code="C10", confidence=0.3),
        CauseGuess(code="C99", confidence=0.1),
    )

    after = IntakeTurn(unsure, memory(), Voice(spoken), playbook, {}).play()

    assert after.clarified is asks
    assert ("'utter_ask_cause'" in repr(spoken.said)) is asks
    if asks:
        assert all(f"cause:{code}" in repr(spoken.said) for code in ("C2", "C10"))


def test_the_choice_settles_the_cause(playbook: Playbook) -> None:
    before = Memory(
        draft=TicketDraft(narrative_raw=STORY, cause_l1="C2", cause_confidence=0.4, cause_runner_up="C10"),
        requested="narrative", form_active=True, clarified=True,
    )  # fmt: skip

    after = IntakeTurn(turn(choice="cause:C10b"), before, Voice(Spoken()), playbook, {}).play()

    assert (after.draft.cause_l1, after.draft.cause_l2, after.draft.cause_confidence) == ("C10", "C10b", 1.0)
    assert after.draft.cause_runner_up is None
