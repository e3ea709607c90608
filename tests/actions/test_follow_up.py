"""A filed ticket from outside: nothing is shown without number and tail, and what the customer came for is done."""

from dataclasses import replace
from typing import Any

import pytest

from actions.follow_up import ActionProgress, ActionWithdraw, ValidateProgressForm, ValidateWithdrawForm
from actions.submit import after_filing
from actions.tracker import Memory, Turn
from contract.playbook import Playbook
from tests.actions.parts import (
    NOW,
    TICKET,
    FakeBridge,
    Spoken,
    cue,
    follows,
    memory,
    pressed,
    progress,
    receipt,
    say,
    slots_of,
    span,
    story,
    tracker,
    whole,
)

FILED = replace(after_filing(memory(whole()), receipt()), form_active=False)
WITHOUT_PHONE = replace(after_filing(memory(whole(phone=None)), receipt()), form_active=False)
STRANGER = replace(memory(), form_active=False)
NUMBER = span("ticket_no", TICKET.lower(), TICKET.lower())
OPENED: dict[str, Any] = {"lookup_ticket_no": TICKET, "lookup_phone_tail": "1234"}
HOW_FAR = say("到哪一步了", "query_progress")
FORGOTTEN = dict.fromkeys(("lookup_ticket_no", "lookup_phone_tail", "lookup_tries", "lookup_purpose", "lookup_sure"))
SURE: dict[str, Any] = {**OPENED, "lookup_sure": True}


async def look_up(
    playbook: Playbook, turn: Turn, known: Memory = STRANGER, **slots: Any
) -> tuple[Spoken, dict[str, Any]]:
    spoken = Spoken()
    events = await ValidateProgressForm(FakeBridge(), playbook).run(spoken, tracker(turn, known, **slots), {})
    return spoken, slots_of(events)


async def take_back(
    playbook: Playbook, turn: Turn, known: Memory = STRANGER, **slots: Any
) -> tuple[Spoken, dict[str, Any]]:
    spoken = Spoken()
    events = await ValidateWithdrawForm(FakeBridge(), playbook).run(spoken, tracker(turn, known, **slots), {})
    return spoken, slots_of(events)


async def ask(
    playbook: Playbook, turn: Turn, bridge: FakeBridge, known: Memory = STRANGER, **slots: Any
) -> tuple[Spoken, list[Any]]:
    spoken = Spoken()
    return spoken, await ActionProgress(bridge, playbook).run(spoken, tracker(turn, known, **slots), {})


async def withdraw(
    playbook: Playbook, bridge: FakeBridge, known: Memory = STRANGER, **slots: Any
) -> tuple[Spoken, list[Any]]:
    spoken, turn = Spoken(), say("我要撤回", "withdraw")
    return spoken, await ActionWithdraw(bridge, playbook).run(spoken, tracker(turn, known, **slots), {})


