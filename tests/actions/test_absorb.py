"""What a message says goes into the draft, and nothing that was said before is lost."""

from typing import Any

import pytest
from rasa_sdk import Tracker

from actions.absorb import absorb, is_correction
from actions.tracker import Memory, Turn, read_turn
from contract.ticket import Request, TicketDraft
from tests.actions.parts import STORY, at, cue, guess, memory, say, span, story, whole

YESTERDAY = span("time", "昨天", "2026-11-24")
NOON = span("time", "中午十二点", "2026-11-25T12:00")
HERE = at("B1", "城东支行")
# Heard as no complaint: what it would be as one stands in `possible`.
SHORT = say(
    "昨天上午十点在城东支行柜员骂我，要求道歉", "inform", span("time", "昨天上午十点", "2026-11-24T10:00"), HERE,
    span("person", "柜员"), span("request", "要求道歉", "道歉"), possible=(guess("C2a"),),
)  # fmt: skip


def after(turn: Turn, before: TicketDraft | None = None, requested: str | None = None, **more: Any) -> TicketDraft:
    return absorb(memory(before, requested, **more), turn).draft


def complaint(*causes: tuple[str, float], second: str | None = None, **more: Any) -> Turn:
    told = (span("second_cause", STORY, second),) if second else ()
    return say(STORY, "complain", *told, causes=tuple(guess(code, confidence) for code, confidence in causes), **more)


class TestStory:
    @pytest.mark.parametrize(
        ("message", "requested"),
        [
            (say("城东支行", "inform", at("B1", "城东支行")), "branch"),
            (say("昨天，城东支行", "inform", YESTERDAY, at("B1", "城东支行")), "branch"),
            (say("300块", "complain", span("amount", "300块", "300")), "amount"),
            (say("你好啊你好啊你好啊", "greet"), "branch"),
            (say("不想说这件事情啊啊啊", "skip"), "narrative"),
            (say("为什么要问这件事情呢", "ask_why"), "narrative"),
            (say("电话<PHONE_1>，卡<CARD_1>", "inform", span("phone", "<PHONE_1>")), "phone"),
            (say("对，就是这样的", "affirm"), "narrative"),
            (say("不是的，没有这回事", "deny"), "narrative"),
            (say("确认提交", "nlu_fallback"), "narrative"),  # a yes, whatever it is heard as
            (SHORT, "branch"),  # facts, once the story is told
        ],
    )
    def test_is_no_part_of_the_story(self, message: Turn, requested: str) -> None:
        assert after(message, story(), requested).narrative_raw == STORY

    @pytest.mark.parametrize(
        ("message", "requested"),
        [
            (say("他还说有意见去找领导", "complain"), "branch"),
            (say("城东支行，当时还有三个人在等着办", "inform", at("B1", "城东支行")), "branch"),
            (say("保安把门关上不让我进去", "nlu_fallback"), "branch"),
            (say("还有", "complain"), "confirm"),
            (say("存折", "inform"), "narrative"),
        ],
    )
    def test_is_more_of_the_story(self, message: Turn, requested: str) -> None:
        assert after(message, story(), requested).narrative_raw == f"{STORY}\n{message.text}"

    def test_the_first_complaint_is_the_story_however_short(self) -> None:
        assert after(say("太差了", "complain")).narrative_raw == "太差了"

    @pytest.mark.parametrize("words", [STORY, STORY[2:8]])
    def test_the_same_words_are_kept_once(self, words: str) -> None:
        assert after(say(words, "complain"), story(), "narrative").narrative_raw == STORY

    def test_a_short_opening_full_of_facts_is_one(self) -> None:
        draft = after(SHORT)
        assert (draft.narrative_raw, draft.cause_l2, draft.request) == (SHORT.text, "C2a", Request.APOLOGY)

    @pytest.mark.parametrize(
        "message",
        [
            say(
                "我姓周，电话<PHONE_1>，在城东支行",
                "inform",
                span("name", "姓周", "周"),
                span("phone", "<PHONE_1>"),
                HERE,
            ),
            say("我在城东支行", "inform", HERE),
        ],
    )
    def test_who_and_where_alone_are_none(self, message: Turn) -> None:
        assert after(message).narrative_raw is None

    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            (say("在柳园支行", "inform", at("B4", "柳园支行")), True),
            (say("在城东支行", "inform", HERE), False),
            (say("不对，是柳园支行", "correct", at("B4", "柳园支行")), False),  # put right, nothing is lost
        ],
    )
    def test_a_fact_that_differs_is_kept_in_its_words(self, message: Turn, kept: bool) -> None:
        told = f"{STORY}\n{message.text}" if kept else STORY
        assert after(message, whole(), "event_time").narrative_raw == told


