"""One turn of the form, carried out: what is said, what is remembered, which question is open."""

from dataclasses import replace

import pytest

from actions import fields
from actions.intake import IntakeTurn, ValidateComplaintForm
from actions.picked import CONFIRMED
from actions.tracker import Memory, Turn
from contract.branch import Branch
from contract.incident import Incident
from contract.playbook import Playbook
from contract.ticket import Nature, TicketDraft
from tests.actions.parts import (
    STORY,
    UNSURE,
    FakeBridge,
    Spoken,
    at,
    branch,
    cue,
    guess,
    incident,
    memory,
    pressed,
    say,
    slots_of,
    span,
    story,
    tracker,
    whole,
    world,
)

HERE = at("B1", "城东支行")
NOON = span("time", "昨天12点05分", "2026-11-24T12:05")


def play(
    playbook: Playbook, before: Memory, turn: Turn, *shown: Branch, incidents: tuple[Incident, ...] = ()
) -> tuple[Memory, Spoken]:
    spoken = Spoken()
    known = world(playbook, *(shown or (branch(),)), incidents=incidents)
    return IntakeTurn(turn, before, spoken.voice(turn.channel), known).play(), spoken


def conversation(playbook: Playbook, *turns: Turn, before: Memory | None = None) -> tuple[Memory, list[Spoken]]:
    now, heard = before or memory(), []
    for turn in turns:
        now, spoken = play(playbook, now, turn)
        heard.append(spoken)
    return now, heard


class TestFiling:
    @pytest.mark.parametrize(
        ("before", "message"),
        [
            (memory(whole(), "confirm"), say("不对", "deny")),
            (memory(whole(), "confirm"), say("确认一下我的电话", "inform")),
            (memory(whole(), "confirm"), say("😡", "nlu_fallback")),
            (memory(whole(phone=None), "phone"), say("确认提交", "affirm")),  # not yet read back
            (memory(whole(phone=None), "phone"), pressed("confirm:yes")),
        ],
    )
    def test_never_without_a_plain_yes_to_the_read_back(
        self, before: Memory, message: Turn, playbook: Playbook
    ) -> None:
        now, _ = play(playbook, before, message)
        assert CONFIRMED not in now.asked
        assert now.requested is not None

    @pytest.mark.parametrize("message", [say("确认提交", "affirm"), pressed("confirm:yes", "确认提交")])
    def test_a_plain_yes_ends_the_form(self, message: Turn, playbook: Playbook) -> None:
        now, spoken = play(playbook, memory(whole(), "confirm"), message)
        assert (now.requested, now.asked, spoken.said) == (None, (CONFIRMED,), [])

    def test_not_now_ends_the_form_and_keeps_the_draft(self, playbook: Playbook) -> None:
        now, spoken = play(playbook, memory(whole(), "confirm"), pressed("confirm:no"))
        assert (now.requested, now.asked, now.draft, spoken.lines) == (None, (), whole(), ["utter_not_filed"])


