"""One spelling for the models, and every character still knows where the customer wrote it."""

import pytest

from bot.nlu.normalise import normalise


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("我要投訴櫃員態度差", "我要投诉柜员态度差"),
        ("扣了５００元", "扣了500元"),
        ("ＡＴＭ吞卡", "atm吞卡"),
        ("太差了！！！！！！！！", "太差了！！！"),
        ("气死了😡", "气死了生气"),
        ("无语[捂脸]", "无语无语"),
        ("等了\u200b很久", "等了很久"),
        ("我的电话<PHONE_1>", "我的电话<PHONE_1>"),
        ("存了100000元", "存了100000元"),
        ("a  b\n\nc", "a b c"),
        ("", ""),
    ],
)
def test_spelling(raw: str, text: str) -> None:
    assert normalise(raw).text == text


@pytest.mark.parametrize(
    ("raw", "word", "written"),
    [
        ("😡😡在城東支行等了２小時", "城东支行", "城東支行"),
        ("😡😡在城東支行等了２小時", "2小时", "２小時"),
        ("！！！！！！退我３００塊", "300块", "３００塊"),
        ("打<PHONE_1>找我", "<PHONE_1>", "<PHONE_1>"),
        ("👨‍👩‍👧三个人都等着", "三个人", "三个人"),
    ],
)
def test_offsets_lead_back_to_what_was_written(raw: str, word: str, written: str) -> None:
    message = normalise(raw)
    at = message.text.index(word)
    start, end = message.to_raw(at, at + len(word))
    assert raw[start:end] == written
