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
    ("text", "names"),
    [
        ("我要举报你们行长", False),
        ("柜员收红包", False),
        ("我打12378", True),
        ("我去金监局", True),
        ("法庭上起诉你们", True),
    ],
)
def test_names_authority(text: str, names: bool) -> None:
    assert questions.names_authority(text) is names


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("我对处理结果不满意", False),
        ("不满意", False),
        ("如果答复我不认怎么办", True),
        ("结果不满意还能找谁", True),
    ],
)
def test_asks_for_review(text: str, asks: bool) -> None:
    assert questions.asks_for_review(text) is asks


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
