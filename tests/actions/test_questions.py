"""What a question is about: the supervisors' numbers, opening hours, or neither."""

import pytest

from actions import questions


@pytest.mark.parametrize(
    "text",
    [
        "我要打12378",  # a threat is no question
        "我要起诉你们",
        "监管来了都没用",
        "你们电话多少",
        "去哪里排队",
        "",
    ],
)
def test_asks_for_no_rights(text: str) -> None:
    assert not questions.asks_for_rights(text)


@pytest.mark.parametrize(
    "text",
    [
        "12378是什么电话",
        "监管电话多少？",
        "怎么起诉",
        "能不能申请仲裁",
        "我还可以去哪里投诉",
        "到底找谁反映你们",
        "有什么渠道能申诉",
    ],
)
def test_asks_for_rights(text: str) -> None:
    assert questions.asks_for_rights(text)


@pytest.mark.parametrize(
    ("text", "asks"),
    [("柜员骂人", False), ("多少钱", False), ("周六开门吗", True), ("你们几点关门", True), ("营业时间", True)],
)
def test_asks_for_hours(text: str, asks: bool) -> None:
    assert questions.asks_for_hours(text) is asks


@pytest.mark.parametrize(
    ("text", "asks"),
    [("柜员骂人。", False), ("", False), ("真的？", True), ("真的吗", True), ("请问一下", True), ("怎么办", True)],
)
def test_is_question(text: str, asks: bool) -> None:
    assert questions.is_question(text) is asks
