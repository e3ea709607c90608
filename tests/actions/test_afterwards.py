"""After filing: what belongs to the ticket is added to it, what does not starts a form of its own."""

from dataclasses import replace
from typing import Any

import pytest

from actions.afterwards import ActionSupplement, is_another_matter
from actions.bridge import FiledTicket
from actions.submit import after_filing
from actions.tracker import Memory, Span, Turn
from contract.playbook import Playbook
from tests.actions.parts import (
    NOW,
    TICKET,
    FakeBridge,
    Spoken,
    at,
    cue,
    follows,
    guess,
    memory,
    progress,
    receipt,
    say,
    slots_of,
    span,
    tracker,
    whole,
)

# A complaint about the handover at B1 was filed a moment ago.
FILED = replace(after_filing(memory(whole()), receipt()), form_active=False)
HERE, THERE = at("B1", "城东支行"), at("B4", "柳园支行")
WHEN = span("time", "前天", "2026-11-23")
OTHER = (guess("C10a", 0.6),)
KEY = f"c1:{TICKET}:{NOW.isoformat()}"


async def supplement(
    playbook: Playbook, turn: Turn, bridge: FakeBridge, known: Memory = FILED
) -> tuple[Spoken, list[Any]]:
    spoken = Spoken()
    return spoken, await ActionSupplement(bridge, playbook).run(spoken, tracker(turn, known), {})


class TestAnotherMatter:
    @pytest.mark.parametrize(
        "message",
        [
            say("那天他还骂了我", "complain"),
            say("那天他还骂了我", "complain", HERE),
            say("还多扣了我钱", "complain", causes=OTHER),  # one more detail of the same visit
            say("前天还多扣了我钱", "complain", WHEN, causes=(guess("C10a", 0.59),)),
            say("前天又停办了", "complain", WHEN, causes=(guess("C5b"),)),
            say("前天还这样", "complain", WHEN, causes=(guess("C99"),)),
            say("忘了说，前天还多扣了我钱", "complain", WHEN, cue("addition"), causes=OTHER),
            say("补充一下，柳园支行也这样", "complain", THERE, cue("addition")),
            say("柳园支行那天的录音我找到了", "complain", THERE, cue("evidence")),
            say("柳园支行", "inform", THERE),
        ],
    )
    def test_is_the_same(self, message: Turn) -> None:
        assert not is_another_matter(message, FILED)

    @pytest.mark.parametrize(
        "message",
        [
            say("还有另一件事", "inform", cue("second_matter")),
            say("柳园支行的人也骂我", "complain", THERE),
            say("前天还多扣了我钱", "complain", WHEN, causes=OTHER),
            say("城东支行还多扣了我钱", "complain", HERE, causes=OTHER),
            say("你们的信用卡年费也是乱扣一通从来没有人跟我讲过要收费", "complain", causes=OTHER),
        ],
    )
    def test_is_another(self, message: Turn) -> None:
        assert is_another_matter(message, FILED)

    def test_a_ticket_without_a_place_is_told_apart_by_its_cause(self) -> None:
        nowhere = replace(FILED, ticket_branch=None)
        assert not is_another_matter(say("柳园支行的人也这样", "complain", THERE), nowhere)

    @pytest.mark.parametrize(
        ("message", "known"),
        [
            (say("还有另一件事", "inform", cue("second_matter")), FILED),
            (say("太差了", "complain"), replace(FILED, ticket_no=None)),
        ],
    )
    async def test_starts_a_form_and_says_nothing(self, message: Turn, known: Memory, playbook: Playbook) -> None:
        spoken, events = await supplement(playbook, message, bridge := FakeBridge(), known)
        assert (spoken.said, bridge.events, follows(events)) == ([], [], ["complaint_form"])

    async def test_a_ticket_that_takes_no_more_words_starts_a_form(self, playbook: Playbook) -> None:
        bridge = FakeBridge(refused={"comment"})
        spoken, events = await supplement(playbook, say("他还骂人", "complain"), bridge)
        assert (spoken.lines, follows(events)) == ([], ["complaint_form"])


