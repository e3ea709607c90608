"""What a question is about, by its words. Pure."""

import re

_RIGHTS_WORDS = ("12378", "12363", "12345", "投诉电话", "监管", "金监局", "银保监", "外部渠道", "仲裁", "起诉")
_WHERE_ELSE = re.compile(
    r"(?:找谁|找哪|去哪|往哪|向哪|到哪|哪里|哪儿|什么地方|什么渠道|哪些渠道).{0,10}(?:反映|投诉|说理|评理|告|申诉|管)"
)
_NOT_CONTENT = re.compile(
    r"(?:答复|结果|处理|结论).{0,10}(?:不认|不服|不满|不接受|不同意).{0,12}(?:怎么办|咋办|还能|找谁|去哪)|不满意.{0,8}(?:怎么办|咋办|还能|找谁|去哪)"
)
_ASKS = re.compile(r"[?？]|吗|呢|请问|什么|哪|怎么|谁|多少|是不是|能不能|可不可以")
_HOURS_WORDS = (
    "几点", "营业时间", "开门", "关门", "上班", "下班", "交班", "换班", "中午", "周末", "周六", "周日", "星期", "节假日", "开不开", "营业吗",
)  # fmt: skip


def asks_for_rights(text: str) -> bool:
    """Where else one may complain: the supervisors' numbers are given to whoever asks."""
    return _WHERE_ELSE.search(text) is not None or (is_question(text) and any(word in text for word in _RIGHTS_WORDS))


def names_authority(text: str) -> bool:
    """Whether a supervisor, a court or the like is named."""
    return any(word in text for word in _RIGHTS_WORDS)


def asks_for_review(text: str) -> bool:
    """What can be done when the answer does not satisfy."""
    return _NOT_CONTENT.search(text) is not None


def asks_for_hours(text: str) -> bool:
    return any(word in text for word in _HOURS_WORDS)


def is_question(text: str) -> bool:
    return _ASKS.search(text) is not None
