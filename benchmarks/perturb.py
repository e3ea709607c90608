"""The same message as other people would have written it: what robustness is measured with. Pure, and the same at every run."""

import random
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import opencc
from pypinyin import lazy_pinyin
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

# One character in so many is mistyped; recognisers slip more often.
_TYPO_EVERY, _SLIP_EVERY = 14, 10
_COMMON = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业"
    "本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特"
    "件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处理府研质往究支观清今切造越快收识走门打让办买卖钱存卡账号码查急退换错找写信息费催话接听请谢再样早晚午钟"
)
_PUNCTUATION = re.compile(r"[，。！？；：、,.!?;:…~]+")
_EMOJI = ("😡", "🙏", "😅", "[捂脸]", "💢", "😭", "[微笑]", "🤷")
_NEAR = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"))


def traditional(text: str) -> str:
    return str(_converter().convert(text))


def full_width(text: str) -> str:
    """Letters, digits and signs as wide as a Chinese character."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" and char not in "[]" else char for char in text)


def without_punctuation(text: str) -> str:
    return _PUNCTUATION.sub(" ", text).strip() or text


def typos(text: str) -> str:
    """Now and then a common character of the same sound."""
    return _replaced(text, _TYPO_EVERY, _same_sound)


def recogniser_slips(text: str) -> str:
    """No signs, and now and then a character that sounds alike in an accent."""
    return _replaced(_PUNCTUATION.sub("", text) or text, _SLIP_EVERY, _near_sound)


def emoji(text: str) -> str:
    """A picture at the end and one at a pause."""
    chance = random.Random(text)
    first, last = chance.choice(_EMOJI), chance.choice(_EMOJI)
    return _PUNCTUATION.sub(lambda match: match.group() + first, text, count=1) + last


PERTURBATIONS: dict[str, Callable[[str], str]] = {
    "繁体": traditional,
    "全角": full_width,
    "无标点": without_punctuation,
    "同音错字": typos,
    "语音识别错字": recogniser_slips,
    "表情": emoji,
}


def _replaced(text: str, every: int, others: Callable[[str], tuple[str, ...]]) -> str:
    chance = random.Random(text)
    return "".join(
        chance.choice(others(char)) if _is_han(char) and chance.random() < 1 / every and others(char) else char
        for char in text
    )


def _is_han(char: str) -> bool:
    return unicodedata.name(char, "").startswith("CJK UNIFIED")


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("s2t")


@lru_cache(maxsize=4096)
def _same_sound(char: str) -> tuple[str, ...]:
    return tuple(other for other in _COMMON if other != char and _sound(other) == _sound(char))


@lru_cache(maxsize=4096)
def _near_sound(char: str) -> tuple[str, ...]:
    return tuple(other for other in _COMMON if other != char and _merged(_sound(other)) == _merged(_sound(char)))


@lru_cache(maxsize=8192)
def _sound(char: str) -> str:
    readings = PINYIN_DICT.get(ord(char))
    return str(to_normal(readings.split(",")[0])) if readings else lazy_pinyin(char)[0]


def _merged(sound: str) -> str:
    for one, other in _NEAR:
        sound = sound.replace(one, other)
    return f"l{sound[1:]}" if sound.startswith("n") else sound