class TestLookup:
    @pytest.mark.parametrize(
        ("message", "known", "slots", "asked"),
        [
            (HOW_FAR, STRANGER, {}, "ticket_no"),
            (say(TICKET, "inform", NUMBER), STRANGER, {}, "phone_tail"),
            (say("为什么要", "ask_why"), STRANGER, {"lookup_ticket_no": TICKET}, "phone_tail"),
            (say("不知道", "inform"), STRANGER, {"requested_slot": "lookup_phone_tail", "lookup_ticket_no": TICKET}, "phone_tail"),
            (say("12345", "inform"), STRANGER, {"requested_slot": "lookup_phone_tail", "lookup_ticket_no": TICKET}, "phone_tail"),
            (say("1234", "inform"), STRANGER, {"requested_slot": "lookup_ticket_no"}, "ticket_no"),
        ],
    )  # fmt: skip
    async def test_what_is_missing_is_asked(
        self, playbook: Playbook, message: Turn, known: Memory, slots: dict[str, Any], asked: str
    ) -> None:
        spoken, found = await look_up(playbook, message, known, **slots)
        assert spoken.asks == [asked]
        again = slots.get("requested_slot") == f"lookup_{asked}"
        assert spoken.lines[-1] == (f"utter_again_{asked}" if again else f"utter_ask_{asked}")
        assert found["requested_slot"] == f"lookup_{asked}"

    async def test_why_is_answered_first(self, playbook: Playbook) -> None:
        spoken, _ = await look_up(playbook, say("为什么要", "ask_why"), lookup_ticket_no=TICKET)
        assert spoken.lines == ["utter_why_phone_tail", "utter_ask_phone_tail"]

    async def test_a_question_in_between_is_answered(self, playbook: Playbook) -> None:
        asked = {"requested_slot": "lookup_ticket_no"}
        spoken, found = await look_up(playbook, say("接下来怎么办", "inquire", cue("what_next")), **asked)
        assert spoken.lines == ["utter_what_next", "utter_again_ticket_no"]
        assert found["requested_slot"] == "lookup_ticket_no"

    @pytest.mark.parametrize(
        ("message", "slots"),
        [
            (say("不查了", "deny"), {}),
            (say("没有", "skip"), {"lookup_ticket_no": TICKET}),
            (say("啊", "nlu_fallback"), {"lookup_tries": 3}),
        ],
    )
    async def test_nobody_is_held_in_a_query(self, playbook: Playbook, message: Turn, slots: dict[str, Any]) -> None:
        spoken, found = await look_up(playbook, message, **slots)
        assert (spoken.said, found["requested_slot"]) == ([], None)

    @pytest.mark.parametrize(
        ("message", "known", "slots", "opened"),
        [
            (HOW_FAR, FILED, {}, (TICKET, "<PHONE_1>")),
            # Who left no phone has the number of this conversation, and that is enough.
            (HOW_FAR, WITHOUT_PHONE, {}, (TICKET, None)),
            (
                say(f"{TICKET}，<PHONE_2>", "inform", NUMBER, span("phone", "<PHONE_2>", "<PHONE_2>")),
                STRANGER,
                {},
                (TICKET, "<PHONE_2>"),
            ),
            (
                say("尾号是 12-34", "inform"),
                STRANGER,
                {"requested_slot": "lookup_phone_tail", "lookup_ticket_no": TICKET},
                (TICKET, "1234"),
            ),
        ],
    )
    async def test_what_is_known_opens_it(
        self, playbook: Playbook, message: Turn, known: Memory, slots: dict[str, Any], opened: tuple[str, str | None]
    ) -> None:
        spoken, found = await look_up(playbook, message, known, **slots)
        assert (spoken.said, found["requested_slot"]) == ([], None)
        assert (found["lookup_ticket_no"], found["lookup_phone_tail"]) == opened

    @pytest.mark.parametrize(
        ("spans", "before", "purpose"),
        [
            ((), None, None),
            ((cue("urge"),), None, "urge"),
            ((cue("dissatisfied"),), None, "review"),
            ((), "urge", "urge"),
        ],
    )
    async def test_what_the_customer_came_for_is_remembered(
        self, playbook: Playbook, spans: Any, before: str | None, purpose: str | None
    ) -> None:
        _, found = await look_up(playbook, say("我的投诉", "query_progress", *spans), lookup_purpose=before)
        assert found["lookup_purpose"] == purpose

    async def test_a_withdrawal_asks_for_the_same(self, playbook: Playbook) -> None:
        spoken, _ = await take_back(playbook, say("我要撤回", "withdraw"))
        assert spoken.asks == ["ticket_no"]

    def test_both_forms_are_heard(self, playbook: Playbook) -> None:
        names = [form(FakeBridge(), playbook).name() for form in (ValidateProgressForm, ValidateWithdrawForm)]
        assert names == ["validate_progress_form", "validate_withdraw_form"]


