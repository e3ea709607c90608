"""Whose threat it is: the customer's own and present one counts, a denied, quoted or asked one does not."""

import pytest

from bot.nlu.triggers import find_triggers


def own(text: str, level: int) -> bool:
    return any(it.is_own and (it.kind.level or 0) >= level for it in find_triggers(text))


@pytest.mark.parametrize(
    "text",
    [
        "明天一早我就打12378",
        "再不解决我发抖音曝光你们",
        "法院见",
        "我已经找了律师",
        "别逼我去信访",
        "我投诉过三次了没人理",
    ],
)
def test_own_threats(text: str) -> None:
    assert own(text, 3)


@pytest.mark.parametrize(
    "text",
    [
        "我也不想打12378",
        "隔壁大妈说要曝光你们",
        "12378是什么电话",
        "没必要闹到法院去",
        "网上看到有人发抖音投诉银行",
    ],
)
def test_not_their_own(text: str) -> None:
    assert not own(text, 3)


@pytest.mark.parametrize(
    "text",
    [
        "我不想活了",
        "我带了刀在你们门口",
        "我们五十多个人围在支行门口",
        "钱正在往外转，快冻结",
        "有人晕倒了快叫救护车",
        "信我写好了，药也买好了，就今天晚上",
        "遗书都写好了",
        "我正在给骗子转钱",
    ],
)
def test_danger(text: str) -> None:
    assert own(text, 4)


@pytest.mark.parametrize(
    "text",
    [
        "热死了",
        "排队排得要死",
        "前面有120个人",
        "我同事三个人都办过",
        "这张卡被偷过",
        "投诉信我都写好了，你们柜员态度太差",
        "降压药都买了，医保卡刷不出来",
        "我今晚走的飞机，卡被冻结了",
    ],
)
def test_idioms_are_no_danger(text: str) -> None:
    assert not own(text, 4)
