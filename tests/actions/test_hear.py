"""What a message in the form is, and what is known after it."""

from typing import Any

import pytest

from actions.hear import ANSWER, Reaction, judged, listen, pause
from actions.tracker import Memory, Turn
from contract.ticket import Request
from tests.actions.parts import NOW, STORY, UNSURE, at, cue, guess, memory, say, span, story, whole

LONG = "柜台让我等一下再来，我又跑了一趟还是不给办理业务"
HERE = at("B1", "城东支行")


def asked(field: str, **more: Any) -> Memory:
    """A question is open; its fact, and those after it, are not known."""
    return memory(story(**more), field, asked=(field,))


def line(name: str, **more: Any) -> Reaction:
    return Reaction(line=name, **more)


class TestReaction:
    @pytest.mark.parametrize(
        ("before", "message"),
        [
            # Before the story everything is the story.
            (memory(), say("你好", "greet")),
            (memory(), say("你是机器人吗", "bot_challenge")),
            (memory(), say("My card", "complain", cue("foreign"))),
            # In a story these words mean something else.
            (asked("narrative"), say(LONG, "complain", cue("wait", "等一下"))),
            (asked("narrative"), say(LONG + "，还说错了", "complain", cue("misspoke"))),
            # Facts are answers, however they are put.
            (asked("branch"), say("城东支行", "inform", HERE)),
            (asked("branch"), say("在城东支行啊，你好", "greet", HERE)),
            (asked("branch"), say("不想说是谁，就城东支行", "deny", HERE)),
            # Not accepted, before anything was explained.
            (asked("branch"), say("算什么话", "complain", cue("rejects"))),
            # There is no question before the first.
            (asked("branch"), say("上一步", "inform", cue("back"))),
            (asked("branch"), say("嗯", "affirm")),
        ],
    )
    def test_is_an_answer(self, before: Memory, message: Turn) -> None:
        assert listen(before, message)[1] == ANSWER

    @pytest.mark.parametrize(
        ("before", "message", "reaction"),
        [
            (asked("branch"), say("不想说", "skip"), line("utter_skipped")),
            (asked("name", branch="B1"), say("别问了", "complain"), line("utter_skipped")),
            (asked("phone"), say("不留", "inform"), line("utter_skipped_phone")),
            (asked("phone"), say("没有手机", "inform"), line("utter_skipped_phone")),
        ],
    )
    def test_refusals(self, before: Memory, message: Turn, reaction: Reaction) -> None:
        assert listen(before, message)[1] == reaction

    @pytest.mark.parametrize(
        ("before", "message", "reaction"),
        [
            (asked("branch"), say("……", "nlu_fallback", cue("silence")), line("utter_silence")),
            (asked("branch"), say("我回来了", "inform", cue("returned")), line("utter_welcome_back")),
            (asked("branch"), say("等一下", "inform", cue("wait")), line("utter_wait", holds=True)),
            (asked("branch"), say("等一下再说", "complain", cue("wait")), line("utter_wait", holds=True)),
            (
                memory(story(branch_name="城东"), "event_time", asked=("branch", "event_time")),
                say("上一步", "inform", cue("back")),
                Reaction(opens="branch"),
            ),
            (memory(whole(), "confirm"), say("改一下金额", "correct", cue("change:amount")), Reaction(opens="amount")),
            (asked("branch"), say("刚才说错了", "correct"), line("utter_correct_how", holds=True)),
            (asked("branch"), say("打错了", "inform", cue("misspoke")), line("utter_correct_how", holds=True)),
        ],
    )
    def test_steering(self, before: Memory, message: Turn, reaction: Reaction) -> None:
        assert listen(before, message)[1] == reaction

    @pytest.mark.parametrize(
        ("message", "reaction"),
        [
            (say("为什么", "ask_why"), line("utter_why_phone")),
            (say("为什么要网点", "ask_why", cue("why:branch")), line("utter_why_branch")),
            (say("要我姓名干嘛", "inquire", cue("why:name")), line("utter_why_name")),
            (say("可以匿名吗", "inquire", cue("anonymous")), Reaction(script="X32")),
            (say("要多久", "inquire", cue("how_long")), line("utter_how_long")),
            (say("然后呢", "inquire", cue("what_next")), line("utter_what_next")),
            (say("你们会不会报复我", "inquire", cue("afraid")), line("utter_no_effect")),
            (say("周六开门吗", "inquire"), line("answer")),
            (say("办到哪了", "query_progress"), line("answer")),
            (say("12378是什么电话", "complain"), Reaction(script="X27")),
            (say("你好", "greet"), line("utter_greet_in_form")),
            (say("谢谢", "thank"), line("utter_thank_in_form")),
            (say("再见", "goodbye"), line("utter_goodbye_in_form")),
            (say("你吃了吗", "chitchat"), line("utter_chitchat_in_form")),
            (say("你是机器人吗", "bot_challenge"), line("utter_bot_challenge_in_form")),
            (say("帮我写首诗", "out_of_scope"), line("utter_out_of_scope_in_form")),
            (say("I cannot speak Chinese", "nlu_fallback", cue("foreign")), line("utter_foreign_more")),
        ],
    )
    def test_questions_and_small_talk(self, message: Turn, reaction: Reaction) -> None:
        assert listen(asked("phone"), message)[1] == reaction

    def test_a_complaint_with_the_words_of_a_question_is_a_complaint(self) -> None:
        message = say("要多久才肯办我的事情啊", "complain", cue("how_long"))
        assert listen(asked("branch"), message)[1] == line("utter_heard_more", is_answer=True)

    @pytest.mark.parametrize(
        ("name", "reaction"),
        [("rejects", line("utter_not_accepted")), ("accepts", line("utter_accepted"))],
    )
    def test_what_is_said_to_an_explanation(self, name: str, reaction: Reaction) -> None:
        assert listen(asked("branch", script_ids_used=("X02@1",)), say("嗯", "inform", cue(name)))[1] == reaction

    @pytest.mark.parametrize(
        ("before", "message", "reaction"),
        [
            (asked("branch"), say("他还把我的号作废了", "complain"), line("utter_heard_more", is_answer=True)),
            (
                asked("branch"),
                say("昨天他还把我的号作废了呀", "complain", span("time", "昨天", "2026-11-24")),
                line("utter_heard_more"),
            ),
            (memory(whole(), "confirm"), say("他还把我的号作废了", "complain"), line("utter_heard_more")),
            (
                asked("branch"),
                say("城东支行，他还把我的号作废了", "complain", HERE),
                ANSWER,
            ),
        ],
    )
    def test_more_of_the_story(self, before: Memory, message: Turn, reaction: Reaction) -> None:
        assert listen(before, message)[1] == reaction

    def test_who_leaves_for_the_regulator_loses_nothing(self) -> None:
        message = say("不登记了，我直接打12378", "withdraw", cue("withdraw"), level=3)
        for before in (asked("branch"), memory(whole(), "confirm")):
            now, reaction = listen(before, message)
            assert reaction == line("utter_left_open", holds=True)
            assert now.draft.narrative_raw == STORY

    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            (say("不登记了，我不想弄了", "withdraw", cue("withdraw"), level=2), ANSWER),
            (say("我直接打12378", "complain", level=3), ANSWER),
        ],
    )
    def test_who_does_not_leave_is_heard_as_before(self, message: Turn, kept: Reaction) -> None:
        assert listen(asked("branch"), message)[1] == kept

    @pytest.mark.parametrize(
        ("message", "changed"),
        [
            (say("姓写错了 是生姜的姜", "correct", cue("change:name"), cue("misspoke")), {"name": "姜"}),
            (say("金额错了 是55不是50", "correct", cue("change:amount"), span("amount", "50", "50")), {"amount": "55"}),
            (say("金额错了，是55", "correct", cue("change:amount")), {"amount": "55"}),
            # What was understood as an amount is surer than digits.
            (say("金额错了，不是50块，是55块", "correct", cue("change:amount"), span("amount", "50块", "50"), span("amount", "55块", "55")), {"amount": "55"}),
            (say("金额错了，是1万2", "correct", cue("change:amount"), span("amount", "1万2", "12000")), {"amount": "12000"}),
        ],
    )  # fmt: skip
    def test_an_order_to_change_may_bring_what_is_right(self, message: Turn, changed: dict[str, str]) -> None:
        now, reaction = listen(memory(whole(name="江", amount="50"), "confirm"), message)
        assert now.draft.model_dump(include=set(changed)) == changed
        assert reaction == line("utter_corrected")

    @pytest.mark.parametrize(
        ("before", "message"),
        [
            (memory(whole(), "confirm"), say("不对，是柳园支行", "correct", at("B4", "柳园支行"))),
            (memory(whole(), "phone"), say("柳园支行", "correct", at("B4", "柳园支行"))),
            (memory(whole(), "confirm", correcting=True), say("柳园支行", "inform", at("B4", "柳园支行"))),
        ],
    )
    def test_what_is_put_right(self, before: Memory, message: Turn) -> None:
        now, reaction = listen(before, message)
        assert (now.draft.branch, reaction.line) == ("B4", "utter_corrected")


