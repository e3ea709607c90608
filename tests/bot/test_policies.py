"""Who decides what: level 4 above all, one offer at level 3, a human from everywhere, and always an answer.

The scripted actions say their own name; what a turn did stands in `Turn.actions`.
"""

from typing import Any, Dict, List, Optional

import pytest
from rasa.shared.core.domain import Domain

from tests.bot.conftest import Conversation, Turn
from tests.bot.scripted.actions import ScriptedActions, answer, slot

TICKET = "TS2026112400017"

COMPLAINT = "complain 1 C03 | 我等了一个小时"
PROGRESS = "query_progress cue=progress | 到哪一步了"
WITHDRAW = "withdraw cue=withdraw | 不投诉了"
HUMAN = "request_human | 转人工"
FORMS = {"complaint_form": COMPLAINT, "progress_form": PROGRESS, "withdraw_form": WITHDRAW}


async def with_ticket(conversation: Conversation) -> None:
    """Files a complaint."""
    await conversation.say(COMPLAINT)
    filed = await conversation.pick("confirm:yes", label="确认提交")
    assert filed.body["ticket_no"] == TICKET


def intents(domain: Domain) -> List[str]:
    return sorted(set(domain.intents) - {"restart", "back", "session_start"})


class TestLevelFour:
    @pytest.mark.parametrize("form", FORMS)
    async def test_it_ends_every_form(self, conversation: Conversation, form: str) -> None:
        opened = await conversation.say(FORMS[form])
        danger = await conversation.say("inform 4 C03 | 我不想活了")

        assert opened.form == form
        assert danger.actions == ["action_safety"]
        assert danger.form is None

    @pytest.mark.parametrize(
        "intent", ["complain", "affirm", "deny", "request_human", "greet", "nlu_fallback", "withdraw"]
    )
    async def test_it_wins_whatever_is_meant(self, conversation: Conversation, intent: str) -> None:
        assert (await conversation.say(f"{intent} 4 C03 | 我要拿刀来")).actions == ["action_safety"]

    async def test_the_peak_is_kept_and_never_falls(self, conversation: Conversation) -> None:
        peaks = []
        for level in (1, 4, 0, 2):
            peaks.append((await conversation.say(f"inform {level} C03 | 话")).slots["level_peak"])

        assert peaks == [1, 4, 4, 4]

    @pytest.mark.parametrize("intent", ["inform", "complain", "affirm", "greet", "inquire", "withdraw", "out_of_scope"])
    async def test_afterwards_there_is_care_and_no_form(self, conversation: Conversation, intent: str) -> None:
        await conversation.say("complain 4 C03 | 我不想活了")

        assert (await conversation.say(f"{intent} 0 C03 | 嗯")).actions == ["action_safety"]

    async def test_afterwards_a_button_meets_care_too(self, conversation: Conversation) -> None:
        await conversation.say("complain 4 C03 | 我不想活了")

        assert (await conversation.pick("start:complaint")).actions == ["action_safety"]

    @pytest.mark.parametrize(("text", "action"), [(HUMAN, "action_handover"), (PROGRESS, "progress_form")])
    async def test_afterwards_a_human_and_a_ticket_can_be_asked_for(
        self, conversation: Conversation, text: str, action: str
    ) -> None:
        await conversation.say("complain 4 C03 | 我不想活了")

        assert (await conversation.say(text)).actions == [action]

    @pytest.mark.parametrize(
        ("tags", "expected"),
        [
            (["资金正在被骗"], "complaint_form"),
            (["群体", "资金正在被骗"], "complaint_form"),
            (["资金正在被骗", "自伤"], "action_safety"),
            (["资金正在被骗", "人身威胁"], "action_safety"),
            (["群体"], "complaint_form"),
            (["人身伤害"], "complaint_form"),
            (["人身伤害", "自伤"], "action_safety"),
            (["人身威胁"], "action_safety"),
            (["自伤"], "action_safety"),
            ([], "action_safety"),  # nobody knows which danger
        ],
    )
    async def test_whoever_wants_to_hurt_nobody_may_tell_more_afterwards(
        self, conversation: Conversation, actions: ScriptedActions, tags: List[str], expected: str
    ) -> None:
        actions.script("action_safety", answer("先报警", slot("tags", tags)))
        await conversation.say("complain 4 C05 | 钱正在被转走")

        assert (await conversation.say("complain 2 C05 | 已经报警了")).actions == [expected]