class TestCause:
    @pytest.mark.parametrize(
        ("message", "before", "found"),
        [
            # (first level, second level, second matter, another possibility)
            (complaint(("C2a", 0.5), ("C10", 0.3)), None, ("C2", "C2a", None, "C10")),
            (complaint(("C2a", 0.9), ("C10", 0.08)), None, ("C2", "C2a", None, None)),
            (complaint(("C5a", 0.5), ("C7a", 0.3), ("C3", 0.2), second="C7a"), None, ("C5", "C5a", "C7a", "C3")),
            (complaint(("C7a", 0.55)), story(cause_confidence=0.4), ("C5", "C5a", "C7a", None)),
            (complaint(("C7a", 0.6)), story(cause_confidence=0.4), ("C7", "C7a", "C5", None)),
            (complaint(("C7a", 0.9)), story(), ("C5", "C5a", "C7a", None)),
            (complaint(("C7a", 0.84)), story(cause_confidence=0.6), ("C5", "C5a", "C7a", None)),
            (complaint(("C7a", 0.85)), story(cause_confidence=0.6), ("C7", "C7a", "C5", None)),
            # What two words were guessed to be about gives way to the story.
            (complaint(("C7a", 0.6)), story(narrative_raw="太差了"), ("C7", "C7a", "C5", None)),
            (complaint(("C7a", 0.59)), story(narrative_raw="太差了"), ("C5", "C5a", "C7a", None)),
            (complaint(("C7a", 0.49)), story(), ("C5", "C5a", None, None)),
            (complaint(("C99", 0.9)), story(), ("C5", "C5a", None, None)),
            (complaint(("C5b", 0.9)), story(cause_l2=None), ("C5", "C5b", None, None)),
            (complaint(("C5b", 0.9)), story(), ("C5", "C5a", None, None)),
            (complaint(("C1a", 0.6)), story(cause_l1="C99", cause_l2=None), ("C1", "C1a", None, None)),
            (complaint(), None, (None, None, None, None)),
        ],
    )
    def test_a_cause_gives_way_only_to_a_clear_one(
        self, message: Turn, before: TicketDraft | None, found: tuple[str | None, ...]
    ) -> None:
        draft = after(message, before)
        assert (draft.cause_l1, draft.cause_l2, draft.cause_secondary, draft.cause_runner_up) == found

    def test_two_causes_of_one_story_are_sure_together(self) -> None:
        draft = after(complaint(("C5a", 0.5), ("C7a", 0.3), second="C7a"))
        assert draft.cause_confidence == pytest.approx(0.8)

    def test_hearing_it_again_never_makes_it_less_sure(self) -> None:
        assert after(complaint(("C5a", 0.6)), story(cause_confidence=0.9)).cause_confidence == 0.9

    def test_an_answer_changes_no_cause(self) -> None:
        answer = say("城东支行", "inform", at("B1", "城东支行"), causes=(guess("C7"),))
        assert after(answer, story(cause_confidence=0.4), "branch").cause_l1 == "C5"

    def test_what_is_likelier_no_complaint_has_no_cause(self) -> None:
        ranking = [{"code": "none", "confidence": 0.7}, {"code": "C1", "confidence": 0.2}]
        message = {
            "text": "好的",
            "metadata": {"now": "2026-11-25T10:00:00+08:00"},
            "understanding": {"cause": ranking},
        }
        turn = read_turn(Tracker("c1", {}, message, [], False, None, {}, "x"))
        assert (turn.causes, [guessed.code for guessed in turn.possible]) == ((), ["C1"])


