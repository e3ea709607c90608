"""The words that file a complaint, and the words that are repeated."""

import pytest

from actions import texts
from contract.playbook import Playbook


@pytest.mark.parametrize(
    "text",
    [
        "",
        "。。。",
        "😡😡😡",
        "asdfgh",
        "今天天气真好",
        "不对",
        "不是",
        "好什么好",
        "提交个屁",
        "对了还有一件事",
        "行长来了吗",
        "对了",
        "嗯？",
        "可以改吗",
    ],
)
def test_is_no_confirmation(text: str) -> None:
    assert not texts.is_confirmation(text)


@pytest.mark.parametrize(
    "text",
    [
        "确认",
        "确认提交！",
        "没错",
        "对的。",
        "好的",
        "OK",
        " 提交吧 ",
        "是的，",
        "没错，提交吧",
        "確認",
        "可以提交了",
        "没问题，就这样提交吧",
    ],
)
def test_is_a_confirmation(text: str) -> None:
    assert texts.is_confirmation(text)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("你他妈的，排了四十分钟队，没人管", "排了四十分钟队"),
        ("电话<PHONE_1>，排队", None),
        ("气死", None),
        ("你就说这算不算有效投诉，到底有没有人管这件事", "到底有没有人管这件事"),
        ("12点去存钱柜员说交班让我等会再来, 态度很差", "12点去存钱柜员说交班让我等会再来"),
    ],
)
def test_heard(text: str, heard: str | None, playbook: Playbook) -> None:
    assert texts.heard(text, playbook.phrases) == heard
