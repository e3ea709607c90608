"""What the actions read beside the public entities."""

import pytest

from bot.nlu.asides import find_asides
from bot.nlu.triggers import find_triggers


def found(text: str, kind: str, intent: str = "complain") -> object:
    return next((value for name, _, _, value in find_asides(text, find_triggers(text), intent) if name == kind), None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("把手续费退给我", "退费"),
        ("给我道歉", "道歉"),
        ("别再给我打电话了", "停止骚扰"),
        ("要你们给我改正", "更正"),
        ("把我的卡解冻", "恢复使用"),
        ("处理那个柜员", "处理员工"),
        ("赔我误工费", "补偿"),
        ("你们给个说法", "核实"),
        ("帮我看看咋回事", "核实"),
        ("抓紧给我办", "加快"),
        ("柜员不理我", None),
    ],
)
def test_request(text: str, wanted: str) -> None:
    assert found(text, "request") == wanted


@pytest.mark.parametrize(
    ("text", "intent", "name"),
    [
        ("我姓周", "inform", "周"),
        ("我叫欧阳静", "inform", "欧阳静"),
        ("免贵姓厍", "inform", "厍"),  # stands in no list
        ("我姓啥要你管", "complain", None),
        ("王女士", "inform", "王女士"),
        ("李建国", "inform", "李建国"),
        ("李建国", "affirm", None),
        ("我叫你们经理来", "complain", None),
        ("高兴", "chitchat", None),
    ],
)
def test_name(text: str, intent: str, name: str) -> None:
    assert found(text, "name", intent) == name


@pytest.mark.parametrize("text", ["ts2026112500015", "ts 20261125 00015", "单号 20261125-00015 帮我查"])
def test_ticket_number(text: str) -> None:
    assert found(text, "ticket_no") == "TS2026112500015"


def test_who_is_spoken_for() -> None:
    assert found("我们二十多个人都在南湖支行门口", "representative_count") == 20
    assert found("我七十三了 腿脚不好", "special_group") == "老年人"
    assert found("我去打12378", "tag") == "监管类"
    assert found("我不会去打12378", "tag") is None
