"""From text to what the index holds: one spelling, pairs of characters and codes. Pure.

Chinese is written without blanks, and a dictionary would miss names and slang: two characters side by side are found by
their pair, longer words by all their pairs. Codes, numbers and Latin words are found whole, by their beginning, or, as people
quote card and ticket numbers, by their last four to six characters.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import opencc

from api.core.errors import InvalidError

_LONGEST_BEGINNING = 12
_ENDINGS = (4, 5, 6)
# Characters that may be traditional ones.
_HAN = (range(0x3000, 0xD800), range(0xF900, 0x10000), range(0x20000, 0x33480))
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufe0e\ufe0f\ufeff]")
_RUN = re.compile(r"(?P<code>[a-z0-9]+)|(?P<script>[^\W_a-z0-9]+)")
# As NFKC does, which takes twenty times as long for a text that has any of them.
_PUNCTUATION = tuple(zip("，！？：；（）", ",!?:;()", strict=True))
_BLANK_IN_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")


class SearchTooShortError(InvalidError):
    """A single Chinese character, or only signs: the index could not be asked for it."""

    code, message = "search_too_short", "请至少输入两个相连的字，或编号、手机号。"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: each of `terms` stands somewhere in the ticket; `grams` are what the index is asked for."""

    terms: tuple[str, ...]
    grams: frozenset[str]

    def missing_in(self, texts: Iterable[str], terms: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Which of `terms` (else of all) stand in none of the `texts`, of which no more are taken than it needs.

        Most stand there as they are asked for: the others only are looked for in the texts normalised.
        """
        told: list[str] = []
        missing = terms or self.terms
        for text in texts:
            told.append(text)
            if not (missing := tuple(term for term in missing if term not in text)):
                return ()
        plain = normalised("\0".join(told))  # at once: most of a short text's time is the call
        return tuple(term for term in missing if term not in plain)


def normalised(text: str) -> str:
    """Simplified, half-width, lower case, no invisible characters, single blanks, none between Chinese characters."""
    plain = _INVISIBLE.sub("", text)
    for wide, narrow in _PUNCTUATION:
        plain = plain.replace(wide, narrow)
    plain = unicodedata.normalize("NFKC", plain).casefold()
    plain = plain if plain.isascii() else _simplified(plain)
    plain = " ".join(plain.split())
    return _BLANK_IN_CHINESE.sub("", plain) if " " in plain else plain


def grams_of(texts: Iterable[str]) -> set[str]:
    """What a text is found by."""
    return {gram for text in texts for run in _RUN.finditer(normalised(text)) for gram in _indexed(run)}


def wanted(query: str) -> Wanted:
    """Raises SearchTooShortError for a search without any pair of characters, code or number."""
    # Blanks part terms; in stored text a blank between Chinese characters is a slip of the keyboard.
    terms = tuple(normalised(part) for part in unicodedata.normalize("NFKC", query).split())
    grams = frozenset(gram for term in terms for run in _RUN.finditer(term) for gram in _asked(run))
    if not grams:
        raise SearchTooShortError
    return Wanted(tuple(term for term in terms if term), grams)


def hashed(key: bytes, grams: Iterable[str]) -> set[int]:
    """32 bits each, signed, so that they fit an INTEGER: nobody without the key can tell which gram it was."""
    return {_hash(key, gram) for gram in grams}


def _indexed(run: re.Match[str]) -> Iterator[str]:
    text = run.group()
    if run["script"]:
        yield from _pairs(text)
        return
    yield text
    if text[0].isalpha():
        yield from (text[:length] for length in range(2, min(len(text), _LONGEST_BEGINNING + 1)))
    yield from (text[-length:] for length in _ENDINGS if length < len(text))


def _asked(run: re.Match[str]) -> Iterator[str]:
    text = run.group()
    if run["script"]:
        yield from _pairs(text)
    else:
        yield text[:_LONGEST_BEGINNING] if text[0].isalpha() else text


def _pairs(text: str) -> Iterator[str]:
    return (text[at : at + 2] for at in range(len(text) - 1))


def _simplified(text: str) -> str:
    """Character by character: what a word's neighbours are must not matter to how it is found."""
    pattern, simple = _traditional()
    return pattern.sub(lambda found: simple.get(found[0], found[0]), text)


@lru_cache(maxsize=1)
def _traditional() -> tuple[re.Pattern[str], dict[str, str]]:
    """Finds what may have to be replaced, and by what. A class of characters is only quick below U+10000."""
    chars = [chr(code) for block in _HAN for code in block]
    simple = opencc.OpenCC("t2s").convert("\n".join(chars)).split("\n")
    changed = {one: other for one, other in zip(chars, simple, strict=True) if one != other}
    common = "".join(char for char in changed if char < "\U00010000")
    return re.compile(f"[{common}]|[\U00010000-\U0010ffff]"), changed


@lru_cache(maxsize=200_000)
def _hash(key: bytes, gram: str) -> int:
    return int.from_bytes(hashlib.blake2b(gram.encode(), key=key, digest_size=4).digest(), "big", signed=True)
