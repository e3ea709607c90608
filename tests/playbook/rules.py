"""What a compliance officer looks for in a text, and how a text keeps in mind which of its words were filled in."""

import re
from collections.abc import Iterator, Mapping

from api.dialogue.address import Form, addressed
from contract.playbook import Playbook

BUBBLE, ALOUD = 80, 260
FORMS: tuple[Form, ...] = ("您", "你")

# Who was right, what it will cost whom: for the department that decides, never for the assistant (domain.md 4.2, 6.8).
VERDICTS = (
    "有效投诉", "无效投诉", "恶意投诉", "我行责任", "我行的责任", "银行的责任", "我们的责任", "您的责任", "你的责任", "全责", "您的问题", "你的问题",
    "您的错", "你的错", "我们的错", "赔偿", "赔付", "赔您", "赔你", "退您", "退你", "退还您", "处分", "处罚", "开除", "辞退", "撤职", "罚款", "扣奖金",
    "属实", "查无此事", "违法", "并无不当",
)  # fmt: skip

# The numbers that domain.md 1.3 is sure of, the emergency call, and how long a mobile number is.
_KNOWN_NUMBERS = re.compile(r"(?<!\d)(?:110|120|96110|12378|12363|12321|11(?= ?位))(?!\d)")
_UNITS = "元|块钱?|角钱?|美元|%|％|个?工作日|日|天|个?小时|个?钟头?|分钟|秒钟?|刻钟|个?星期|个?礼拜|周|个?月|年|倍"
# A placeholder completed to a figure by our own words ("□天") is one too; "第□天" counts, and promises nothing; "一日一次"
# is how a rule puts it.
_FIGURE = re.compile(
    rf"(?<![哪某这那同第])[□\d零〇一二两三四五六七八九十百千万亿几半数]+[多来余]?\s*(?:{_UNITS})(?!一次)"
)

_PART = re.compile("\ue000(\\w+)\ue001([^\ue002]*)\ue002")
# Values whose source is not sla.yml and that may hold a number with a unit all the same: the customer's own words, the
# branch directory, an incident, the ticket's dates, the organisation's hours, and the day on which a rule began.
_OTHER_SOURCES = frozenset(
    {
        "heard", "amount", "product", "value", "told",
        "hours", "handover", "machines", "closed",
        "incident_title", "incident_from", "incident_to", "incident_services", "workaround",
        "next_date", "extension_reason", "ticket_date",
        "corporate_hours", "corporate_cutoff",
        "effective_from",
    }
)  # fmt: skip


def filled(name: str, value: str) -> str:
    """A value that can still be told from our own words after it was put into a text."""
    return f"\ue000{name}\ue001{value}\ue002"


def all_filled(slots: Mapping[str, str]) -> dict[str, str]:
    return {name: filled(name, value) for name, value in slots.items()}


def plain(text: str) -> str:
    """What the customer reads."""
    return _PART.sub(r"\2", text)


def template(text: str) -> str:
    """The text as it stands in the playbook."""
    return _PART.sub(r"{\1}", text)


def parts(text: str) -> list[tuple[str, str]]:
    return _PART.findall(text)


def faults(text: str, playbook: Playbook, *, longest: int | None = BUBBLE, may_ask: bool = False) -> Iterator[str]:
    """Everything that is wrong with a text whose values were put in by `filled`."""
    shown, ours = plain(text), _PART.sub("□", text)
    if longest is not None and len(shown) > longest:
        yield f"{len(shown)} 字，最多 {longest}"
    if set(shown) & set("{}"):
        yield "占位符没有填上"
    if not may_ask and set(shown) & set("?？"):
        yield "有问号"
    yield from _said_in_both_forms(shown, playbook)
    yield from _figures(text, ours, playbook)


def _said_in_both_forms(shown: str, playbook: Playbook) -> Iterator[str]:
    for form in FORMS:
        said = addressed(shown, form)
        for phrase in playbook.phrases.violations(said):
            yield f"禁语“{phrase}”"
        for word in VERDICTS:
            if word in said:
                yield f"结论“{word}”"
    if "您" in re.sub("“[^”]*”", "", said):
        yield "换成“你”以后还有“您”"


def _figures(text: str, ours: str, playbook: Playbook) -> Iterator[str]:
    """A figure is a value that was filled in, from a source that may give one, or it is a fault."""
    if (found := _FIGURE.search(ours)) is not None:
        yield f"自己写的数字“{found.group()}”"
    if (digits := re.search(r"\d+", _KNOWN_NUMBERS.sub("", ours))) is not None:
        yield f"自己写的数字“{digits.group()}”"
    of_sla = {figure.name for figure in playbook.sla.figures}
    for name, value in parts(text):
        if name not in of_sla | _OTHER_SOURCES and _FIGURE.search(value):
            yield f"{{{name}}} 里不该有数字：{value}"