class TestQuestions:
    @pytest.mark.parametrize(
        ("before", "message", "line", "asks"),
        [
            (memory(story()), say("嗯", "affirm"), "utter_ask_branch_and_time", "branch"),
            (memory(story(event_time_text="昨天")), say("嗯", "affirm"), "utter_ask_branch", "branch"),
            (memory(story(cause_l1="C3", cause_l2="C3d")), say("嗯", "affirm"), "utter_ask_event_time", "event_time"),
            (memory(story(), asked=("branch",)), say("嗯", "affirm"), "utter_again_branch", "branch"),
            (memory(story(), skipped=frozenset({"branch"})), say("嗯", "affirm"), "utter_ask_event_time", "event_time"),
            (memory(whole(phone=None), human_offered=True), say("嗯", "affirm", level=2), "utter_ask_phone_short", "phone"),
            (memory(whole(phone=None, tags=("外语",)), human_offered=True), say("嗯", "affirm"), "utter_ask_phone_foreign", "phone"),
            (memory(whole(sources={"branch": UNSURE})), say("嗯", "affirm"), "utter_verify_branch", "branch"),
            (memory(whole()), say("嗯", "affirm"), "utter_ask_confirm", "confirm"),
            (memory(whole(tags=("外语",)), human_offered=True), say("嗯", "affirm"), "utter_ask_confirm_foreign", "confirm"),
            (memory(whole(), "confirm"), say("嗯呐", "inform"), "utter_confirm_hint", "confirm"),
        ],
    )  # fmt: skip
    def test_are_put_once_and_in_words_that_fit(
        self, before: Memory, message: Turn, line: str, asks: str, playbook: Playbook
    ) -> None:
        # Nothing is explained here.
        before = replace(before, draft=before.draft.model_copy(update={"accepted_explanation": "no"}))
        _, spoken = play(playbook, before, message)
        assert spoken.lines[-1] == line
        assert spoken.asks == [asks]

    @pytest.mark.parametrize(
        ("draft", "buttons"),
        [
            (whole(request=None), ["request:核实", "request:道歉", "request:退费", "request:更正"]),
            (whole(is_agent=True, agent_kind="agent"), ["authorization:promised", "authorization:none"]),
            (whole(sources={"branch": UNSURE}), ["right:yes", "right:no"]),
            (whole(), ["confirm:yes", "confirm:change", "confirm:no"]),
            (whole(name=None), []),
        ],
    )
    def test_have_choices_where_there_are_few_answers(
        self, draft: TicketDraft, buttons: list[str], playbook: Playbook
    ) -> None:
        _, spoken = play(playbook, memory(draft), say("嗯", "affirm"))
        assert spoken.buttons == buttons

    def test_an_unsure_cause_is_asked_about_with_its_likeliest(self, playbook: Playbook) -> None:
        causes = (guess("C2a", 0.4), guess("C10", 0.3), guess("C99", 0.1), guess("C7a", 0.05))
        now, spoken = play(playbook, memory(), say(STORY, "complain", causes=causes))
        assert spoken.lines[-1] == "utter_ask_cause"
        assert spoken.buttons == ["cause:C2a", "cause:C10", "cause:C99"]
        assert (now.requested, now.told) == ("cause", {"X00", "clarified"})

    def test_a_wait_leaves_the_question_open_and_unsaid(self, playbook: Playbook) -> None:
        before = memory(story(), "branch", asked=("branch",))
        now, spoken = play(playbook, before, say("等一下", "inform", cue("wait")))
        assert (now.requested, now.asked, spoken.lines, spoken.asks) == (
            "branch",
            ("branch",),
            ["utter_wait"],
            ["branch"],
        )

    def test_the_read_back_shows_what_will_be_filed(self, playbook: Playbook) -> None:
        _, spoken = play(playbook, memory(whole(amount="300")), say("嗯", "affirm"))
        card = spoken.card("utter_ask_confirm")
        assert (card["branch"], card["amount"], card["phone"]) == ("城东支行", "300 元", "<PHONE_1>")