class TestLevel:
    def test_the_peak_never_falls(self) -> None:
        draft = after(say("城东支行", level=1), story(level_peak=3, level_course=(3,)))
        assert (draft.level, draft.level_peak, draft.level_course) == (1, 3, (3, 1))

    def test_the_course_tells_changes_only(self) -> None:
        assert after(say("城东支行", level=1), story(level_course=(0, 1))).level_course == (0, 1)

    @pytest.mark.parametrize(
        ("level", "peak", "kept"),
        [
            (1, 0, ()),  # what weighs for a calm level says nothing to a reader
            (2, 3, ()),
            (2, 2, ("投诉到底", "12378", "曝光")),
            (3, 2, ("投诉到底", "12378", "曝光")),
        ],
    )
    def test_the_words_that_decided_are_kept_at_the_peak(self, level: int, peak: int, kept: tuple[str, ...]) -> None:
        message = say("投诉到底", "complain", level=level, reasons=("投诉到底", "12378", "曝光", "太"))
        assert after(message, story(level_peak=peak)).trigger_phrases == kept

    def test_a_ticket_holds_only_so_much(self) -> None:
        full = story(trigger_phrases=tuple("一二三四五六七八九十甲"), level_course=(1, 2) * 20)
        draft = after(say("啊", "complain", level=3, reasons=("长" * 100, "曝光", "12378")), full)
        assert draft.trigger_phrases[10:] == ("甲", "长" * 60)
        assert (len(draft.level_course), draft.level_course[-2:]) == (40, (2, 3))

    def test_the_level_after_each_explanation_is_the_first_one_heard(self) -> None:
        told = story(script_ids_used=("X00@1", "X02@1"), explanation_levels={"X00@1": 2})
        assert after(say("城东支行", level=1), told).explanation_levels == {"X00@1": 2, "X02@1": 1}


