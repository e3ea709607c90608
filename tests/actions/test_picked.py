"""A picked button does what its payload says, and nothing else."""

from dataclasses import replace

import pytest

from actions import picked
from actions.picked import pick
from actions.tracker import Memory
from contract.playbook import Playbook
from contract.ticket import Request
from tests.actions.parts import UNSURE, memory, story, whole

OPEN = memory(whole(), "confirm", asked=("phone",))


@pytest.mark.parametrize(
    ("before", "payload"),
    [
        (OPEN, "nonsense"),
        (OPEN, ""),
        (OPEN, "field:password"),
        (OPEN, "request:赔一百万"),
        (OPEN, "authorization:maybe"),
        (OPEN, "right:yes"),  # no closed question is open
        (OPEN, "start:complaint"),
        # The read-back is gone: an old button must not file.
        (memory(whole(), "phone"), "confirm:yes"),
        (memory(story(), "branch"), "confirm:yes"),
        (memory(), "confirm:yes"),
    ],
)
def test_what_means_nothing_now_changes_nothing(before: Memory, payload: str, playbook: Playbook) -> None:
    assert pick(before, payload, playbook, text="") == picked.Picked(memory=before)


def test_yes_files(playbook: Playbook) -> None:
    found = pick(OPEN, "confirm:yes", playbook, text="确认提交")
    assert found.ends
    assert found.memory == replace(OPEN, requested=None, asked=("phone", picked.CONFIRMED))


def test_no_leaves_the_form_and_files_nothing(playbook: Playbook) -> None:
    found = pick(OPEN, "confirm:no", playbook, text="先不提交")
    assert (found.ends, found.line, found.memory.requested) == (True, "utter_not_filed", None)
    assert picked.CONFIRMED not in found.memory.asked
    assert found.memory.draft == OPEN.draft


def test_every_line_of_the_read_back_can_be_changed(playbook: Playbook) -> None:
    found = pick(OPEN, "confirm:change", playbook, text="改一下")
    assert (found.line, found.asks, found.ends, found.memory) == ("utter_change_which", "confirm", False, OPEN)
    payloads = [choice.payload for choice in found.choices]
    assert payloads == [
        f"field:{it}" for it in ("narrative", "cause", "branch", "event_time", "request", "name", "phone")
    ]
    for payload in payloads:
        opened = pick(OPEN, payload, playbook, text="")
        field = payload.removeprefix("field:")
        assert (opened.opens, opened.memory.requested, opened.memory.correcting) == (field, field, True)


def test_a_wish_is_kept_in_the_customers_words(playbook: Playbook) -> None:
    draft = pick(memory(story(), "request"), "request:退费", playbook, text="退钱").memory.draft
    assert (draft.request, draft.customer_quote) == (Request.REFUND, "退钱")


@pytest.mark.parametrize("answer", ["promised", "none"])
def test_the_authorisation(answer: str, playbook: Playbook) -> None:
    assert (
        pick(memory(story(), "authorization"), f"authorization:{answer}", playbook, text="").memory.draft.authorization
        == answer
    )


@pytest.mark.parametrize(("payload", "branch", "sure"), [("right:no", None, None), ("right:yes", "B1", 1.0)])
def test_the_closed_question(payload: str, branch: str | None, sure: float | None, playbook: Playbook) -> None:
    doubtful = memory(whole(sources={"branch": UNSURE}), "verify:branch")
    draft = pick(doubtful, payload, playbook, text="").memory.draft
    source = draft.sources.get("branch")
    assert (draft.branch, source.confidence if source else None) == (branch, sure)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("C77", ("C5", "C5a", 0.4, "C7")),  # no such cause
        ("C7", ("C7", None, 1.0, None)),
        ("C10b", ("C10", "C10b", 1.0, None)),
        ("C99", ("C99", None, 1.0, None)),
    ],
)
def test_the_choice_settles_the_cause(code: str, found: tuple[object, ...], playbook: Playbook) -> None:
    before = memory(story(cause_confidence=0.4, cause_runner_up="C7"), "cause")
    draft = pick(before, f"cause:{code}", playbook, text="").memory.draft
    assert (draft.cause_l1, draft.cause_l2, draft.cause_confidence, draft.cause_runner_up) == found


def test_a_human(playbook: Playbook) -> None:
    found = pick(memory(story(), "branch"), "human:yes", playbook, text="转人工")
    assert found.wants_human
    assert found.memory.human_offered
    assert found.memory.draft.callback_wanted
    assert found.memory.requested == "branch"


def test_rather_no_human(playbook: Playbook) -> None:
    found = pick(OPEN, "human:no", playbook, text="继续登记")
    assert (found.wants_human, found.line, found.memory) == (False, "utter_go_on", OPEN)