class TestWords:
    @pytest.mark.parametrize(
        ("message", "event"),
        [
            (say("他还骂人", "complain"), {}),
            (say("下午三点给我回电话", "inform", cue("callback"), span("time", "下午三点", "2026-11-25T15:00")), {"callback": True}),
            (say("我找到录音了", "inform", cue("evidence")), {"evidence": True}),
            (say("电话<PHONE_1>", "inform", span("phone", "<PHONE_1>", "<PHONE_1>")), {}),  # no fact of the matter
            (
                say("前天在城东也是，扣了三百", "inform", WHEN, HERE, span("amount", "三百", "300")),
                {
                    "facts": {
                        "branch": "B1", "branch_name": "城东支行", "event_time": "2026-11-23", "event_time_text": "前天",
                        "amount": "300",
                    }
                },
            ),
            (say("就那阵子", "inform", span("time", "那阵子")), {"facts": {"event_time_text": "那阵子"}}),
            (
                say("找到录音了，给我回电话", "inform", cue("evidence"), cue("callback")),
                {"evidence": True, "callback": True},
            ),
            (say("我要道歉", "inform", span("request", "道歉", "道歉")), {"facts": {"request": "道歉"}}),
            (say("再不管我就找记者", "complain", level=3), {"level": 3}),
        ],
    )  # fmt: skip
    async def test_are_added_with_their_facts(self, message: Turn, event: dict[str, Any], playbook: Playbook) -> None:
        await supplement(playbook, message, bridge := FakeBridge())
        assert bridge.events == [
            (TICKET, {"type": "comment", "text": message.text, "from_customer": True} | event, KEY)
        ]

    @pytest.mark.parametrize(
        ("spans", "added", "line"),
        [
            ((), {}, "utter_supplemented"),
            ((cue("callback"),), {}, "utter_callback_noted"),
            ((cue("evidence"),), {}, "utter_evidence_noted"),
            # On the first day the time has only just begun.
            ((cue("evidence"),), {"clock_restarted": True, "days": 1}, "utter_evidence_noted"),
            ((), {"clock_restarted": True, "due_at": None}, "utter_supplemented"),
            ((cue("evidence"),), {"clock_restarted": True}, "utter_restarted"),
        ],
    )
    async def test_the_customer_is_told_what_became_of_them(
        self, spans: tuple[Span, ...], added: dict[str, Any], line: str, playbook: Playbook
    ) -> None:
        bridge = FakeBridge(added=progress(**added))
        spoken, _ = await supplement(playbook, say("还有", "inform", *spans), bridge)
        assert spoken.lines == [line]
        assert spoken.line(line)["ticket_no"] == TICKET

    async def test_new_facts_restart_the_clock_and_the_date_is_said(self, playbook: Playbook) -> None:
        bridge = FakeBridge(added=progress(clock_restarted=True))
        spoken, _ = await supplement(playbook, say("还扣了三百", "inform", span("amount", "三百", "300")), bridge)
        assert spoken.line("utter_restarted")["next_date"] == "2026年12月10日前"

    @pytest.mark.parametrize(("level", "peak"), [(1, None), (3, 3)])
    async def test_the_peak_rises_and_never_falls(self, level: int, peak: int | None, playbook: Playbook) -> None:
        known = replace(FILED, draft=FILED.draft.model_copy(update={"level_peak": 2}))
        _, events = await supplement(playbook, say("还有", "inform", level=level), FakeBridge(), known)
        assert slots_of(events).get("level_peak") == peak

    async def test_nothing_of_a_draft_is_started(self, playbook: Playbook) -> None:
        _, events = await supplement(playbook, say("前天在城东", "complain", WHEN, HERE), FakeBridge())
        assert slots_of(events) == {"requested_slot": None}


