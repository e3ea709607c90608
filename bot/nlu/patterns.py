"""What has the shape of an entity, whatever it means here: hints for the span tagger, and the spans that need no context."""

import re
from collections.abc import Iterator
from typing import Dict, List, Pattern, Tuple

from bot.nlu.files import LEXICON

Shape = Tuple[str, int, int]


def _products() -> List[str]:
    words = (LEXICON / "products.txt").read_text(encoding="utf-8").split()
    return [word.lower() for word in words]


_NUM = r"[\d零一二两三四五六七八九十百千万亿俩仨幺点.,，]*[\d零一二两三四五六七八九十百千万亿俩仨]"
_CLOCK = r"(?:\d{1,2}|[一二两三四五六七八九十]{1,3})(?:点|[:：]|时(?!候))(?:钟|半|一刻|三刻|整|(?:过|差|零)?(?:\d{1,2}|[一二三四五六七八九十零]{1,3})(?:分)?)?(?:多钟|来钟|多|左右|不到)?"
_DAYTIME = r"(?:凌晨|一大早|大清早|清早|早上|早晨|上午|中午|晌午|下午|傍晚|晚上|半夜|夜里|夜晚|午休|午后)"
_DAY = (
    r"(?:大?前天|大?前儿|昨天|昨儿个?|昨日|今天|今儿个?|今日|昨晚|今早|今晚|昨夜|头天|刚才|刚刚|前几天|前两天|前些天|那天|"
    r"(?:上上|上|这|本|前)?个?(?:周|星期|礼拜)(?:[一二三四五六日天末])|(?:上上|上|这|本)个?(?:周|星期|礼拜)(?![一二三四五六日天末])|"
    r"(?:(?:\d{2,4}|[零一二三四五六七八九〇]{2,4})年|去年|前年|今年|上年|当年)?(?:\d{1,2}|[一二三四五六七八九十]{1,3}|正|腊|上个?|这个?|本)月(?:份)?(?:\d{1,2}|[一二三四五六七八九十]{1,3})?(?:号|日)?|"
    r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})(?:号|日)(?!窗|柜|线|楼)|\d{2,4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|"
    r"去年|前年|今年|(?:\d{2,4}|[零一二三四五六七八九〇]{2,4})年|月初|月底|月末|年初|年底|年前|年后|"
    r"(?:大?年)?(?:初|三|廿)[一二三四五六七八九十]+(?![块万千百个])|除夕|春节|元旦|清明|端午|中秋|国庆|五一|十一|元宵|双十一)(?:节)?(?:那天|当天|前后|前一天|后第?[一二三]天)?"
)

_SHAPES: Dict[str, Pattern[str]] = {
    "time": re.compile(rf"{_DAY}(?:的)?(?:{_DAYTIME})?(?:{_CLOCK})?|{_DAYTIME}(?:{_CLOCK})?|{_CLOCK}"),
    "duration": re.compile(
        rf"(?:{_NUM}|半|大半|好?几|十几|一|整整?一?)(?:多|来|几)?个?(?:半|多)?(?:小时|钟头|分钟|分多钟|刻钟|点钟|天|星期|礼拜|周(?!年)|年|月|秒钟?|上午|下午|晚上|时辰|宿)(?:半|多)?(?:小时|[\d一二三四五六七八九十]+分钟?)?"
    ),
    "amount": re.compile(
        rf"[￥¥$]\s*{_NUM}|{_NUM}(?:多|来|几)?(?:万|千|百)?(?:多|来)?(?:元|块|圆|毛|角|分钱|美元|刀|w|k)(?:\d|[一二三四五六七八九])?(?:毛|角|钱)?|(?:[一二两三四五六七八九十\d]+(?:万|千|百)[\d零一二两三四五六七八九十百千]*多?)"
    ),
    "count": re.compile(
        rf"(?:{_NUM}|几十|十几|上百|好几十|几)(?:多|来|几)?(?:个|号|名|位|口|户|家|人)(?:多)?(?:人|老人|客户|储户|业主|工友|同事)?"
    ),
    "phone": re.compile(
        r"<PHONE_\d+>|(?<!\d)1[3-9](?:[\s\-.]?\d){9}(?!\d)|(?<!\d)0\d{2,3}[\s\-]?\d{7,8}(?!\d)|[幺一1][三五七八九3-9](?:[\s，,…]?[幺零一二三四五六七八九\d]){9}"
    ),
    "card": re.compile(
        r"<CARD_\d+>|尾号(?:是|为)?\s*[\d幺零一二三四五六七八九]{4}|后四位(?:是|为)?\s*[\d幺零一二三四五六七八九]{4}|(?<!\d)\d{4}(?!\d)"
    ),
    "person": re.compile(
        r"(?:\d{1,2}|[一二三四五六七八九十])号(?:窗口?|柜台?|桌)|姓[\u4e00-\u9fff]|柜员|坐席|座席|大堂|经理|主任|行长|主管|保安|客服|理财师|信贷员|小姑娘|小伙子?|大姐|大哥|师傅|女的|男的"
    ),
    "branch": re.compile(r"[\u4e00-\u9fff]{2,8}?(?:支行|分行|网点|营业厅|营业部|营业室|分理处|储蓄所|营业所)"),
}


def shapes(text: str) -> Iterator[Shape]:
    """Everything in the text that has an entity's shape; shapes may overlap."""
    for kind, pattern in _SHAPES.items():
        for match in pattern.finditer(text):
            yield (kind, *match.span())


_PLACEHOLDER = re.compile(r"<(PHONE|CARD)_\d+>")
_MOBILE = re.compile(r"(?<!\d)1[3-9](?:[\s\-.]?\d){9}(?!\d)")
_TAIL = re.compile(r"(?:尾号|后四位|末四位|尾数)(?:是|为|：|:)?\s*(\d{4})(?!\d)")


def certain(text: str) -> List[Shape]:
    """Spans whose shape alone decides."""
    found = [("phone" if it[1] == "PHONE" else "card_tail", *it.span()) for it in _PLACEHOLDER.finditer(text)]
    found += [("phone", *it.span()) for it in _MOBILE.finditer(text)]
    if "手机" not in text and "电话" not in text:
        found += [("card_tail", *it.span(1)) for it in _TAIL.finditer(text)]
    return found


_PRODUCT = re.compile("|".join(sorted(map(re.escape, _products()), key=len, reverse=True)))


def named_products(text: str) -> List[Shape]:
    """Products of the lexicon: taken where the tagger saw nothing."""
    return [("product", *match.span()) for match in _PRODUCT.finditer(text)]