class TestExplanations:
    def test_waits_for_the_facts_it_needs(self, playbook: Playbook) -> None:
        now, _ = conversation(
            playbook, say(STORY, "complain", level=1, causes=(guess("C5a"),)), say("城东支行", "inform", HERE)
        )
        assert now.draft.script_ids_used == ("X00@1",)
        now, (spoken,) = conversation(playbook, say("昨天12点05分", "inform", NOON), before=now)
        assert now.draft.script_ids_used == ("X00@1", "X02@1")
        assert "城东支行" in "".join(spoken.texts)

    def test_does_not_wait_for_what_is_refused(self, playbook: Playbook) -> None:
        before = memory(story(), "event_time", skipped=frozenset({"branch"}), asked=("branch", "event_time"))
        now, _ = play(playbook, before, say("记不清了", "skip"))
        assert "X02@1" in now.draft.script_ids_used

    def test_is_given_once(self, playbook: Playbook) -> None:
        before = memory(whole(phone=None, script_ids_used=("X00@1", "X02@1")), "phone", asked=("phone",))
        now, spoken = play(playbook, before, say("<PHONE_1>", "inform", span("phone", "<PHONE_1>", "<PHONE_1>")))
        assert (now.draft.script_ids_used, spoken.texts) == (("X00@1", "X02@1"), [])

    def test_published_hours_make_it_our_fault(self, playbook: Playbook) -> None:
        now, spoken = play(
            playbook,
            memory(),
            say(f"昨天12点05分城东支行，{STORY}", "complain", NOON, HERE, level=1, causes=(guess("C5a"),)),
        )
        assert now.draft.hours_fault
        assert "我行的问题" in "".join(spoken.texts)

    def test_in_the_heat_one_fact_is_enough(self, playbook: Playbook) -> None:
        before = memory(story(branch="B1", branch_name="城东支行", level_peak=2), "event_time", human_offered=True)
        _, spoken = play(playbook, before, say("昨天12点05分！！", "inform", NOON, level=2))
        assert len(spoken.texts) == 1

    def test_a_known_incident_comes_first(self, playbook: Playbook) -> None:
        message = say("手机银行登不上去，急着转账用", "complain", level=1, causes=(guess("C6c"),))
        now, spoken = play(playbook, memory(), message, incidents=(incident(),))
        assert now.draft.script_ids_used == ("X00@1", "X07@1")
        assert "SJ20261125001" in "".join(spoken.texts)

    def test_the_level_after_it_is_kept(self, playbook: Playbook) -> None:
        before = memory(whole(phone=None, script_ids_used=("X02@1",)), "phone", asked=("phone",))
        now, _ = play(playbook, before, say("这算什么解释！", "complain", cue("rejects"), level=2))
        assert (now.draft.explanation_levels, now.draft.accepted_explanation) == ({"X02@1": 2}, "no")

    def test_on_the_hotline_it_is_said_aloud(self, playbook: Playbook) -> None:
        message = say(STORY, "complain", level=1, causes=(guess("C5a"),), channel="hotline")
        _, spoken = play(playbook, memory(), message)
        variants = (playbook.script("X00") or pytest.fail("X00")).versions[0].variants
        assert spoken.texts[0] in {it.spoken.format(heard=STORY) for it in variants}


class TestHumans:
    def test_rights_and_a_human_are_offered_once(self, playbook: Playbook) -> None:
        threat = say("我去12378告你们", "complain", level=3)
        now, (first, second) = conversation(
            playbook, threat, threat, before=memory(story(), "branch", asked=("branch",))
        )
        assert ("utter_offer_human" in first.lines, "utter_offer_human" in second.lines) == (True, False)
        assert ("12378" in "".join(first.texts), "12378" in "".join(second.texts)) == (True, False)
        assert now.draft.script_ids_used == ("X27@1",)

    @pytest.mark.parametrize("there", [False, True])
    def test_at_level_3_somebody_who_is_there_looks_in(self, there: bool, playbook: Playbook) -> None:
        threat = say("我去12378告你们", "complain", level=3, human_available=there)
        now, spoken = play(playbook, memory(story(), "branch", asked=("branch",)), threat)
        alerted = {"handover": {"reason": "level", "alert": False}} in [it.get("json_message") for it in spoken.said]
        assert (alerted, now.requested) == (there, "branch")

    @pytest.mark.parametrize(("there", "line"), [(False, "utter_human_unavailable"), (True, "utter_human_available")])
    def test_whether_one_is_there_is_said_honestly(self, there: bool, line: str, playbook: Playbook) -> None:
        before = memory(story(), "branch", asked=("branch",))
        now, spoken = play(playbook, before, replace(pressed("human:yes", "转人工"), human_available=there))
        assert spoken.lines[0] == line
        assert {"handover": {"reason": "user_request", "alert": False}} in [
            it.get("json_message") for it in spoken.said
        ]
        assert (now.requested, now.draft.callback_wanted) == ("branch", True)