class TestFacts:
    def test_one_long_message_fills_every_field(self) -> None:
        draft = after(
            say(
                "昨天中午十二点在城东支行取五千，小李不给办，我姓周，<PHONE_1>，尾号6688，要道歉",
                "complain",
                YESTERDAY,
                NOON,
                at("B1", "城东支行"),
                span("amount", "五千", "5000"),
                span("person", "小李"),
                span("name", "姓周", "周"),
                span("phone", "<PHONE_1>", "<PHONE_1>"),
                span("card_tail", "6688", "6688"),
                span("request", "道歉", "道歉"),
                span("product", "取款"),
                span("representative_count", "三个人", 3),
                span("tag", "媒体", "舆情"),
                span("special_group", "老人", "老人"),
            )
        )
        told = draft.model_dump(exclude_defaults=True, exclude={"narrative_raw", "sources", "level_course", "tags"})
        assert told == {
            "branch": "B1", "branch_name": "城东支行", "event_time": "2026-11-24T12:00", "event_time_text": "昨天中午十二点",
            "amount": "5000", "staff_described": "小李", "name": "周", "phone": "<PHONE_1>", "card_tail": "6688",
            "request": Request.APOLOGY, "customer_quote": "道歉", "product": "取款", "representative_count": 3,
            "special_group": ("老人",),
        }  # fmt: skip
        assert draft.tags == ("舆情", "共同投诉")

    @pytest.mark.parametrize(
        ("told", "field", "confidence"),
        [
            (at("B1", "城东支行"), "branch", 0.95),
            (at("B1", "城东支行", alike=True), "branch", 0.5),
            (at(None, "菜市场那家"), "branch", 0.7),
            (YESTERDAY, "event_time", 0.95),
            (NOON, "event_time", 0.5),  # without a word of the day it is only taken for today
            (span("time", "那阵子"), "event_time", 0.7),
            (span("phone", "<PHONE_1>"), "phone", 0.95),
        ],
    )
    def test_how_sure_a_fact_is(self, told: Any, field: str, confidence: float) -> None:
        source = after(say(told.text, "inform", told), story()).sources[field]
        assert (source.source, source.confidence) == ("said", confidence)

    @pytest.mark.parametrize(
        ("message", "requested", "name"),
        [
            (say("柳园支行也这样", "complain", at("B4", "柳园支行")), "event_time", "城东支行"),
            (say("柳园支行", "inform", at("B4", "柳园支行")), "branch", "柳园支行"),
            (say("不对，是柳园支行", "deny", at("B4", "柳园支行")), "event_time", "柳园支行"),
            (say("柳园支行", "correct", at("B4", "柳园支行")), "event_time", "柳园支行"),
            (say("柳园支行", "inform", at("B4", "柳园支行")), "confirm", "柳园支行"),
        ],
    )
    def test_what_is_known_stays_unless_it_is_put_right(self, message: Turn, requested: str, name: str) -> None:
        assert after(message, whole(), requested).branch_name == name

    def test_after_asking_what_is_right_the_next_message_puts_it_right(self) -> None:
        message = say("柳园支行", "inform", at("B4", "柳园支行"))
        assert after(message, whole(), "event_time", correcting=True).branch == "B4"

    def test_a_branch_that_the_directory_does_not_know_takes_the_old_code_away(self) -> None:
        draft = after(say("不对，是菜市场那家", "correct", at(None, "菜市场那家")), whole())
        assert (draft.branch, draft.branch_name) == (None, "菜市场那家")

    def test_what_is_right_comes_last(self) -> None:
        said = say("不是五百，是五百五", "correct", span("amount", "五百", "500"), span("amount", "五百五", "550"))
        assert after(said, whole(amount="500")).amount == "550"

    @pytest.mark.parametrize(
        ("text", "amounts", "amount"),
        [
            ("取三百，扣了五块", (("三百", "300"), ("五块", "5")), "5"),  # the disputed one
            ("取三百办了一百", (("三百", "300"), ("一百", "100")), "300"),
            ("扣了五块又三块，一共八块", (("五块", "5"), ("三块", "3"), ("八块", "8")), "8"),
            ("好多钱", (("好多钱", "好多钱"),), None),
            ("好多钱，三百", (("好多钱", "好多钱"), ("三百", "300")), "300"),
            # Yuan and cents, and no more than a ticket takes.
            ("扣了19块9毛9分9", (("19块9毛9分9", "19.999"),), "20"),
            ("扣了五千", (("五千", "5E+3"),), "5000"),
            ("扣了一万亿", (("一万亿", "1000000000000"),), None),
            ("扣了负五块", (("负五块", "-5"),), None),
        ],
    )
    def test_the_sum_of_the_matter(self, text: str, amounts: tuple[tuple[str, str], ...], amount: str | None) -> None:
        assert after(say(text, "complain", *(span("amount", *it) for it in amounts))).amount == amount

    @pytest.mark.parametrize(
        ("times", "text", "moment"),
        [
            ((NOON, YESTERDAY), "昨天中午十二点", "2026-11-24T12:00"),
            ((span("time", "今天", "2026-11-25"), YESTERDAY), "昨天", "2026-11-24"),
            ((span("time", "今天", "2026-11-25"),), "今天", "2026-11-25"),
            ((NOON,), "中午十二点", "2026-11-25T12:00"),
            ((span("time", "那阵子"),), "那阵子", None),
            ((span("time", "昨天三点", "2026-11-24T15:00"), NOON), "昨天三点", "2026-11-24T15:00"),
        ],
    )
    def test_day_and_hour_are_one_moment(self, times: tuple[Any, ...], text: str, moment: str | None) -> None:
        draft = after(say("".join(it.text for it in times), "complain", *times))
        assert (draft.event_time_text, draft.event_time) == (text, moment)

    def test_an_hour_refines_the_day_that_was_told_before(self) -> None:
        draft = after(say("下午三点", "inform", span("time", "下午三点", "2026-11-25T15:00")), whole(), "phone")
        assert (draft.event_time_text, draft.event_time) == ("昨天下午三点", "2026-11-24T15:00")
        assert draft.sources["event_time"].confidence == 0.95

    def test_another_day_refines_nothing(self) -> None:
        message = say("前天下午三点", "complain", span("time", "前天下午三点", "2026-11-23T15:00"))
        assert after(message, whole(), "phone").event_time == "2026-11-24"

    @pytest.mark.parametrize(("name", "request_"), [("change:amount", None), ("change:request", Request.CORRECTION)])
    def test_a_line_to_be_changed_is_no_wish(self, name: str, request_: Request | None) -> None:
        message = say("改一下金额", "correct", cue(name), span("request", "改一下", "更正"))
        assert after(message, story()).request is request_

    @pytest.mark.parametrize(
        ("words", "requested", "wish"),
        [
            ("钱被他们退回来了", "branch", None),  # a story
            ("没人让你们退我", "branch", None),
            ("钱被他们退回来了", "request", Request.REFUND),  # the answer to what is wanted
            ("退钱！", "branch", Request.REFUND),
            ("把我的钱给我退回来", "branch", Request.REFUND),
        ],
    )
    def test_a_demand_is_no_story(self, words: str, requested: str, wish: Request | None) -> None:
        message = say(f"你们听好了，{words}", "complain", span("request", words, "退费"))
        assert after(message, story(), requested).request is wish

    def test_when_to_call_is_not_when_it_happened(self) -> None:
        message = say("下午三点以后给我回电话", "inform", cue("callback"), span("time", "下午三点", "2026-11-25T15:00"))
        assert after(message, story(), "event_time").event_time is None

    @pytest.mark.parametrize(("told", "count"), [(8, 8), (100_001, 100_000)])
    def test_heads_are_counted_as_far_as_a_ticket_can(self, told: int, count: int) -> None:
        message = say("我们好多人", "inform", span("representative_count", "好多人", told))
        assert after(message, story(), "representative_count").representative_count == count

    def test_a_name_of_any_length_is_kept_as_long_as_it_fits(self) -> None:
        assert after(say("我叫", "inform", span("name", "长" * 80)), story(), "name").name == "长" * 60

    def test_tags_and_groups_gather(self) -> None:
        message = say("我妈八十了", "complain", span("tag", "12378", "监管"), span("special_group", "八十", "老人"))
        draft = after(message, story(tags=("舆情",), special_group=("残障",)))
        assert (draft.tags, draft.special_group) == (("舆情", "监管"), ("残障", "老人"))


@pytest.mark.parametrize(
    ("message", "corrects"),
    [
        (say("不对"), False),  # what is right is still to come
        (say("柳园支行", "inform", at("B4", "柳园支行")), False),
        (say("柜员不是一般的凶，昨天", "complain", YESTERDAY), False),
        (say("柳园支行", "correct"), True),
        (say("不对，是柳园支行", "deny", at("B4", "柳园支行")), True),
        (say("应该是柳园支行", "inform", at("B4", "柳园支行")), True),
        (say("金额打错了，应该是300", "inform", span("amount", "300", "300")), True),
        (say("金额写错了 是300", "inform", span("amount", "300", "300")), True),
    ],
)
def test_is_correction(message: Turn, corrects: bool) -> None:
    assert is_correction(message) is corrects


def test_absorbing_changes_the_draft_only() -> None:
    before = Memory(draft=story(), requested="branch", form_active=True, asked=("branch",), tries={"branch": 1})
    now = absorb(before, say("城东支行", "inform", at("B1", "城东支行")))
    assert (now.requested, now.asked, dict(now.tries)) == ("branch", ("branch",), {"branch": 1})