class TestSecondMatter:
    OTHER = "还有另一件事，手机银行也登不上去"

    @pytest.mark.parametrize("intent", ["complain", "inform", "nlu_fallback"])
    def test_is_kept_aside_whole(self, intent: str) -> None:
        message = say(self.OTHER, intent, cue("second_matter"), HERE, causes=(guess("C6c"),))
        now, reaction = listen(asked("branch"), message)
        assert reaction == line("utter_later")
        assert (now.draft.narrative_raw, now.draft.branch, now.requested) == (STORY, None, "branch")
        assert now.later is not None
        told = (now.later["narrative_raw"], now.later["cause_l2"], now.later["branch"])
        assert told == (self.OTHER, "C6c", "B1")

    @pytest.mark.parametrize(
        ("before", "message"),
        [
            (asked("branch"), say(OTHER, "inquire", cue("second_matter"))),
            (asked("branch"), say("还有另一件事", "inform", cue("second_matter"))),  # nothing is told yet
            (asked("narrative"), say(OTHER, "complain", cue("second_matter"))),
        ],
    )
    def test_is_none(self, before: Memory, message: Turn) -> None:
        assert listen(before, message)[0].later is None

    def test_a_third_one_goes_with_the_second(self) -> None:
        third = "第三个，信用卡年费也是乱扣"
        before = asked("branch")
        for words in (self.OTHER, third):
            before, _ = listen(before, say(words, "inform", cue("second_matter")))
        assert (before.later or {})["narrative_raw"] == f"{self.OTHER}\n{third}"


