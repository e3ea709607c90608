"""Rasa's dictionaries become types, and types become slot events; a round trip loses nothing."""

from dataclasses import replace

import pytest
from rasa_sdk import Tracker

from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from contract.ticket import FieldSource, TicketDraft
from tests.actions.parts import NOW, at, cue, guess, memory, say, slots_of, span, story, tracker, whole

EMPTY = Memory(draft=TicketDraft(), requested=None, form_active=False)


class TestTurn:
    def test_a_picked_button_reads_as_empty_words(self) -> None:
        message = {"metadata": {"now": NOW.isoformat(), "choice": "confirm:yes"}}
        turn = read_turn(Tracker("c1", {}, message, [], False, None, {}, "x"))
        assert (turn.choice, turn.text, turn.intent, turn.causes, turn.level, turn.spans) == (
            "confirm:yes",
            "",
            "",
            (),
            0,
            (),
        )
        assert (turn.conversation_id, turn.channel, turn.human_available) == ("c1", "web", False)

    def test_everything_understood_is_read(self) -> None:
        turn = say(
            "在城东", "complain", at("B1", "城东支行"), cue("agent"), causes=(guess("C5a"),), level=2, channel="wechat"
        )
        assert read_turn(tracker(turn)) == replace(turn, branches_version=0)

    @pytest.mark.parametrize(
        ("told", "found"),
        [
            (at(None, "菜市场那家"), (None, "菜市场那家", False)),
            (at("B1", "城东支行"), ("B1", "城东支行", False)),
            (at("B1", "城东支行", alike=True), ("B1", "城东支行", True)),
        ],
    )
    def test_a_branch(self, told: object, found: tuple[str | None, str, bool]) -> None:
        branch = say("在城东", "inform", told).branch  # type: ignore[arg-type]
        assert branch is not None
        assert (branch.code, branch.name, branch.alike) == found

    @pytest.mark.parametrize(
        ("message", "field"),
        [
            (say("嗯"), None),
            (say("改一下", "inform", cue("change")), None),
            (say("改金额", "inform", cue("change:amount")), "amount"),
        ],
    )
    def test_the_field_of_a_cue(self, message: Turn, field: str | None) -> None:
        assert message.cue_field("change") == field

    def test_words_that_are_no_cue(self) -> None:
        assert say("嗯", "inform", span("tag", "曝光", "舆情")).cues == frozenset()


class TestMemory:
    def test_empty_slots_are_an_empty_memory(self) -> None:
        assert read_memory(Tracker("c1", {}, {}, [], False, None, {}, "x")) == EMPTY

    def test_a_round_trip(self) -> None:
        kept = memory(
            whole(sources={"branch": FieldSource(source="said", confidence=0.5)}, explanation_levels={"X02@1": 1}, tags=("舆情",)),
            "branch", form_run=2, tries={"branch": 1}, skipped=frozenset({"amount"}), asked=("branch", "branch"),
            told=frozenset({"X02", "verify:branch"}), correcting=True, human_offered=True, rights_told=True, clarified=True,
            last_at=NOW.isoformat(), later={"narrative_raw": "另一件"}, ticket_no="TS1", ticket_cause="C5", ticket_branch="B1",
            ticket_phone_tail="<PHONE_1>",
        )  # fmt: skip
        assert read_memory(tracker(say("嗯"), kept)) == kept

    @pytest.mark.parametrize(
        ("after", "changed"),
        [
            (EMPTY, {}),
            # The slot `level` belongs to the message.
            (replace(EMPTY, draft=TicketDraft(level=2)), {}),
            (replace(EMPTY, draft=TicketDraft(level_peak=2)), {"level_peak": 2}),
            (replace(EMPTY, told=frozenset({"b", "a"})), {"told": ["a", "b"]}),
            (replace(EMPTY, asked=("branch",)), {"asked": ["branch"]}),
            (replace(EMPTY, draft=TicketDraft(tags=("舆情",))), {"tags": ["舆情"]}),
        ],
    )
    def test_only_what_changed_is_said(self, after: Memory, changed: dict[str, object]) -> None:
        assert slots_of(memory_events(EMPTY, after)) == {"requested_slot": None} | changed

    def test_what_is_taken_away_is_said(self) -> None:
        before, after = memory(story(amount="300"), later={"a": "b"}), memory(story())
        assert slots_of(memory_events(before, after)) == {"amount": None, "later": None, "requested_slot": None}