class TestMakingSure:
    PLAIN = say("我要撤回投诉", "withdraw", cue("withdraw"), cue("withdraw_plain"))
    UNSURE = say("算了", "withdraw", cue("withdraw"))

    async def test_said_plainly_it_is_not_asked_again(self, playbook: Playbook) -> None:
        for message, slots in ((self.PLAIN, OPENED), (say("1234", "inform"), SURE)):
            spoken, found = await take_back(playbook, message, **slots)
            assert (spoken.said, found["requested_slot"], found["lookup_sure"]) == ([], None, True)

    async def test_plain_words_count_from_the_first_message_on(self, playbook: Playbook) -> None:
        spoken, found = await take_back(playbook, self.PLAIN)
        assert (spoken.asks, found["lookup_sure"]) == (["ticket_no"], True)

    @pytest.mark.parametrize("message", [UNSURE, say("这事能不能撤回啊", "withdraw", cue("withdraw"))])
    async def test_else_one_closed_question_comes_first(self, playbook: Playbook, message: Turn) -> None:
        spoken, found = await take_back(playbook, message, **OPENED)
        assert spoken.lines == ["utter_ask_withdraw"]
        assert (spoken.asks, spoken.buttons) == (["confirm"], ["withdraw:yes", "withdraw:no"])
        assert (found["requested_slot"], found["lookup_sure"]) == ("lookup_sure", None)

    async def test_in_the_conversation_that_filed_it_too(self, playbook: Playbook) -> None:
        spoken, _ = await take_back(playbook, self.UNSURE, FILED)
        assert spoken.lines == ["utter_ask_withdraw"]

    @pytest.mark.parametrize(
        ("message", "sure"),
        [
            (pressed("withdraw:yes", "撤回"), True),
            (replace(pressed("withdraw:no", "不撤，接着办"), intent="deny"), False),
            (say("对", "affirm"), True),
            (say("是的", "nlu_fallback"), True),
            (say("撤", "withdraw", cue("withdraw")), True),
            (say("不撤", "withdraw", cue("keep")), False),
            (say("不要了", "deny"), False),
            (say("我再想想", "inform"), False),
            (say("他们一直没人理我", "complain"), False),
        ],
    )
    async def test_only_a_yes_to_it_is_one(self, playbook: Playbook, message: Turn, sure: bool) -> None:
        spoken, found = await take_back(playbook, message, **OPENED, requested_slot="lookup_sure")
        assert (spoken.said, found["requested_slot"], found["lookup_sure"]) == ([], None, sure)

    async def test_a_query_needs_none(self, playbook: Playbook) -> None:
        spoken, found = await look_up(playbook, HOW_FAR, **OPENED)
        assert (spoken.said, found["requested_slot"]) == ([], None)


class TestNotShown:
    @pytest.mark.parametrize(
        ("known", "slots"),
        [
            (STRANGER, {}),
            (STRANGER, {"lookup_ticket_no": TICKET}),
            (STRANGER, {"lookup_phone_tail": "1234"}),
            (FILED, {"lookup_ticket_no": "TS9"}),
        ],
    )
    async def test_without_number_and_tail_the_bridge_is_not_even_asked(
        self, known: Memory, slots: dict[str, Any], playbook: Playbook
    ) -> None:
        spoken, events = await ask(playbook, HOW_FAR, bridge := FakeBridge(found=progress()), known, **slots)
        assert spoken.lines == ["utter_lookup_incomplete"]
        assert bridge.lookups == []
        assert FORGOTTEN.items() <= slots_of(events).items()

    async def test_unknown_and_wrong_read_alike(self, playbook: Playbook) -> None:
        spoken, _ = await ask(playbook, HOW_FAR, bridge := FakeBridge(found=None), **OPENED)
        assert (spoken.lines, bridge.lookups) == (["utter_lookup_unknown"], [(TICKET, "1234", "c1")])

    async def test_nothing_is_withdrawn_that_cannot_be_opened(self, playbook: Playbook) -> None:
        for found, slots in ((progress(), {}), (None, SURE)):
            spoken, _ = await withdraw(playbook, bridge := FakeBridge(found=found), **slots)
            assert bridge.events == []
            assert len(spoken.lines) == 1


