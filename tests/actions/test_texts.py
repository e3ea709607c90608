"""The words that file a complaint, the words that are repeated, and how times and numbers read."""

from datetime import UTC, datetime

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
        "不行",
        "好什么好",
        "提交个屁",
        "对了还有一件事",
        "行长来了吗",
        "对了",
        "嗯？",
        "好吗?",
        "可以改吗",
        "确认一下我的电话",
        "no",
        "yes but change the time",
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
        "对对对",
        "好的",
        "好吧",
        "OK",
        "Yes",
        "confirm",
        " 提交吧 ",
        "是的，",
        "没错，提交吧",
        "確認",
        "沒問題",
        "可以提交了",
        "没问题，就这样提交吧",
        "现在对了，提交吧",
        "看了，没毛病",
    ],
)
def test_is_a_confirmation(text: str) -> None:
    assert texts.is_confirmation(text)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("气死", None),
        ("电话<PHONE_1>，排队", None),
        ("你他妈的骗子，一群畜生", None),
        ("凭什么不给我办，怎么回事啊", None),
        ("你们到底管不管吗，城东支行", None),
        ("我要投诉你们，你好你好", None),
        ("快点快点给我办", None),  # the bank must not say it either
        ("这一句话实在是太长了长到没有人会愿意把它从头到尾再念一遍的", None),
        ("你他妈的，排了四十分钟队，没人管", "排了四十分钟队"),
        ("你就说这算不算有效投诉，到底有没有人管这件事", "到底有没有人管这件事"),
        ("12点去存钱柜员说交班让我等会再来, 态度很差", "12点去存钱柜员说交班让我等会再来"),
    ],
)
def test_heard(text: str, heard: str | None, playbook: Playbook) -> None:
    assert texts.heard(text, playbook.phrases) == heard


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", None),
        ("人", None),
        ("8", 8),
        ("12", 12),
        ("两", 2),
        ("十", 10),
        ("十五", 15),
        ("二十", 20),
        ("三十六", 36),
        ("两百", 200),
        ("一百二十", 120),
    ],
)
def test_whole_number(text: str, number: int | None) -> None:
    assert texts.whole_number(text) == number


def test_times_read_as_a_customer_reads_them() -> None:
    assert texts.moment_text("2026-11-26T23:59:00+08:00") == "11月26日 23:59 前"
    assert texts.day_text("2026-12-10T23:59:00+08:00") == "2026年12月10日前"
    assert texts.time_text(datetime(2026, 11, 25, 12, tzinfo=UTC)) == "11月25日 20:00"
