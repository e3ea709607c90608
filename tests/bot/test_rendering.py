"""One answer on three channels: nothing is lost on the way, and what can be picked can be typed or said."""

from itertools import product
from typing import Any, Dict, List

import pytest

from bot.channels.rendering import for_channel
from tests.bot.conftest import Conversation
from tests.bot.scripted.actions import ScriptedActions, answer, slot

Message = Dict[str, Any]

YES_OR_NO = [{"label": "对", "payload": "right:yes"}, {"label": "不对", "payload": "right:no"}]
THREE = [
    {"label": "确认提交", "payload": "confirm:yes"},
    {"label": "改一下", "payload": "confirm:change"},
    {"label": "先不提交", "payload": "confirm:no"},
]
ONE = [{"label": "转人工", "payload": "human:yes"}]
CARD = {
    "kind": "read_back",
    "title": "请核对",
    "fields": [
        {"name": "branch", "label": "网点", "value": "城东支行"},
        {"name": "event_time", "label": "时间", "value": "2026年11月24日（昨天中午）"},
    ],
}
CHANNELS = ("web", "wechat", "hotline")


def said(*texts: str) -> List[Message]:
    return [{"text": text} for text in texts]


def asked(text: str, **more: Any) -> Message:
    return {"text": text, "asks": "confirm", **more}


FEELING, RIGHTS, OFFER = "让您等了这么久，换谁都着急。", "您可以拨打12378反映。", "想直接和人说吗？"
QUESTION = "请您核对一下。"
LONG_ANSWER = [
    *said(FEELING, RIGHTS, "这一点我也记下了。", "谢谢您愿意听。"),
    {"text": OFFER, "choices": ONE},
    *said("我们接着登记。"),
    asked(QUESTION, card=CARD, choices=THREE),
]


class TestEveryChannel:
    @pytest.mark.parametrize("channel", CHANNELS)
    def test_nothing_is_left_out_and_all_stays_in_order(self, channel: str) -> None:
        text = "\n".join(message["text"] for message in for_channel(channel, LONG_ANSWER))

        places = [text.index(message["text"]) for message in LONG_ANSWER]
        assert places == sorted(places)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_choices_keep_their_payloads_and_their_order(self, channel: str) -> None:
        shown = for_channel(channel, LONG_ANSWER)

        assert [choice for message in shown for choice in message.get("choices") or ()] == [*ONE, *THREE]

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_the_question_comes_last_with_its_card(self, channel: str) -> None:
        last = for_channel(channel, LONG_ANSWER)[-1]

        assert last["asks"] == "confirm"
        assert last["card"] == CARD

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_a_plain_line_stays_as_it_is(self, channel: str) -> None:
        assert for_channel(channel, said("好的，再见。")) == said("好的，再见。")

    @pytest.mark.parametrize(("channel", "messages"), product(CHANNELS, [LONG_ANSWER, [], said("好")]))
    def test_what_is_given_is_not_changed(self, channel: str, messages: List[Message]) -> None:
        before = repr(messages)

        for_channel(channel, messages)

        assert repr(messages) == before


def test_the_web_shows_it_as_it_is() -> None:
    assert for_channel("web", LONG_ANSWER) == LONG_ANSWER


class TestWeChat:
    @pytest.mark.parametrize("count", range(13))
    def test_at_most_five_messages(self, count: int) -> None:
        texts = [f"第{number}句话。" for number in range(count)]

        shown = for_channel("wechat", said(*texts))

        assert len(shown) == min(count, 5)
        assert "\n".join(message["text"] for message in shown) == "\n".join(texts)

    def test_the_shortest_neighbours_go_together(self) -> None:
        texts = ["一" * 70, "二" * 70, "三", "四", "五" * 70, "六" * 70]

        assert [message["text"] for message in for_channel("wechat", said(*texts))] == [
            texts[0],
            texts[1],
            "三\n四",
            texts[4],
            texts[5],
        ]

    def test_choices_are_numbered_in_their_order(self) -> None:
        (shown,) = for_channel("wechat", [asked(QUESTION, choices=THREE)])

        assert shown["text"].split("\n") == [
            QUESTION,
            "回复数字也可以：",
            "1 确认提交",
            "2 改一下",
            "3 先不提交",
        ]
        assert shown["choices"] == THREE

    def test_numbers_count_through_the_whole_answer(self) -> None:
        """A typed number picks among everything that was offered together (api/dialogue/repository.py)."""
        lines = [line for message in for_channel("wechat", LONG_ANSWER) for line in message["text"].split("\n")]

        assert [line for line in lines if line[:1].isdecimal()] == [
            f"{number} {choice['label']}" for number, choice in enumerate([*ONE, *THREE], start=1)
        ]


class TestTheHotline:
    def test_what_comes_before_the_question_is_said_in_one_breath(self) -> None:
        shown = for_channel("hotline", [*said(FEELING, RIGHTS), asked("哪家网点？")])

        assert [message["text"] for message in shown] == [FEELING + RIGHTS, "哪家网点？"]

    @pytest.mark.parametrize(
        ("choices", "aloud"),
        [
            (ONE, "需要的话就说：转人工。"),
            (YES_OR_NO, "您可以说：对，或者不对。"),
            (THREE, "您可以说：确认提交、改一下，或者先不提交。"),
        ],
    )
    def test_choices_are_spoken_alternatives(self, choices: List[Dict[str, str]], aloud: str) -> None:
        (shown,) = for_channel("hotline", [asked(QUESTION, choices=choices)])

        assert shown["text"] == QUESTION + aloud
        assert shown["choices"] == choices

    def test_a_card_is_read_out_before_the_choices(self) -> None:
        (shown,) = for_channel("hotline", [asked(QUESTION, card=CARD, choices=YES_OR_NO)])

        assert shown["text"] == (
            f"{QUESTION}网点，城东支行。时间，2026年11月24日（昨天中午）。您可以说：对，或者不对。"
        )

    def test_nothing_is_written_for_the_eye(self) -> None:
        for message in for_channel("hotline", LONG_ANSWER):
            assert "\n" not in message["text"]
            assert "回复数字" not in message["text"]


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        ("web", "您看对不对？"),
        ("wechat", "您看对不对？\n回复数字也可以：\n1 对\n2 不对"),
        ("hotline", "您看对不对？您可以说：对，或者不对。"),
    ],
)
async def test_a_turn_is_answered_for_its_channel(
    conversation: Conversation, actions: ScriptedActions, channel: str, shown: str
) -> None:
    buttons = [{"title": choice["label"], "payload": choice["payload"]} for choice in YES_OR_NO]
    asks = answer("您看对不对？", slot("requested_slot", "branch"), custom={"asks": "branch"}, buttons=buttons)
    actions.script("validate_complaint_form", asks)

    turn = await conversation.say("complain 1 C03 | 等了一个小时", channel=channel)

    assert turn.texts == [shown]
    assert turn.body["messages"][0]["choices"] == YES_OR_NO