class TestAnswers:
    @pytest.mark.parametrize(
        ("field", "message"),
        [
            # Not a name.
            ("name", say("那个提交时间", "inform")),
            ("name", say("我不知道啊", "inform")),
            ("name", say("随便吧，就是那个谁谁谁", "inform")),
            ("name", say("不", "deny")),
            ("name", say("嗯", "affirm", cue("silence"))),
            ("name", say("写错了", "correct", cue("misspoke"))),
            # No wish.
            ("request", say("他当时就是不给我退", "complain")),
            ("request", say("你们什么时候给我退？", "inquire")),
            ("request", say("等一下我找找", "inform", cue("wait"))),
            # No number of people, no paper.
            ("representative_count", say("好多人", "inform")),
            ("authorization", say("那个嘛", "inform")),
            # Angry noise is not the name of a branch.
            ("branch", say("啊啊啊啊", "nlu_fallback")),
            ("branch", say("太差了", "complain")),
            ("amount", say("不少钱呢", "inform")),
            ("event_time", say("时间错了", "correct")),
        ],
    )
    def test_nothing_is_taken_for_an_answer_that_is_none(self, field: str, message: Turn) -> None:
        now, _ = listen(asked(field), message)
        assert now.draft.model_dump()[field] is None
        assert (now.draft.branch_name, now.draft.event_time_text, now.draft.customer_quote) == (None, None, None)

    @pytest.mark.parametrize(
        ("field", "message", "stored"),
        [
            ("name", say("姓乔", "inform"), {"name": "乔"}),
            ("name", say("邝", "nlu_fallback"), {"name": "邝"}),
            ("name", say("单（读善）", "inform"), {"name": "单"}),
            ("name", say("叫我小麻就行 就姓麻", "nlu_fallback"), {"name": "小麻"}),
            ("name", say("就叫我老王吧", "chitchat"), {"name": "老王"}),
            ("name", say("免贵姓第五", "inform", span("name", "姓第五", "第五")), {"name": "第五"}),
            ("name", say("王女士就行", "inform"), {"name": "王女士"}),
            ("name", say("喊我老李就行", "chitchat"), {"name": "老李"}),
            ("name", say("李会计", "nlu_fallback"), {"name": "李会计"}),
            ("name", say("周敏", "inform"), {"name": "周敏"}),
            ("name", say("周敏", "inform", span("name", "周敏", "周敏")), {"name": "周敏"}),
            ("branch", say("菜市场对面那家", "inform"), {"branch": None, "branch_name": "菜市场对面那家"}),
            ("branch", say("城东", "inform", HERE), {"branch": "B1", "branch_name": "城东支行"}),
            ("event_time", say("过完年那阵", "inform"), {"event_time": None, "event_time_text": "过完年那阵"}),
            ("event_time", say("平时都这样", "complain"), {"event_time": None, "event_time_text": "平时都这样"}),
            ("event_time", say("记不清了", "skip"), {"event_time": None, "event_time_text": "记不清了"}),
            ("product", say("那个定存宝", "inform"), {"product": "那个定存宝"}),
            ("request", say("把门口的牌子换掉", "inform"), {"request": Request.OTHER, "customer_quote": "把门口的牌子换掉"}),
            ("request", say("别再这样对老人", "complain"), {"request": Request.OTHER, "customer_quote": "别再这样对老人"}),
            ("request", say("讨个公道", "inform"), {"request": Request.OTHER, "customer_quote": "讨个公道"}),
            ("request", say("道歉", "inform", span("request", "道歉", "道歉")), {"request": Request.APOLOGY, "customer_quote": "道歉"}),
            # A wish, whatever it is heard as.
            ("request", say("把多扣的退给我", "skip"), {"request": Request.REFUND, "customer_quote": "把多扣的退给我"}),
            ("request", say("不要钱，就要道歉", "deny"), {"request": Request.APOLOGY, "customer_quote": "不要钱，就要道歉"}),
            ("authorization", say("没有", "deny"), {"authorization": "none"}),
            ("authorization", say("有的", "affirm"), {"authorization": "promised"}),
            ("representative_count", say("大概十五个人", "inform"), {"representative_count": 15}),
            ("representative_count", say("12个", "inform"), {"representative_count": 12}),
        ],
    )  # fmt: skip
    def test_an_answer_that_the_question_makes_plain(self, field: str, message: Turn, stored: dict[str, Any]) -> None:
        now, reaction = listen(asked(field), message)
        assert {name: getattr(now.draft, name) for name in stored} == stored
        assert reaction.line is None
        assert not now.tries

    @pytest.mark.parametrize(
        ("field", "message"),
        [
            ("branch", say("三百块", "inform", span("amount", "三百块", "300"))),
            ("name", say("<PHONE_1>", "inform", span("phone", "<PHONE_1>", "<PHONE_1>"))),
            ("event_time", say("城东支行", "inform", HERE)),
        ],
    )
    def test_another_fact_is_no_failed_attempt(self, field: str, message: Turn) -> None:
        now, _ = listen(asked(field), message)
        assert not now.tries
        assert now.draft.sources
        assert field not in now.draft.sources

    @pytest.mark.parametrize(
        ("message", "tries"),
        [
            (say("为什么", "ask_why"), {}),
            (say("等一下", "inform", cue("wait")), {}),
            (say("谢谢", "thank"), {}),
            (say("不想说", "skip"), {}),
            (say("啊啊啊啊", "nlu_fallback"), {"branch": 2}),
            (say("他把我的号也作废了", "complain"), {"branch": 2}),
        ],
    )
    def test_only_attempts_are_counted(self, message: Turn, tries: dict[str, int]) -> None:
        before = memory(story(), "branch", asked=("branch",), tries={"branch": 1} if tries else {})
        assert listen(before, message)[0].tries == tries

    def test_what_is_skipped_is_remembered(self) -> None:
        assert listen(asked("phone"), say("不留", "deny"))[0].skipped == {"phone"}

    def test_a_question_to_us_skips_nothing(self) -> None:
        assert not listen(asked("phone"), say("为什么", "ask_why"))[0].skipped

    def test_the_story_is_asked_for_and_told(self) -> None:
        now, reaction = listen(memory(requested="narrative"), say(STORY, "complain", causes=(guess("C5a"),)))
        assert (now.draft.narrative_raw, now.draft.cause_l2, reaction) == (STORY, "C5a", ANSWER)