class TestLevelThree:
    async def test_in_the_complaint_form_the_form_offers(self, conversation: Conversation) -> None:
        opened = await conversation.say("complain 3 C03 | 我要打 12378")
        further = await conversation.say("inform 3 C03 | 找媒体曝光")

        assert opened.actions == further.actions == ["complaint_form"]

    @pytest.mark.parametrize(
        "intent", ["inquire", "greet", "goodbye", "thank", "deny", "praise", "chitchat", "bot_challenge"]
    )
    async def test_small_talk_is_answered_by_the_offer(self, conversation: Conversation, intent: str) -> None:
        assert (await conversation.say(f"{intent} 3 C03 | 再不处理就曝光")).actions == ["action_offer_human"]

    @pytest.mark.parametrize("intent", ["inform", "affirm", "nlu_fallback", "correct"])
    async def test_a_matter_is_taken_down_after_the_offer(self, conversation: Conversation, intent: str) -> None:
        turn = await conversation.say(f"{intent} 3 C03 | 再不处理就曝光")

        assert turn.actions == ["action_offer_human", "complaint_form"]
        assert turn.form == "complaint_form"

    @pytest.mark.parametrize(("intent", "form"), [("query_progress", "progress_form"), ("withdraw", "withdraw_form")])
    async def test_a_query_is_answered_after_the_offer(
        self, conversation: Conversation, intent: str, form: str
    ) -> None:
        turn = await conversation.say(f"{intent} 3 C03 | 到底处理没有")

        assert turn.actions == ["action_offer_human", form]
        assert turn.form == form

    @pytest.mark.parametrize("intent", ["complain", "inform", "correct"])
    async def test_with_a_ticket_it_goes_to_the_ticket(self, conversation: Conversation, intent: str) -> None:
        await with_ticket(conversation)

        turn = await conversation.say(f"{intent} 3 C03 | 再不处理就曝光")

        assert turn.actions == ["action_offer_human", "action_supplement"]

    async def test_it_is_offered_once(self, conversation: Conversation) -> None:
        first = await conversation.say("inquire 3 C03 | 曝光你们")
        second = await conversation.say("inquire 3 C03 | 曝光你们")

        assert first.actions == ["action_offer_human"]
        assert second.actions == ["action_answer"]

    async def test_who_asks_for_a_human_gets_one_instead(self, conversation: Conversation) -> None:
        assert (await conversation.say("request_human 3 | 叫你们领导来")).actions == ["action_handover"]

    async def test_inside_a_query_it_is_offered_and_the_query_goes_on(self, conversation: Conversation) -> None:
        await conversation.say(PROGRESS)

        offered = await conversation.say("inform 3 C03 | 再不说我就曝光")
        answered = await conversation.say(f"inform | {TICKET}")

        assert offered.actions[0] == "action_offer_human"
        assert offered.form == "progress_form"
        assert answered.actions == ["progress_form", "action_progress"]

    @pytest.mark.parametrize("level", [0, 1, 2])
    async def test_below_it_nothing_is_offered(self, conversation: Conversation, level: int) -> None:
        assert (await conversation.say(f"inquire {level} C03 | 几点开门")).actions == ["action_answer"]


