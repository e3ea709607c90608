"""What the actions need beside the public entities: ticket number, request, name, groups, tags, how many are spoken for, cues. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Dict, List, Pattern, Tuple

from bot.nlu.cues import find_cues
from bot.nlu.files import LEXICON, read_yaml
from bot.nlu.numbers import read_number
from bot.nlu.triggers import Trigger

# Type, start, end in the normalised text, value.
Aside = Tuple[str, int, int, Any]

# api/tickets/numbers.py: two letters, the day, a serial with a check digit; people leave out letters and add spaces.
_TICKET_NO = re.compile(r"(?<![a-z0-9])(?:ts[\s\-]*)?(20\d{6}[\s\-]*\d{5,9})(?!\d)")
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳酆鲍史唐费"
    "廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵"
    "席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁"
    "荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀"
    "蒲邰从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易"
    "慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧沃利蔚越夔隆师巩聂晁勾敖融冷辛阚那简饶空曾毋沙养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公覃岳肖"
)
_SURNAME = rf"(?:欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|[{_SURNAMES}])"
_TITLE = r"(?:先生|女士|小姐|太太|老师|师傅|阿姨|大爷|大妈|同志)"
_NAMES: Tuple[Pattern[str], ...] = (
    re.compile(
        rf"(?:我叫|我名字(?:叫|是)|我的名字(?:叫|是)|本人(?:叫|姓名)?|姓名(?:是|为|[:：])?|名字(?:是|叫|[:：]))\s*({_SURNAME}[\u4e00-\u9fff]{{1,2}})(?![\u4e00-\u9fff])"
    ),
    re.compile(rf"(?:我姓|免贵姓?|敝姓|鄙姓|本人姓|我是姓|(?:^|[，,。\s])姓)\s*({_SURNAME})"),
    # Rare surnames stand in no list.
    re.compile(r"(?:我姓|免贵姓|敝姓|鄙姓|本人姓)\s*(?!名|啥|什)([\u4e00-\u9fff])"),
    re.compile(rf"(?:叫我|称呼我|我是|喊我)\s*({_SURNAME}{_TITLE})"),
    re.compile(rf"^\s*(?:姓|我姓)?\s*({_SURNAME}{_TITLE}?)\s*[。.，,！!]?\s*$"),
    re.compile(rf"^\s*({_SURNAME}[\u4e00-\u9fff]{{0,2}}{_TITLE}?)[\s，,]+(?=<PHONE_|1[3-9]\d)"),
)
_DECLINED = re.compile(r"^(?:什么的)?(?:就|也)?(?:不用|免了|不必|不需要|算了|不要)")
_BARE_NAME = re.compile(rf"^\s*({_SURNAME}[\u4e00-\u9fff]{{1,2}})\s*[。.，,]?\s*$")
# "我们二十多个人", and a crowd that is counted where it stands.
_WE = re.compile(
    r"(?:我们|咱们?|俺们|大家)[^。！？，,]{0,8}?([\d零一二两三四五六七八九十百千]+)(?:多|来|几|余)?(?:个|号|名|位|口|户|家)"
)


@lru_cache(maxsize=None)
def _table(file: str) -> Dict[str, Pattern[str]]:
    return {name: re.compile(words) for name, words in read_yaml(LEXICON / file).items()}


def find_asides(text: str, triggers: Sequence[Trigger], intent: str) -> List[Aside]:
    """All of them; a bare name counts only where somebody answers a question (`inform`, `correct`)."""
    return [
        *(("ticket_no", *it.span(), "TS" + re.sub(r"\D", "", it.group(1))) for it in _TICKET_NO.finditer(text)),
        *_requests(text),
        *_names(text, bare=intent in ("inform", "correct")),
        *_groups(text),
        *_tags(triggers),
        *_represented(text),
        *(("cue", start, end, name) for name, start, end in find_cues(text)),
    ]


def _requests(text: str) -> Iterator[Aside]:
    """The first kind that is asked for and not declined ("道歉就不用了"); what is asked for stands in the lexicon's order."""
    for value, pattern in _table("requests.yml").items():
        for match in pattern.finditer(text):
            start, end = _clause(text, *match.span())
            if not _DECLINED.search(text[match.end() : end]):
                yield ("request", start, end, value)
                return


def _clause(text: str, start: int, end: int) -> Tuple[int, int]:
    """The words around, up to the next signs: what the ticket quotes."""
    signs = "，。！？；,!?; \n"
    while start > 0 and text[start - 1] not in signs:
        start -= 1
    while end < len(text) and text[end] not in signs:
        end += 1
    return start, end


def _names(text: str, *, bare: bool) -> Iterator[Aside]:
    for pattern in (*_NAMES, *((_BARE_NAME,) if bare else ())):
        match = pattern.search(text)
        if match:
            yield ("name", *match.span(1), match.group(1))
            return


def _groups(text: str) -> Iterator[Aside]:
    for value, pattern in _table("groups.yml").items():
        match = pattern.search(text)
        if match:
            yield ("special_group", *match.span(), value)


def _tags(triggers: Iterable[Trigger]) -> Iterator[Aside]:
    seen = set()
    for trigger in triggers:
        if trigger.is_own and trigger.kind.tag and trigger.kind.tag not in seen:
            seen.add(trigger.kind.tag)
            yield ("tag", trigger.start, trigger.end, trigger.kind.tag)


def _represented(text: str) -> Iterator[Aside]:
    for match in _WE.finditer(text):
        number = read_number(match.group(1))
        if number is not None and number > 1:
            yield ("representative_count", *match.span(), int(number))
            return
