"""Long messages: what is read never exceeds the limit, and what matters is among it."""

import pytest

from bot.nlu.cutting import LIMIT, clauses, kept_ranges
from bot.nlu.reading import read


def test_a_short_message_is_read_whole() -> None:
    assert kept_ranges("柜员态度差。" * 10) == ()


@pytest.mark.parametrize("text", ["啊" * 20_000, "我在排队，" * 4_000, "。" * 20_000, "a b " * 5_000, "\n" * 20_000])
def test_the_limit_holds(text: str) -> None:
    ranges = kept_ranges(text)
    assert sum(end - start for start, end in ranges) <= LIMIT
    assert list(ranges) == sorted(ranges)


def test_the_sentence_that_matters_is_kept() -> None:
    filler = "今天天气不错，我出门散步，遇见了邻居。" * 200
    text = f"{filler}我不想活了。{filler}"
    assert "我不想活了" in read(text).message.text


def test_offsets_of_a_cut_message_are_those_of_the_whole() -> None:
    text = "路上车很多。" * 300 + "我在城东支行被柜员骂了，要投诉。" + "就这样吧。" * 300
    message = read(text).message
    at = message.text.index("城东支行")
    start, end = message.to_raw(at, at + 4)
    assert text[start:end] == "城东支行"


def test_clauses() -> None:
    text = "排队一小时, 态度很差"
    assert [text[start:end] for start, end in clauses(text)] == ["排队一小时", "态度很差"]
    assert clauses("排队一小时") == []