class TestChanges:
    def test_a_line_of_the_read_back_is_chosen_and_told_again(self, playbook: Playbook) -> None:
        now, heard = conversation(
            playbook,
            pressed("confirm:change"),
            pressed("field:branch"),
            say("柳园支行", "inform", at("B4", "柳园支行")),
            before=memory(whole(script_ids_used=("X00@1", "X02@1")), "confirm"),
        )
        assert [spoken.lines for spoken in heard] == [
            ["utter_change_which"],
            ["utter_ask_branch"],
            ["utter_corrected", "utter_ask_confirm"],
        ]
        assert heard[2].card("utter_ask_confirm")["branch"] == "柳园支行"
        assert (now.draft.branch, now.requested) == ("B4", "confirm")

    def test_a_doubtful_branch_that_is_wrong_is_asked_for(self, playbook: Playbook) -> None:
        before = memory(story(branch="B1", branch_name="城东支行", sources={"branch": UNSURE}), "verify:branch")
        now, spoken = play(playbook, replace(before, told=frozenset({"verify:branch"})), pressed("right:no"))
        assert (now.draft.branch, now.requested) == (None, "branch")
        assert spoken.lines == ["utter_ask_branch_and_time"]

    def test_a_cause_that_is_chosen_goes_on(self, playbook: Playbook) -> None:
        before = memory(story(cause_confidence=0.4), "cause", told=frozenset({"clarified"}))
        now, spoken = play(playbook, before, pressed("cause:C10b"))
        assert (now.draft.cause_l2, now.requested) == ("C10b", "product")
        assert spoken.lines == ["utter_cause_noted", "utter_ask_product"]


class TestWholeConversations:
    def test_everything_in_one_message_needs_only_a_yes(self, playbook: Playbook) -> None:
        told = say(
            f"昨天12点05分城东支行，{STORY}，我要道歉，姓周，<PHONE_1>",
            "complain",
            NOON,
            HERE,
            span("request", "我要道歉", "道歉"),
            span("name", "姓周", "周"),
            span("phone", "<PHONE_1>", "<PHONE_1>"),
            level=1,
            causes=(guess("C5a"),),
        )
        now, heard = conversation(playbook, told, say("确认提交", "affirm"))
        assert heard[0].lines == ["utter_ask_confirm"]
        assert CONFIRMED in now.asked

    def test_a_plain_case_takes_five_questions(self, playbook: Playbook) -> None:
        _, heard = conversation(
            playbook,
            say(STORY, "complain", level=1, causes=(guess("C5a"),)),
            say("城东支行", "inform", HERE),
            say("昨天12点05分", "inform", NOON),
            say("道歉", "inform", span("request", "道歉", "道歉")),
            say("姓周", "inform"),
            say("不留", "deny"),
        )
        assert [spoken.lines[-1] for spoken in heard] == [
            "utter_ask_branch_and_time",
            "utter_ask_event_time",
            "utter_ask_request",
            "utter_ask_name",
            "utter_ask_phone",
            "utter_ask_confirm",
        ]
        said = [text for spoken in heard for text in spoken.texts]
        assert len(set(said)) == len(said)

    def test_whoever_answers_nothing_comes_to_the_read_back(self, playbook: Playbook) -> None:
        now, _ = conversation(playbook, say(STORY, "complain", causes=(guess("C5a"),)))
        for _ in range(2 * 5):
            now, _ = play(playbook, now, say("啊啊啊啊", "nlu_fallback"))
        assert now.requested == "confirm"
        assert max(now.asked.count(field) for field in now.asked) == 2

    def test_whoever_talks_of_other_things_comes_to_the_read_back(self, playbook: Playbook) -> None:
        now, _ = conversation(playbook, say(STORY, "complain", causes=(guess("C5a"),)))
        for _ in range(fields.MAX_ASKED * 5):
            now, _ = play(playbook, now, say("今天天气不错", "chitchat"))
        assert now.requested == "confirm"

    def test_praise_is_filed_after_one_question(self, playbook: Playbook) -> None:
        now, heard = conversation(
            playbook, say("柜员小李特别耐心帮了我大忙", "praise"), say("城东支行", "inform", HERE)
        )
        assert [spoken.lines for spoken in heard] == [["utter_note_praise", "utter_ask_branch"], ["utter_ask_confirm"]]
        assert now.draft.nature is Nature.PRAISE

    async def test_the_form_is_one_call(self, playbook: Playbook) -> None:
        spoken, form = Spoken(), ValidateComplaintForm(FakeBridge(), playbook)
        told = say(STORY, "complain", level=1, causes=(guess("C5a"),))
        events = await form.run(spoken, tracker(told, memory()), {})
        slots = slots_of(events)
        assert (slots["narrative_raw"], slots["cause_l2"], slots["requested_slot"]) == (STORY, "C5a", "branch")
        assert "level" not in slots
        assert spoken.lines == ["utter_ask_branch_and_time"]