class TestProgress:
    async def test_state_number_day_and_next_date(self, playbook: Playbook) -> None:
        spoken, events = await ask(playbook, HOW_FAR, bridge := FakeBridge(found=progress()), **OPENED)
        told = "".join(spoken.texts)
        for fact in (TICKET, "承办部门正在核实。", "第3天", "2026年12月9日前"):
            assert fact in told
        assert bridge.events == []
        assert slots_of(events) == FORGOTTEN

    @pytest.mark.parametrize(
        ("changes", "told", "untold"),
        [
            ({"days": None}, "2026年12月9日前", "第"),
            ({"days": None, "next_date": None}, "承办部门正在核实。", "None"),
            ({"extension_reason": "需要调取录像"}, "需要调取录像", "None"),
        ],
    )
    async def test_only_what_is_known_is_told(
        self, changes: dict[str, Any], told: str, untold: str, playbook: Playbook
    ) -> None:
        spoken, _ = await ask(playbook, HOW_FAR, FakeBridge(found=progress(**changes)), **OPENED)
        assert told in "".join(spoken.texts)
        assert untold not in "".join(spoken.texts)

    async def test_the_own_ticket_needs_no_phone(self, playbook: Playbook) -> None:
        bridge = FakeBridge(found=progress())
        await ask(playbook, HOW_FAR, bridge, WITHOUT_PHONE, lookup_ticket_no=TICKET)
        assert bridge.lookups == [(TICKET, "", "c1")]

    async def test_on_the_hotline_it_is_said_aloud(self, playbook: Playbook) -> None:
        spoken, _ = await ask(playbook, replace(HOW_FAR, channel="hotline"), FakeBridge(found=progress()), **OPENED)
        assert len(spoken.texts) == 1


class TestUrge:
    URGES = say("催一下！", "query_progress", cue("urge"))

    async def test_a_ticket_that_cannot_be_urged_is_shown(self, playbook: Playbook) -> None:
        bridge = FakeBridge(found=progress(), refused={"urge"})
        spoken, _ = await ask(playbook, self.URGES, bridge, **OPENED, lookup_purpose="urge")
        assert spoken.lines == []
        assert "承办部门正在核实。" in "".join(spoken.texts)

    @pytest.mark.parametrize(
        ("added", "line", "told"),
        [
            ({"next_date": None, "next_kind": None}, "utter_urged_answered", {"state": "承办部门正在核实。"}),
            ({"next_kind": "first_contact"}, "utter_urged_contact", {"next_date": "2026年12月9日前"}),
            ({}, "utter_urged", {"next_date": "2026年12月9日前"}),
        ],
    )
    async def test_is_written_into_the_ticket_and_the_next_date_is_said(
        self, added: dict[str, Any], line: str, told: dict[str, str], playbook: Playbook
    ) -> None:
        bridge = FakeBridge(found=progress(), added=progress(**added))
        spoken, _ = await ask(playbook, self.URGES, bridge, **OPENED, lookup_purpose="urge")
        event = {"type": "urge", "text": "催一下！", "from_customer": True}
        assert bridge.events == [(TICKET, event, f"c1:{TICKET}:urge:{NOW.isoformat()}")]
        assert spoken.lines == [line]
        assert ({"ticket_no": TICKET} | told).items() <= spoken.line(line).items()