class TestAHuman:
    @pytest.mark.parametrize("form", FORMS)
    async def test_from_every_form_which_stays_open(self, conversation: Conversation, form: str) -> None:
        await conversation.say(FORMS[form])

        asked = await conversation.say(HUMAN)
        on = await conversation.say("inform | 我接着说")

        assert asked.actions == ["action_handover"]
        assert asked.form == form
        assert on.actions == [form]

    async def test_from_the_start(self, conversation: Conversation) -> None:
        turn = await conversation.say(HUMAN)

        assert turn.actions == ["action_handover"]
        assert turn.form is None

    async def test_with_a_ticket(self, conversation: Conversation) -> None:
        await with_ticket(conversation)

        assert (await conversation.say(HUMAN)).actions == ["action_handover"]

    async def test_every_time_it_is_asked_for(self, conversation: Conversation) -> None:
        for _ in range(4):
            assert (await conversation.say(HUMAN)).actions == ["action_handover"]

    @pytest.mark.parametrize("form", ["progress_form", "withdraw_form"])
    async def test_by_the_button_in_a_query(self, conversation: Conversation, form: str) -> None:
        await conversation.say(FORMS[form])

        assert (await conversation.pick("human:yes", label="转人工")).actions == ["action_handover"]

    async def test_the_buttons_in_the_complaint_belong_to_the_form(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        assert (await conversation.pick("human:yes", label="转人工")).actions == ["complaint_form"]
        assert (await conversation.pick("human:no", label="继续登记")).actions == ["complaint_form"]

    async def test_who_declines_goes_on_with_the_complaint(self, conversation: Conversation) -> None:
        await conversation.say("inquire 3 C03 | 曝光你们")

        assert (await conversation.pick("human:no", label="继续登记")).actions == ["complaint_form"]


class TestGivingUp:
    async def test_before_filing_the_form_is_given_up(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.say(WITHDRAW)

        assert turn.actions == ["action_deactivate_loop", "utter_not_filed"]
        assert turn.form is None
        assert turn.slots["narrative_raw"] == COMPLAINT

    async def test_what_was_said_is_taken_up_again(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)
        await conversation.say(WITHDRAW)

        again = await conversation.say("inform | 是城东支行")

        assert again.actions == ["complaint_form"]
        assert again.slots["narrative_raw"] == COMPLAINT

    async def test_what_only_looks_like_giving_up_is_an_answer(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.hear("把那笔退了", "withdraw")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    async def test_a_number_means_a_ticket(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        assert (await conversation.say(f"{WITHDRAW} {TICKET}")).actions[0] == "withdraw_form"

    async def test_after_filing_it_is_a_withdrawal(self, conversation: Conversation) -> None:
        await with_ticket(conversation)

        asked = await conversation.say(WITHDRAW)
        done = await conversation.say(f"inform | {TICKET}")

        assert asked.actions == ["withdraw_form"]
        assert done.actions == ["withdraw_form", "action_withdraw"]
        assert done.form is None

    async def test_who_leaves_for_the_regulator_is_heard_by_the_form(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.hear("不登记了，我打12378", "withdraw 3 C03 cue=withdraw")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    @pytest.mark.parametrize("choice", ["withdraw:yes", "withdraw:no"])
    async def test_whether_it_is_meant_is_for_the_form_to_hear(self, conversation: Conversation, choice: str) -> None:
        await with_ticket(conversation)
        await conversation.say(WITHDRAW)

        assert (await conversation.pick(choice)).actions == ["withdraw_form"]

    async def test_a_button_is_no_withdrawal(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        assert (await conversation.pick("start:withdraw")).actions == ["complaint_form"]


class TestOneFormInTheOther:
    @pytest.mark.parametrize("form", ["progress_form", "withdraw_form"])
    async def test_a_complaint_breaks_into_a_query(self, conversation: Conversation, form: str) -> None:
        await conversation.say(FORMS[form])

        turn = await conversation.say(COMPLAINT)

        assert turn.actions == ["complaint_form"]
        assert turn.form == "complaint_form"
        assert turn.body["missing"] == ["phone"]

    async def test_a_query_breaks_into_a_complaint_and_comes_back_to_its_question(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        back = [{"event": "active_loop", "name": "complaint_form"}, slot("requested_slot", "phone")]
        actions.script("action_progress", answer("正在核实。留个电话好吗？", *back))
        await conversation.say(COMPLAINT)

        answered = await conversation.say(f"{PROGRESS} {TICKET}")
        on = await conversation.say("inform | 是城东支行")

        assert (answered.actions, answered.form) == (["progress_form", "action_progress"], "complaint_form")
        assert answered.body["missing"] == ["phone"]
        assert (on.actions, on.form) == (["complaint_form"], "complaint_form")
        assert actions.calls[-1]["tracker"]["slots"]["requested_slot"] == "phone"

    async def test_how_long_it_takes_is_no_query_before_there_is_a_ticket(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.say(PROGRESS)

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    async def test_what_only_looks_like_a_query_is_an_answer(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await with_ticket(conversation)
        actions.script("action_supplement", answer(None, {"event": "followup", "name": "complaint_form"}))
        await conversation.say("complain 1 C07 | 另外一件事")

        turn = await conversation.hear("结果告诉我就行", "query_progress")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    async def test_with_a_ticket_it_is_a_query(self, conversation: Conversation, actions: ScriptedActions) -> None:
        await with_ticket(conversation)
        actions.script("action_supplement", answer(None, {"event": "followup", "name": "complaint_form"}))
        await conversation.say("complain 1 C07 | 另外一件事")

        turn = await conversation.say(PROGRESS)

        assert (turn.actions, turn.form) == (["progress_form"], "progress_form")

    async def test_what_one_form_asked_is_not_the_others_question(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await conversation.say(COMPLAINT)
        await conversation.say(f"{PROGRESS} {TICKET}")

        (call,) = [it for it in actions.calls if it["next_action"] == "validate_progress_form"]
        assert call["tracker"]["slots"]["requested_slot"] is None
        assert call["tracker"]["active_loop"]["name"] == "progress_form"

    @pytest.mark.parametrize(
        "intent", ["inform", "affirm", "deny", "greet", "inquire", "nlu_fallback", "skip", "correct"]
    )
    async def test_everything_else_is_heard_by_the_form(self, conversation: Conversation, intent: str) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.say(f"{intent} 0 C03 | 嗯")

        assert turn.actions == ["complaint_form"]
        assert turn.form == "complaint_form"


class TestFiling:
    async def test_a_confirmed_complaint_is_filed_once(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await with_ticket(conversation)

        assert actions.called().count("action_submit_complaint") == 1

    @pytest.mark.parametrize("intent", ["complain", "inform", "correct"])
    async def test_more_words_go_to_the_ticket(self, conversation: Conversation, intent: str) -> None:
        await with_ticket(conversation)

        assert (await conversation.say(f"{intent} 1 C03 | 还有一点")).actions == ["action_supplement"]

    async def test_another_matter_starts_another_complaint(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await with_ticket(conversation)
        actions.script("action_supplement", answer(None, {"event": "followup", "name": "complaint_form"}))

        turn = await conversation.say("complain 1 C07 | 另外一件事")

        assert turn.actions == ["action_supplement", "complaint_form"]
        assert turn.form == "complaint_form"

    async def test_a_complaint_after_a_withdrawn_one_is_a_new_one(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await with_ticket(conversation)
        actions.script("action_withdraw", answer("撤回了", slot("ticket_no", None)))
        await conversation.say(WITHDRAW)
        await conversation.say(f"inform | {TICKET}")

        assert (await conversation.say(COMPLAINT)).actions == ["complaint_form"]


class TestWhatIsAboutATicket:
    """催一下, 对结果不满意: with a ticket or without one."""

    @pytest.mark.parametrize("cue", ["urge", "dissatisfied"])
    @pytest.mark.parametrize("intent", ["query_progress", "inform", "inquire", "nlu_fallback", "chitchat", "deny"])
    @pytest.mark.parametrize("filed", [False, True])
    async def test_it_is_looked_up(self, conversation: Conversation, cue: str, intent: str, filed: bool) -> None:
        if filed:
            await with_ticket(conversation)

        turn = await conversation.hear("催一下", f"{intent} cue={cue}")

        assert (turn.actions, turn.form) == (["progress_form"], "progress_form")

    @pytest.mark.parametrize("cue", ["urge", "dissatisfied"])
    async def test_a_short_complaint_about_the_ticket_too(self, conversation: Conversation, cue: str) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("怎么还没人处理", f"complain 1 C03 cue={cue}")).actions == ["progress_form"]

    @pytest.mark.parametrize("cue", ["urge", "dissatisfied"])
    async def test_without_a_ticket_a_complaint_is_a_complaint(self, conversation: Conversation, cue: str) -> None:
        assert (await conversation.hear("五天了还没人处理", f"complain 1 C03 cue={cue}")).actions == ["complaint_form"]

    async def test_a_long_story_with_a_ticket_is_added(self, conversation: Conversation) -> None:
        await with_ticket(conversation)
        story = "柜员说三天就好，结果五天了还没人处理我那张卡，今天又跑一趟"

        assert (await conversation.hear(story, "complain 1 C04 cue=urge")).actions == ["action_supplement"]

    async def test_inside_the_complaint_it_belongs_to_the_form(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.hear("快点处理", "complain 2 C03 cue=urge")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    @pytest.mark.parametrize(("intent", "expected"), [("withdraw", "withdraw_form"), ("praise", "utter_praise")])
    async def test_praise_and_withdrawal_are_no_query(
        self, conversation: Conversation, intent: str, expected: str
    ) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("不用催了", f"{intent} cue=urge")).actions == [expected]


class TestCasesOfTheLaw:
    CASES = ("agent", "heir", "joint", "anonymous", "tip_off", "suggestion", "foreign")

    @pytest.mark.parametrize("cue", CASES)
    @pytest.mark.parametrize("intent", ["complain", "inform", "nlu_fallback", "chitchat", "out_of_scope", "greet"])
    async def test_they_start_the_form(self, conversation: Conversation, cue: str, intent: str) -> None:
        turn = await conversation.hear("我替我妈来反映", f"{intent} cue={cue}")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    @pytest.mark.parametrize("cue", CASES)
    @pytest.mark.parametrize(
        ("intent", "expected"),
        [("inquire", "action_answer"), ("query_progress", "progress_form"), ("request_human", "action_handover")],
    )
    async def test_who_wants_something_else_gets_it(
        self, conversation: Conversation, cue: str, intent: str, expected: str
    ) -> None:
        assert (await conversation.hear("能匿名吗", f"{intent} cue={cue}")).actions == [expected]

    async def test_another_language_goes_on_in_the_form(self, conversation: Conversation) -> None:
        await conversation.hear("The machine took my card", "nlu_fallback cue=foreign")

        turn = await conversation.hear("It was yesterday at noon", "nlu_fallback cue=foreign")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    async def test_another_language_with_a_ticket_goes_to_the_ticket(self, conversation: Conversation) -> None:
        await with_ticket(conversation)

        turn = await conversation.hear("The machine took my card", "nlu_fallback cue=foreign")

        assert turn.actions == ["action_supplement"]

    @pytest.mark.parametrize("form", [None, *FORMS])
    async def test_a_human_in_english(self, conversation: Conversation, form: Optional[str]) -> None:
        if form is not None:
            await conversation.say(FORMS[form])

        turn = await conversation.hear("I want to speak to a human", "nlu_fallback cue=human cue=foreign")

        assert (turn.actions, turn.form) == (["action_handover"], form)

    @pytest.mark.parametrize(
        ("words", "script", "expected"),
        [
            ("城东支行的小陈真不错", "praise branch=城东支行 person=小陈", "complaint_form"),
            ("昨天那位姑娘帮我填了半小时的单子，一点不嫌烦", "praise", "complaint_form"),
            ("你们真好", "praise", "utter_praise"),
        ],
    )
    async def test_praise_with_a_story_is_taken_down(
        self, conversation: Conversation, words: str, script: str, expected: str
    ) -> None:
        assert (await conversation.hear(words, script)).actions == [expected]


class TestSomebodyElsesMatter:
    @pytest.mark.parametrize("cue", ["telecom", "other_company"])
    @pytest.mark.parametrize("intent", ["out_of_scope", "chitchat", "inquire", "nlu_fallback"])
    async def test_it_is_told_where_it_belongs(self, conversation: Conversation, cue: str, intent: str) -> None:
        assert (await conversation.hear("移动乱扣话费", f"{intent} cue={cue}")).actions == ["action_answer"]

    @pytest.mark.parametrize("intent", ["complain", "out_of_scope", "inform"])
    async def test_another_bank_even_as_a_complaint(self, conversation: Conversation, intent: str) -> None:
        assert (await conversation.hear("我要投诉工行", f"{intent} cue=other_bank")).actions == ["action_answer"]

    @pytest.mark.parametrize("cue", ["telecom", "other_company"])
    async def test_a_complaint_that_names_a_company_is_ours(self, conversation: Conversation, cue: str) -> None:
        turn = await conversation.hear("买外卖时卡被多扣了钱", f"complain 1 C10 cue={cue}")

        assert turn.actions == ["complaint_form"]

    async def test_inside_the_complaint_it_is_part_of_the_story(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.hear("我是在京东买的", "out_of_scope cue=other_company")

        assert turn.actions == ["complaint_form"]


class TestFactsAsFirstWords:
    @pytest.mark.parametrize("intent", ["inform", "nlu_fallback", "greet", "deny", "affirm", "out_of_scope"])
    @pytest.mark.parametrize("fact", ["branch=城东支行", "phone=<PHONE_1>", "name=周", "amount=300"])
    async def test_they_start_the_form(self, conversation: Conversation, intent: str, fact: str) -> None:
        assert (await conversation.hear("我姓周", f"{intent} {fact}")).actions == ["complaint_form"]

    @pytest.mark.parametrize("intent", ["inform", "greet", "affirm"])
    async def test_with_a_ticket_they_go_to_the_ticket(self, conversation: Conversation, intent: str) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("是城东支行", f"{intent} branch=城东支行")).actions == ["action_supplement"]

    async def test_a_question_about_a_branch_is_a_question(self, conversation: Conversation) -> None:
        turn = await conversation.hear("城东支行几点开门", "inquire branch=城东支行")

        assert turn.actions == ["action_answer"]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("praise branch=城东支行", ["complaint_form"]),
            ("praise person=小李", ["complaint_form"]),
            ("praise", ["utter_praise"]),
        ],
    )
    @pytest.mark.parametrize("filed", [False, True])
    async def test_praise_that_says_for_whom_is_a_matter(
        self, conversation: Conversation, words: str, expected: List[str], filed: bool
    ) -> None:
        if filed:
            await with_ticket(conversation)

        assert (await conversation.hear("真好", words)).actions == expected

    @pytest.mark.parametrize("intent", ["inform", "correct", "affirm"])
    async def test_what_was_left_open_goes_on_before_an_older_ticket(
        self, conversation: Conversation, actions: ScriptedActions, intent: str
    ) -> None:
        await with_ticket(conversation)
        actions.script("action_supplement", answer(None, {"event": "followup", "name": "complaint_form"}))
        await conversation.say("complain 1 C07 | 另外一件事")
        await conversation.say(WITHDRAW)

        assert (await conversation.say(f"{intent} | 还是登记吧")).actions == ["complaint_form"]


class TestAfterFiling:
    @pytest.mark.parametrize("intent", ["praise", "thank", "chitchat", "inform", "nlu_fallback", "complain"])
    async def test_who_is_satisfied_is_thanked(self, conversation: Conversation, intent: str) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("挺满意的", f"{intent} cue=satisfied")).actions == ["utter_satisfied"]

    async def test_satisfied_without_a_ticket_is_praise(self, conversation: Conversation) -> None:
        assert (await conversation.hear("挺满意的", "praise cue=satisfied")).actions == ["utter_praise"]

    @pytest.mark.parametrize("cue", ["evidence", "callback", "misspoke", "second_matter"])
    @pytest.mark.parametrize("intent", ["complain", "inform", "chitchat", "nlu_fallback", "affirm", "correct"])
    async def test_it_goes_to_the_ticket(self, conversation: Conversation, cue: str, intent: str) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("我找到录音了", f"{intent} cue={cue}")).actions == ["action_supplement"]

    @pytest.mark.parametrize("cue", ["evidence", "callback"])
    @pytest.mark.parametrize(
        ("intent", "expected"),
        [
            ("inquire", ["action_answer"]),
            ("query_progress", ["progress_form"]),
            ("withdraw", ["withdraw_form"]),
            ("request_human", ["action_handover"]),
        ],
    )
    async def test_what_is_asked_is_done(
        self, conversation: Conversation, cue: str, intent: str, expected: List[str]
    ) -> None:
        await with_ticket(conversation)

        assert (await conversation.hear("录音要发到哪里", f"{intent} cue={cue}")).actions == expected

    @pytest.mark.parametrize("filed", [False, True])
    async def test_not_withdrawing_is_no_withdrawal(self, conversation: Conversation, filed: bool) -> None:
        if filed:
            await with_ticket(conversation)

        turn = await conversation.hear("我不撤", "withdraw cue=keep")

        assert (turn.actions[-1], turn.form) == ("utter_not_withdrawn", None)

    async def test_inside_the_complaint_it_goes_on(self, conversation: Conversation) -> None:
        await conversation.say(COMPLAINT)

        turn = await conversation.hear("不撤，接着登记", "withdraw cue=keep")

        assert (turn.actions, turn.form) == (["complaint_form"], "complaint_form")

    async def test_inside_a_withdrawal_it_ends_it(self, conversation: Conversation) -> None:
        await conversation.say(WITHDRAW)

        turn = await conversation.hear("算了，不撤了", "withdraw cue=keep")

        assert (turn.actions[-1], turn.form) == ("utter_not_withdrawn", None)

    async def test_an_angry_refusal_to_withdraw_is_none_either(self, conversation: Conversation) -> None:
        await with_ticket(conversation)

        turn = await conversation.hear("我不撤，我要打12378", "withdraw 3 C99 cue=keep")

        assert "withdraw_form" not in turn.actions

    async def test_who_asks_for_a_human_gets_one_whatever_else_is_said(self, conversation: Conversation) -> None:
        await with_ticket(conversation)

        turn = await conversation.hear("怎么还没人处理，转人工", "request_human cue=urge")

        assert turn.actions == ["action_handover"]


class TestTheLastResort:
    @staticmethod
    def assert_answered(turn: Turn) -> None:
        assert turn.texts
        assert turn.actions

    async def test_every_intent_is_answered_from_the_start(self, conversation: Conversation, domain: Domain) -> None:
        for intent in intents(domain):
            conversation.state = None
            self.assert_answered(await conversation.say(f"{intent} 0 C99 | 话"))

    @pytest.mark.parametrize("form", FORMS)
    async def test_every_intent_is_answered_in_every_form(
        self, conversation: Conversation, domain: Domain, form: str
    ) -> None:
        await conversation.say(FORMS[form])
        opened = conversation.state
        for intent in intents(domain):
            for level in range(5):
                conversation.state = opened
                self.assert_answered(await conversation.say(f"{intent} {level} C99 | 话"))

    async def test_every_pair_of_intents_is_answered(self, conversation: Conversation, domain: Domain) -> None:
        for first in intents(domain):
            conversation.state = None
            await conversation.say(f"{first} 0 C99 | 话")
            after_first = conversation.state
            for second in intents(domain):
                conversation.state = after_first
                self.assert_answered(await conversation.say(f"{second} 0 C99 | 话"))

    @pytest.mark.filterwarnings("ignore:Parsed an intent")
    async def test_an_intent_that_the_domain_does_not_know(self, conversation: Conversation) -> None:
        assert (await conversation.say("invented | 话")).actions == ["action_clarify"]

    async def test_a_good_that_answers_nothing(self, conversation: Conversation) -> None:
        assert (await conversation.say("affirm | 好的")).actions == ["utter_affirm_idle"]

    async def test_what_was_not_understood(self, conversation: Conversation) -> None:
        assert (await conversation.say("没有剧本的话")).actions == ["action_clarify"]

    async def test_after_a_question_a_good_means_let_us_file_it(self, conversation: Conversation) -> None:
        """Only a story knows this one: the memory looks back over the turn before, through the stored state."""
        await conversation.say("inquire | 几点关门")

        assert (await conversation.say("affirm | 好的")).actions == ["complaint_form"]

    async def test_a_story_still_holds_after_a_long_conversation(self, conversation: Conversation) -> None:
        for _ in range(30):
            await conversation.say("thank | 谢谢")
        await conversation.say("inquire | 几点关门")

        turn = await conversation.say("inform | 我等了一个小时")

        assert turn.actions == ["complaint_form"]


async def test_the_level_of_an_older_message_does_not_count(
    conversation: Conversation, actions: ScriptedActions
) -> None:
    """A picked button carries no level; the slot still has that of the message before."""
    actions.script("action_offer_human", answer("您可以找人工"))
    await conversation.say("inquire 3 C03 | 曝光你们")

    turn = await conversation.pick("start:progress")

    assert turn.actions == ["progress_form"]
    assert turn.slots["level"] == 3


async def test_a_follow_up_of_an_action_is_followed(conversation: Conversation, actions: ScriptedActions) -> None:
    follow: Dict[str, Any] = {"event": "followup", "name": "action_handover"}
    actions.script("action_answer", answer("请稍等", follow))

    assert (await conversation.say("inquire | 几点开门")).actions == ["action_answer", "action_handover"]
