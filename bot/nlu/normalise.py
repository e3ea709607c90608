"""One spelling for what people type: simplified, half-width, emoji as words; each character knows where it came from."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, List, Tuple

import emoji
import opencc

from bot.nlu.files import LEXICON, read_yaml

# Three of a kind say as much as thirty.
_KEPT_REPEATS = 3
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0e\ufe0f\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_PICTURE = re.compile("[\u203c\u2049\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
_CODE = re.compile(r"\[([A-Za-z0-9\u4e00-\u9fff]{1,4})\]|/:[:,A-Za-z@!\-|()<>~0-9]{2,6}")
_PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>")
# NFKC makes these half-width; Chinese sentences keep their own.
_KEPT_SIGNS = frozenset("，。！？；：（）、“”‘’《》【】—…￥")
_SIGNS = {"!": "！", "?": "？", ",": "，", ";": "；", "｡": "。", "､": "、", "¥": "￥", "﹗": "！", "﹖": "？"}
_SPACE = " "

Piece = Tuple[str, int, int]


@dataclass(frozen=True)
class Normalised:
    """`text[i]` stands for `raw[starts[i]:ends[i]]`."""

    raw: str
    text: str
    starts: Tuple[int, ...]
    ends: Tuple[int, ...]

    def to_raw(self, start: int, end: int) -> Tuple[int, int]:
        """A span of `text` as a span of `raw`."""
        return (self.starts[start], self.ends[end - 1]) if self.starts else (0, len(self.raw))


@lru_cache(maxsize=1)
def _simplifier() -> Any:
    return opencc.OpenCC("t2s")


@lru_cache(maxsize=1)
def _tables() -> Tuple[Dict[str, str], Dict[str, str], Dict[str, str]]:
    signs = read_yaml(LEXICON / "signs.yml")
    return signs["emoji"], signs["wechat"], signs["codes"]


def normalise(raw: str, *, ranges: Tuple[Tuple[int, int], ...] = ()) -> Normalised:
    """Normalises `raw`, or only the given ranges of it (a long message is cut before it is read)."""
    pieces: List[Piece] = []
    for start, end in ranges or ((0, len(raw)),):
        if pieces:
            pieces.append((_SPACE, start, start))
        pieces += _pieces(raw, start, end)
    chars = list(_collapsed(_simplified(pieces)))
    return Normalised(
        raw, "".join(char for char, _, _ in chars), tuple(at for _, at, _ in chars), tuple(to for _, _, to in chars)
    )


def _pieces(raw: str, start: int, end: int) -> Iterator[Piece]:
    """Characters and the words for pictures, in order."""
    named = sorted([*_pictures(raw, start, end), *_codes(raw, start, end)], key=lambda piece: piece[1])
    at = start
    for word, begin, stop in named:
        if begin < at:
            continue
        yield from _plain(raw, at, begin)
        yield (word, begin, stop)
        at = stop
    yield from _plain(raw, at, end)


def _plain(raw: str, start: int, end: int) -> Iterator[Piece]:
    for at in range(start, end):
        char = raw[at]
        if "\u4e00" <= char <= "\u9fff" or char in _KEPT_SIGNS:
            yield (char, at, at + 1)
        elif char in _INVISIBLE:
            continue
        elif char.isspace():
            yield (_SPACE, at, at + 1)
        else:
            folded = char if char in _SIGNS else unicodedata.normalize("NFKC", char)
            yield ("".join(_SIGNS.get(it, it) for it in folded).lower(), at, at + 1)


def _pictures(raw: str, start: int, end: int) -> Iterator[Piece]:
    if not _PICTURE.search(raw, start, end):
        return
    table = _tables()[0]
    for found in emoji.emoji_list(raw[start:end]):
        picture = found["emoji"]
        word = table.get(picture.replace("\ufe0f", "")) or table.get(picture[0]) or _named(picture)
        yield (word, start + found["match_start"], start + found["match_end"])


def _named(picture: str) -> str:
    """`:愤怒的脸:` without its frame."""
    return emoji.demojize(picture, language="zh").strip(":").replace("_", "")


def _codes(raw: str, start: int, end: int) -> Iterator[Piece]:
    _, wechat, codes = _tables()
    for match in _CODE.finditer(raw, start, end):
        word = wechat.get(match.group(1)) if match.group(1) else codes.get(match.group())
        if word:
            yield (word, match.start(), match.end())
    for match in _PLACEHOLDER.finditer(raw, start, end):
        yield (match.group(), match.start(), match.end())


def _simplified(pieces: List[Piece]) -> Iterator[Piece]:
    """Single characters in traditional script become simplified; phrase rules hold as long as lengths stay the same."""
    text = "".join(piece[0] for piece in pieces)
    simple = _simplifier().convert(text)
    same = len(simple) == len(text)
    at = 0
    for word, start, end in pieces:
        after = simple[at : at + len(word)] if same else _simplifier().convert(word)
        at += len(word)
        yield (after, start, end) if len(after) == len(word) else (word, start, end)


def _collapsed(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Character by character, without long repetitions; digits are numbers and stay."""
    last, run = "", 0
    for word, start, end in pieces:
        for char in word:
            run = run + 1 if char == last else 1
            last = char
            kept = 1 if char == _SPACE else _KEPT_REPEATS
            if run <= kept or char.isdigit() or char in "零一二三四五六七八九幺〇":
                yield (char, start, end)