class TestReview:
    REJECTS = say("处理结果我不服", "query_progress", cue("dissatisfied"))

    @pytest.mark.parametrize(
        ("state", "runs", "refused", "kinds", "lines"),
        [
            # Still running: the words are kept.
            ("new", True, {"review"}, ["review", "comment"], ["utter_review_noted"]),
            ("waiting_customer", True, {"review"}, ["review", "comment"], ["utter_review_noted"]),
            ("proposed", False, set(), ["review"], ["utter_review_requested"]),
            # Ended: nothing is going on that it could be noted for.
            ("merged", False, {"review"}, ["review", "comment"], []),
            ("withdrawn", False, {"review", "comment"}, ["review", "comment"], []),
        ],
    )
    async def test_is_asked_for_and_the_routes_are_told(
        self, state: str, runs: bool, refused: set[str], kinds: list[str], lines: list[str], playbook: Playbook
    ) -> None:
        found = progress(state=state, **({} if runs else {"next_date": None, "next_kind": None}))
        bridge = FakeBridge(found=found, refused=refused)
        spoken, _ = await ask(playbook, self.REJECTS, bridge, **OPENED, lookup_purpose="review")
        assert bridge.kinds == kinds
        assert {event["text"] for _, event, _ in bridge.events} == {self.REJECTS.text}
        assert spoken.lines == lines
        assert all(route in "".join(spoken.texts) for route in ("核查", "调解", "起诉", "12378"))


class TestBackToIntake:
    async def test_without_an_open_matter_there_is_nothing_to_go_back_to(self, playbook: Playbook) -> None:
        for known in (STRANGER, replace(memory(story()), form_active=False)):
            spoken, events = await ask(playbook, HOW_FAR, FakeBridge(found=progress()), known, **OPENED)
            assert (spoken.lines, follows(events)) == ([], [])

    @pytest.mark.parametrize("found", [None, progress()])
    async def test_the_open_question_is_put_again_in_other_words(self, found: Any, playbook: Playbook) -> None:
        known = memory(story(branch="B1", branch_name="城东支行"), asked=("branch", "event_time"))
        spoken, events = await ask(playbook, HOW_FAR, FakeBridge(found=found), known, **OPENED)
        assert spoken.lines[-2:] == ["utter_go_on", "utter_again_event_time"]
        assert spoken.asks == ["event_time"]
        assert follows(events) == ["complaint_form"]
        assert slots_of(events)["requested_slot"] == "event_time"


class TestWithdraw:
    async def test_a_closed_ticket_stays(self, playbook: Playbook) -> None:
        spoken, events = await withdraw(playbook, FakeBridge(found=progress(), refused={"withdraw"}), FILED, **SURE)
        assert spoken.lines == ["utter_withdraw_refused"]
        assert "ticket_no" not in slots_of(events)

    async def test_ends_today_and_nobody_asks_why(self, playbook: Playbook) -> None:
        spoken, events = await withdraw(playbook, bridge := FakeBridge(found=progress()), **SURE)
        assert bridge.events == [(TICKET, {"type": "withdraw", "from_customer": True}, f"c1:withdraw:{TICKET}")]
        told = "".join(spoken.texts)
        assert TICKET in told
        assert "？" not in told
        assert slots_of(events) == FORGOTTEN

    async def test_the_own_ticket_is_forgotten(self, playbook: Playbook) -> None:
        _, events = await withdraw(
            playbook, FakeBridge(found=progress()), FILED, lookup_ticket_no=TICKET, lookup_sure=True
        )
        gone = dict.fromkeys(("ticket_no", "ticket_cause", "ticket_branch", "ticket_phone_tail"))
        assert slots_of(events) == FORGOTTEN | gone

    @pytest.mark.parametrize("sure", [None, False])
    async def test_without_a_yes_it_goes_on(self, sure: bool | None, playbook: Playbook) -> None:
        bridge = FakeBridge(found=progress())
        spoken, events = await withdraw(playbook, bridge, FILED, lookup_ticket_no=TICKET, lookup_sure=sure)
        assert (spoken.lines, bridge.events) == (["utter_not_withdrawn"], [])
        assert slots_of(events) == FORGOTTEN

    async def test_twice_is_once(self, playbook: Playbook) -> None:
        bridge = FakeBridge(found=progress())
        await withdraw(playbook, bridge, **SURE)
        await withdraw(playbook, bridge, **SURE)
        assert len({key for _, _, key in bridge.events}) == 1
