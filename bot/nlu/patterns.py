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
# A day that can be counted from today or stands in the calendar.
_DAY_WORD = (
    r"大?前天|昨天|昨儿|昨日|今天|今儿个?|今日|昨晚|今早|今晚|前几天|前两天|前阵子|"
    r"(?:上上|上|这|本)个?(?:周|星期|礼拜)[一二三四五六日天]|(?:周|星期|礼拜)[一二三四五六日天]|(?:上上|上|这|本)个?(?:周|星期|礼拜)|"
    r"(?:(?:\d{2,4}|[零一二三四五六七八九〇]{2,4})年|去年|前年|今年)?(?:\d{1,2}|[一二三四五六七八九十]{1,3})月(?:份|(?:\d{1,2}|[一二三四五六七八九十]{1,3})(?:号|日))|"
    r"上个月(?:\d{1,2}[号日])?|上月|去年|前年"
)
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


_SURNAME = r"[赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜谢邹苏潘葛范彭郎鲁韦马苗方俞任袁柳史唐费薛雷贺倪汤罗毕郝安于傅齐康余顾孟黄萧尹姚邵汪毛戴宋熊纪舒屈项祝董梁杜阮季贾路江童郭梅林钟徐邱骆高夏蔡田樊胡霍万柯卢莫房解丁邓洪石崔龚程邢陆翁侯叶白蒲邰赖谭温庄晏柴阎廖欧聂曾岳肖覃]"
_ROLE = r"(?:柜员|经理|主任|行长|主管|会计|坐席|座席|客服|保安|师傅|大堂|专员|业务员|信贷员|理财师|工作人员|员工)"
_LOOKS = r"(?:戴眼镜|扎马尾|穿[\u4e00-\u9fff]{1,4}|短发|长发|胖|瘦|年轻|高个子?|卷头发|烫头|光头)"
_LIKELY: Dict[str, Pattern[str]] = {
    "person": re.compile(
        rf"(?:(?:\d{{1,2}}|[一二两三四五六七八九十]{{1,2}})号(?:窗口?|柜台?)(?:那个|那位|里)?(?:的)?(?:那个|那位)?(?:{_ROLE}|小姑娘|小伙子?|女的|男的|姑娘|大姐|大哥)?)"
        rf"|(?:那个|一个|一位)?姓{_SURNAME}的(?:女|男|小)?{_ROLE}?|(?:工号)\s?\w{{3,8}}(?:的)?{_ROLE}?"
        rf"|(?:小|老)?{_SURNAME}(?:经理|主任|行长|主管)|(?:大堂|客户|理财|网点|值班|信贷|贷款)(?:经理|主任)"
        rf"|(?:那个|一个)?{_LOOKS}的(?:那个|女|男)?(?:{_ROLE}|小姑娘|小伙子?|女的|男的|姑娘|大姐)"
    ),
    "time": re.compile(rf"(?:{_DAY_WORD})(?:的)?(?:{_DAYTIME})?(?:{_CLOCK})?|{_DAYTIME}{_CLOCK}"),
    "duration": re.compile(
        rf"(?<=[等排坐站耗拖])(?:了|队|了我|着)?(?:快|将近|足足|整整|差不多|大概)?({_NUM}(?:多|来|几)?个?半?(?:小时|钟头|分钟|天|星期|礼拜|月)(?:零?{_NUM}分钟?)?|半(?:个)?(?:多)?(?:小时|钟头|天)|一(?:上午|下午|整天))"
    ),
    "count": re.compile(
        rf"(?:{_NUM}|几十|十几|上百|好几十)(?:多|来|几)?(?:个|号|名|位)(?:人|老人|客户|储户|业主|工友)"
    ),
    "product": re.compile("|".join(sorted(map(re.escape, _products()), key=len, reverse=True))),
}


def likely(text: str) -> List[Shape]:
    """Spans that are usually entities: taken where the tagger saw none."""
    found = []
    for kind, pattern in _LIKELY.items():
        for match in pattern.finditer(text):
            span = match.span(1) if kind == "duration" else match.span()
            found.append((kind, *span))
    return found