class TestToldAgain:
    AGAIN = say("我还是要投诉那件事，柜员骂我", "complain", cue("again"), causes=(guess("C2a"),))

    @pytest.mark.parametrize(
        ("answer", "line"),
        [
            (receipt(merged=True), "utter_merged"),
            (receipt(merged=True, clock_restarted=True), "utter_merged_restarted"),
            (receipt(ticket_no="TS2"), "utter_filed"),  # the old one had ended
        ],
    )
    async def test_is_filed_and_counts_from_then_on(self, answer: FiledTicket, line: str, playbook: Playbook) -> None:
        spoken, events = await supplement(playbook, self.AGAIN, bridge := FakeBridge(filed=answer))
        ((ticket, key),) = bridge.tickets
        assert (ticket.cause_l1, ticket.cause_l2, ticket.phone, key) == ("C5", None, "<PHONE_1>", "c1:2")
        assert spoken.lines == [line]
        assert spoken.line(line)["ticket_no"] == answer.ticket_no
        slots = slots_of(events)
        assert (slots.get("ticket_no", TICKET), slots["form_run"]) == (answer.ticket_no, 3)

    async def test_without_a_phone_nothing_would_join_it(self, playbook: Playbook) -> None:
        await supplement(playbook, self.AGAIN, bridge := FakeBridge(), replace(FILED, ticket_phone_tail=None))
        assert (bridge.tickets, bridge.kinds) == ([], ["comment"])


class TestCorrections:
    @pytest.mark.parametrize(
        "message",
        [
            say("那天是前天", "inform", WHEN),  # more, not other
            say("刚才说错了", "correct"),  # what is right is still to come
        ],
    )
    async def test_is_none(self, message: Turn, playbook: Playbook) -> None:
        await supplement(playbook, message, bridge := FakeBridge())
        assert bridge.kinds == ["comment"]

    @pytest.mark.parametrize(
        ("message", "corrected"),
        [
            (say("不对，是前天", "correct", WHEN), {"event_time": "2026-11-23", "event_time_text": "前天"}),
            (say("应该是柳园支行", "inform", THERE), {"branch": "B4", "branch_name": "柳园支行"}),
            # The other half of the old fact would stay beside the new one.
            (say("不对，是那阵子", "correct", span("time", "那阵子")), {"event_time": None, "event_time_text": "那阵子"}),
            (say("不对，是菜市场那家", "correct", at(None, "菜市场那家")), {"branch": None, "branch_name": "菜市场那家"}),
            (say("改一下电话<PHONE_2>", "inform", cue("change:phone"), span("phone", "<PHONE_2>", "<PHONE_2>")), {"phone": "<PHONE_2>"}),
            (say("不是五百，是五百五", "correct", span("amount", "五百", "500"), span("amount", "五百五", "550")), {"amount": "550"}),
        ],
    )  # fmt: skip
    async def test_the_fact_is_put_right_and_the_words_are_kept(
        self, message: Turn, corrected: dict[str, str | None], playbook: Playbook
    ) -> None:
        spoken, _ = await supplement(playbook, message, bridge := FakeBridge())
        assert bridge.kinds == ["correct", "comment"]
        assert bridge.events[0] == (TICKET, {"type": "correct", "fields": corrected}, f"{KEY}:correct")
        assert spoken.lines == ["utter_corrected_ticket"]

    async def test_a_ticket_that_takes_no_correction_takes_the_words(self, playbook: Playbook) -> None:
        bridge = FakeBridge(refused={"correct"})
        spoken, _ = await supplement(playbook, say("不对，是前天", "correct", WHEN), bridge)
        assert bridge.kinds == ["correct", "comment"]
        assert spoken.lines == ["utter_supplemented"]


async def test_the_supervisors_numbers_are_given_to_whoever_asks(playbook: Playbook) -> None:
    spoken, _ = await supplement(playbook, say("监管电话是多少？", "inquire"), bridge := FakeBridge())
    assert "12378" in "".join(spoken.texts)
    assert bridge.events == []


@pytest.mark.parametrize(("when", "same"), [(NOW, True), (NOW.replace(minute=1), False)])
async def test_a_retried_turn_adds_nothing_twice(when: Any, same: bool, playbook: Playbook) -> None:
    bridge = FakeBridge()
    for now in (NOW, when):
        await supplement(playbook, say("他还骂人", "complain", now=now), bridge)
    keys = [key for _, _, key in bridge.events]
    assert (keys[0] == keys[1]) is same
