"""Whose matter it is and of what kind, by the customer's words."""

from typing import Any

import pytest

from actions.nature import paper, with_case
from actions.tracker import Turn
from contract.ticket import Nature, Request, TicketDraft
from tests.actions.parts import at, cue, say, span, story

SUGGESTS = cue("suggestion", "建议")


def case(turn: Turn, draft: TicketDraft | None = None) -> TicketDraft:
    return with_case(draft or TicketDraft(), turn, first=draft is None)


class TestNature:
    @pytest.mark.parametrize(
        ("message", "draft"),
        [
            (say("我要举报到银保监", "complain"), None),
            (say("柜员态度差，我要去举报你们", "complain", cue("tip_off")), None),
            (say("柜员小李真好", "praise"), story()),  # a good word in a complaint
            (say("建议你们换人！", "complain", SUGGESTS, level=2), None),
            (
                say("排了两个小时队，柜员还玩手机，我强烈建议处理", "complain", cue("suggestion", "建议处理"), level=1),
                None,
            ),
            (say("建议你们道歉", "complain", SUGGESTS), TicketDraft(request=Request.APOLOGY)),
            (say("太差了", "complain"), None),
            (say("太差了", "complain", level=2), story(nature=Nature.SUGGESTION)),
            (say("太差了", "complain"), story(nature=Nature.SUGGESTION, request=Request.APOLOGY)),
            (
                say("不是举报，就是普通投诉", "deny", cue("plain_complaint")),
                story(nature=Nature.TIP_OFF, cause_l1="C8"),
            ),
            (say("不是建议，是投诉", "deny", cue("plain_complaint")), story(nature=Nature.SUGGESTION)),
            (say("不算举报", "inform", cue("plain_complaint"), cue("tip_off")), story(cause_l1="C8", anonymous=True)),
            (say("他不理人", "complain"), story(nature=Nature.PRAISE)),
        ],
    )
    def test_is_a_complaint(self, message: Turn, draft: TicketDraft | None) -> None:
        assert case(message, draft).nature is Nature.COMPLAINT

    @pytest.mark.parametrize(
        ("message", "draft", "nature"),
        [
            (say("我要举报你们支行的理财经理收好处", "complain", cue("tip_off")), None, Nature.TIP_OFF),
            (say("你好，我要实名举报", "complain", cue("tip_off")), None, Nature.TIP_OFF),
            (say("这个信贷员，我来检举他", "complain", cue("tip_off")), story(cause_l1="C8"), Nature.TIP_OFF),
            (say("还骂人，太差了", "complain", level=2), story(nature=Nature.TIP_OFF), Nature.TIP_OFF),
            (say("柜员小李真好", "praise"), None, Nature.PRAISE),
            (say("就是城东支行", "inform"), story(nature=Nature.PRAISE), Nature.PRAISE),
            (say("建议多开一个窗口", "inform", SUGGESTS), None, Nature.SUGGESTION),
            (say("建议中午多开一个窗口", "complain", SUGGESTS, level=1), None, Nature.SUGGESTION),
            (
                say("老年人多，一个窗口真的不够，建议多开", "complain", cue("suggestion", "建议多开")),
                None,
                Nature.SUGGESTION,
            ),
            (say("中午人最多", "complain"), story(nature=Nature.SUGGESTION), Nature.SUGGESTION),
            (say("中午人最多", "complain", level=1), story(nature=Nature.SUGGESTION), Nature.SUGGESTION),
            (say("他收人家红包", "complain"), story(cause_l1="C8", anonymous=True), Nature.TIP_OFF),
        ],
    )
    def test_is_something_else(self, message: Turn, draft: TicketDraft | None, nature: Nature) -> None:
        assert case(message, draft).nature is nature

    @pytest.mark.parametrize(
        "wish", [Request.REFUND, Request.COMPENSATION, Request.APOLOGY, Request.CORRECTION, Request.STAFF]
    )
    def test_who_wants_redress_has_a_complaint(self, wish: Request) -> None:
        message = say("建议你们赔我", "complain", SUGGESTS)
        assert with_case(TicketDraft(request=wish), message, first=True).nature is Nature.COMPLAINT