class TestVerifying:
    DOUBTFUL = memory(story(branch="B1", branch_name="城东支行", sources={"branch": UNSURE}), "verify:branch")

    @pytest.mark.parametrize(
        ("message", "branch", "confidence"),
        [
            (say("不对", "deny"), None, None),
            (say("不是这家", "correct"), None, None),
            (say("柳园支行", "inform", at("B4", "柳园支行")), "B4", 0.95),
            (say("城东支行", "inform", HERE), "B1", 0.95),
            (say("对", "affirm"), "B1", 1.0),
            (say("没错", "nlu_fallback"), "B1", 1.0),
            (say("他还骂人呢", "complain"), "B1", 0.5),
        ],
    )
    def test_the_answer_to_a_closed_question(self, message: Turn, branch: str | None, confidence: float | None) -> None:
        draft = listen(self.DOUBTFUL, message)[0].draft
        source = draft.sources.get("branch")
        assert (draft.branch, source.confidence if source else None) == (branch, confidence)

    def test_an_interruption_is_answered(self) -> None:
        now, reaction = listen(self.DOUBTFUL, say("为什么", "ask_why", cue("why:branch")))
        assert (now.draft.branch, reaction.line) == ("B1", "utter_why_branch")

    def test_no_empties_every_name_of_the_fact(self) -> None:
        draft = judged(memory(whole(sources={"event_time": UNSURE})), "event_time", right=False).draft
        assert (draft.event_time, draft.event_time_text, dict(draft.sources)) == (None, None, {})


class TestBookkeeping:
    @pytest.mark.parametrize(
        ("message", "correcting"),
        [
            (say("城东支行", "inform", HERE), False),
            (say("你好", "greet"), False),
            (say("说错了", "correct"), True),
            (say("改一下金额", "inform", cue("change:amount")), True),
        ],
    )
    def test_correcting_lasts_one_message(self, message: Turn, correcting: bool) -> None:
        assert listen(memory(story(), "branch", correcting=True), message)[0].correcting is correcting

    def test_when_the_customer_wrote_last(self) -> None:
        assert listen(asked("branch"), say("嗯"))[0].last_at == NOW.isoformat()

    @pytest.mark.parametrize(("last_at", "minutes"), [(None, 0), ("2026-11-25T14:15:00+08:00", 45)])
    def test_pause(self, last_at: str | None, minutes: float) -> None:
        assert pause(memory(last_at=last_at), say("在吗")) == minutes
