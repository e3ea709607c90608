"""When it happened, as a point in time: the customer's words and the message's own moment together. Pure.

JioNLP parses the words; it reads every bare weekday and clock time as the future, complaints tell the past.
"""

import contextlib
import io
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Optional

_CLOCK = re.compile(r"[\d零一二两三四五六七八九十](?:点|时(?!候)|:|：)|\d{1,2}[:：]\d{2}")
_WEEKDAY = re.compile(r"(?:周|星期|礼拜)[一二三四五六日天\d]")
_DATED = re.compile(r"年|月|号|日|昨|今|前|明|周|星期|礼拜|节|初|廿|腊|天|-|/|\.")
# "二十六号" said on the 25th was last month.
_DAY_OF_MONTH = re.compile(r"^(?:\d{1,2}|[一二三四五六七八九十]{1,3})[号日]")
# Days of the lunar calendar: the year before has them on another date.
_FESTIVE = re.compile(r"[正腊冬]月|大年|除夕|春节|元宵|清明|端午|七夕|中秋|重阳|腊八|小年")
_DAYTIME = re.compile(r"凌晨|清早|清晨|早|上午|中午|晌午|下午|傍晚|晚|夜|午")
# Spoken forms that the parser does not know.
_SPOKEN = (
    ("今儿个", "今天"),
    ("今儿", "今天"),
    ("昨儿个", "昨天"),
    ("昨儿", "昨天"),
    ("前儿", "前天"),
    ("今早", "今天早上"),
    ("昨晚", "昨天晚上"),
    ("今晚", "今天晚上"),
    ("晌午头", "中午"),
    ("晌午", "中午"),
    ("这个月", "本月"),
    ("头天", "昨天"),
    ("上礼拜", "上周"),
    ("礼拜", "星期"),
    ("上个星期", "上周"),
    ("上星期", "上周"),
    ("上个周", "上周"),
    ("下半晌", "下午"),
    ("点过", "点"),
)
_VAGUE_TAIL = re.compile(r"(?:的时候|那天|左右|前后|多钟|多|来钟|许|不到|刚过|附近|以后|之后|前儿|吧|呢|啊)+$")
# "二十号前" has no beginning.
_ENDLESS = frozenset({"-inf", "inf"})
_NOW = frozenset("刚才 刚刚 刚 方才 现在 这会儿 此刻".split())
# Counters are open in the day: "一点五十" without a word for the time of day is the afternoon.
_AFTERNOON = range(1, 7)


@lru_cache(maxsize=1)
def _parser() -> Any:
    """Loaded when first needed: the import takes a second and prints an advertisement."""
    with contextlib.redirect_stdout(io.StringIO()):
        import jionlp
    return jionlp.parse_time


def read_time(words: str, now: datetime) -> Optional[str]:
    """`YYYY-MM-DDTHH:MM` when a time of day was said, `YYYY-MM-DD` when only a day was, else None (a month, "以前").

    `now` is the wall clock where the message was written; the result is in the same clock and never later.
    """
    text = _VAGUE_TAIL.sub("", words.strip())
    for spoken, written in _SPOKEN:
        text = text.replace(spoken, written)
    local = now.replace(tzinfo=None)
    if words.strip() in _NOW:
        return local.strftime("%Y-%m-%dT%H:%M")
    start = _day_or_moment(text, local)
    if start is not None and start > local and _FESTIVE.search(text):
        start = _day_or_moment(text, local - timedelta(days=365))
    if start is None and _DAY_OF_MONTH.match(text):  # this month has no 31st
        start = _day_or_moment(text, local.replace(day=1) - timedelta(days=1))
    if start is None:
        return None
    has_clock = bool(_CLOCK.search(text))
    if has_clock and start.hour in _AFTERNOON and not _DAYTIME.search(text):
        start += timedelta(hours=12)
    return _past(start, local, text, has_clock)


def _day_or_moment(text: str, base: datetime) -> Optional[datetime]:
    """When it begins; None for words that mean more than a day."""
    try:
        found = _parser()(text, time_base=base)
    except Exception:  # noqa: BLE001 - the parser raises whatever comes for words it does not know
        return None
    if found.get("type") not in ("time_point", "time_span") or _ENDLESS & set(found["time"]):
        return None
    start, end = (datetime.strptime(it, "%Y-%m-%d %H:%M:%S") for it in found["time"])  # noqa: DTZ007 - wall clock
    return start if end - start <= timedelta(days=1) else None


def _past(start: datetime, now: datetime, text: str, has_clock: bool) -> Optional[str]:
    if start > now:
        if _WEEKDAY.search(text):
            start -= timedelta(days=7)
        elif re.search(r"\d月|[一二三四五六七八九十]月", text) and "年" not in text:
            start = start.replace(year=start.year - 1)
        elif _DAY_OF_MONTH.match(text):
            start = _month_before(start)
        elif has_clock and _DATED.search(text):
            has_clock = False  # today, but the hour cannot be meant
        elif has_clock:
            start -= timedelta(days=1)  # "下午三点", said in the morning
    if start > now and (has_clock or start.date() > now.date()):
        return None
    return start.strftime("%Y-%m-%dT%H:%M" if has_clock else "%Y-%m-%d")


def _month_before(moment: datetime) -> datetime:
    """The same day of the last month that has one."""
    month = moment.replace(day=1) - timedelta(days=1)
    while month.day < moment.day:
        month = month.replace(day=1) - timedelta(days=1)
    return month.replace(day=moment.day)