class TestPeople:
    @pytest.mark.parametrize(
        ("message", "draft", "found"),
        [
            (say("柜台不给办", "complain"), None, (False, None, None)),
            (say("我替我妈投诉", "complain", cue("agent")), None, (True, "agent", None)),
            (say("我爸去世了，存款取不出来", "complain", cue("heir")), None, (True, "heir", None)),
            (say("我替我妈来继承", "complain", cue("agent"), cue("heir")), None, (True, "heir", None)),
            (say("我替她问问", "inform", cue("agent")), story(is_agent=True, agent_kind="heir"), (True, "heir", None)),
            (say("我有委托书，替我妈投诉", "complain", cue("agent")), None, (True, "agent", "promised")),
            (say("替我妈投诉，没有授权书", "complain", cue("agent")), None, (True, "agent", "none")),
            # A paper of another matter.
            (say("我有授权书", "complain"), None, (False, None, None)),
            (say("没有授权", "inform"), story(is_agent=True, agent_kind="agent", authorization="promised"), (True, "agent", "promised")),
        ],
    )  # fmt: skip
    def test_who_speaks_for_whom(self, message: Turn, draft: TicketDraft | None, found: tuple[Any, ...]) -> None:
        draft = case(message, draft)
        assert (draft.is_agent, draft.agent_kind, draft.authorization) == found

    @pytest.mark.parametrize(
        ("message", "anonymous"),
        [
            (say("可以匿名吗", "inquire", cue("anonymous")), False),  # asking is not yet wanting
            (say("我叫周敏", "inform"), False),
            (say("我要匿名", "inform", cue("anonymous")), True),
        ],
    )
    def test_anonymous(self, message: Turn, anonymous: bool) -> None:
        assert case(message, story()).anonymous is anonymous

    @pytest.mark.parametrize(
        ("message", "anonymous"),
        [
            (say("城东支行", "inform", at("B1", "城东支行")), True),
            (say("我姓周", "inform", span("name", "姓周", "周")), False),
            (say("电话<PHONE_1>", "inform", span("phone", "<PHONE_1>")), False),
            (say("电话<PHONE_1>，别写名字", "inform", span("phone", "<PHONE_1>"), cue("anonymous")), True),
        ],
    )
    def test_who_gives_name_or_phone_is_no_longer(self, message: Turn, anonymous: bool) -> None:
        assert case(message, story(anonymous=True)).anonymous is anonymous

    def test_anonymous_stays(self) -> None:
        assert case(say("城东支行"), story(anonymous=True)).anonymous

    @pytest.mark.parametrize(
        ("message", "draft", "tags"),
        [
            (say("就我一个人", "inform"), TicketDraft(representative_count=1), ()),
            (say("我们三个人", "inform"), TicketDraft(representative_count=3), ("共同投诉",)),
            (say("我们一起投诉", "complain", cue("joint")), TicketDraft(tags=("监管",)), ("监管", "共同投诉")),
            (say("反催收联盟", "complain", cue("agency")), TicketDraft(), ("疑似代理",)),
            (say("My card is gone", "complain", cue("foreign")), TicketDraft(tags=("外语",)), ("外语",)),
        ],
    )
    def test_tags(self, message: Turn, draft: TicketDraft, tags: tuple[str, ...]) -> None:
        assert case(message, draft).tags == tags

    @pytest.mark.parametrize(
        ("text", "draft", "count"),
        [
            ("六个人", story(tags=("共同投诉",)), 6),
            ("我们15户都这样", story(tags=("共同投诉",)), 15),
            ("六个人", story(tags=("共同投诉",), representative_count=4), 4),
            ("就我一个人来", story(tags=("共同投诉",)), None),
            ("六个人排队", story(), None),  # no joint complaint
        ],
    )
    def test_how_many_join_in_is_heard_whenever_it_is_said(
        self, text: str, draft: TicketDraft, count: int | None
    ) -> None:
        assert case(say(text, "inform"), draft).representative_count == count

    def test_a_company(self) -> None:
        assert case(say("我们公司的账户", "complain", cue("corporate"))).customer_type == "对公"

    def test_a_call_back(self) -> None:
        assert case(say("给我回电话", "inform", cue("callback")), story()).callback_wanted


@pytest.mark.parametrize(
    ("name", "used", "answer"),
    [
        ("rejects", (), "unasked"),  # nothing was explained yet
        ("rejects", ("X00@1", "X27@1", "X28@1", "X32@1"), "unasked"),  # comfort, rights, a case: no explanation
        ("accepts", ("X00@1",), "unasked"),
        ("wait", ("X02@1",), "unasked"),
        ("rejects", ("X02@1",), "no"),
        ("accepts", ("X02@1",), "yes"),
    ],
)
def test_what_the_customer_says_to_an_explanation(name: str, used: tuple[str, ...], answer: str) -> None:
    assert case(say("嗯", "inform", cue(name)), story(script_ids_used=used)).accepted_explanation == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("你们这是敷衍", "no"),
        ("那天大堂经理就敷衍我，让我在外面太阳底下站了一个多钟头，号也没给", "unasked"),  # what the manager did
        ("你们刚才那个解释我看就是敷衍人，规定是给谁定的", "no"),  # long, but it names the explanation
    ],
)
def test_in_a_story_these_words_mean_something_else(text: str, answer: str) -> None:
    assert case(say(text, "complain", cue("rejects")), story(script_ids_used=("X02@1",))).accepted_explanation == answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("这个嘛", {}),
        ("没有", {"authorization": "none"}),
        ("我不会写", {"authorization": "none"}),
        ("写不了，她不识字", {"authorization": "none"}),
        ("有的", {"authorization": "promised"}),
        ("没问题，我补一份", {"authorization": "promised"}),
        ("无误，随时带来", {"authorization": "promised"}),
    ],
)
def test_paper(text: str, said: dict[str, str]) -> None:
    assert paper(text) == said
