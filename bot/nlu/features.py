"""What the classifiers see of a message: n-grams of characters, sounds and words, signs of heat.

Every feature knows the span it came from, so that a decision can be told in the customer's own words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Dict, FrozenSet, List, Tuple

from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

# A feature, and where in the normalised text it stands.
Gram = Tuple[str, int, int]

_SIGNS = r"[\s，。！？；：、…~～.,!?;:\"'“”‘’()（）【】《》<>\-—_|/\\*#@^&+=]+"
_SEPARATOR = re.compile(_SIGNS)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PIECE = re.compile(rf"(?P<separator>{_SIGNS})|(?P<number>{_NUMBER.pattern})|(?P<rest>[^\d\s])", re.S)
# Numbers that are names.
_SPOKEN_OF = frozenset("12378 12363 12345 110 120 119 96110 95588 315 12315 12348 12388".split())
_CHAR_SIZES = (1, 2, 3)
_SOUND_SIZES = (2, 3)
_FIRST_WORDS, _LAST_WORDS = 3, 5


@dataclass(frozen=True)
class Words:
    """Tokens of the normalised text with offsets, as the segmenter gives them."""

    items: Tuple[Tuple[str, int, int], ...]


@lru_cache(maxsize=1)
def _sounds() -> Dict[str, str]:
    """Character → its first reading without tone; accents that recognisers and keyboards mix up count as one."""
    table = {}
    for code, readings in PINYIN_DICT.items():
        if 0x4E00 <= code <= 0x9FFF:
            table[chr(code)] = _merged(to_normal(readings.split(",")[0]))
    return table


def _merged(sound: str) -> str:
    for one, other in (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in")):
        sound = sound.replace(one, other)
    return f"l{sound[1:]}" if sound.startswith("n") else sound


def spoken(text: str) -> Tuple[str, List[int], List[int]]:
    """The characters that are said, with start and end: no signs, no pauses; a number is one `0` or its own name."""
    chars: List[str] = []
    starts: List[int] = []
    ends: List[int] = []
    for match in _PIECE.finditer(text):
        piece, at = match.group(), match.start()
        if match.lastgroup == "number" and piece not in _SPOKEN_OF:
            chars.append("0")
            starts.append(at)
            ends.append(match.end())
        elif match.lastgroup != "separator":
            chars += piece
            starts += range(at, match.end())
            ends += range(at + 1, match.end() + 1)
    return "".join(chars), starts, ends


def char_grams(text: str, hidden: FrozenSet[int] = frozenset()) -> Iterator[Gram]:
    """Characters and sounds. What stands at a `hidden` offset was not said by the customer for themselves."""
    joined, starts, ends = spoken(text)
    visible = [place not in hidden for place in starts]
    table = _sounds()
    sounds = [table.get(char, char) for char in joined]
    for at, end in _windows(visible, _CHAR_SIZES):
        yield joined[at:end], starts[at], ends[end - 1]
    for at, end in _windows(visible, _SOUND_SIZES):
        yield "~" + " ".join(sounds[at:end]), starts[at], ends[end - 1]


def _windows(visible: Sequence[bool], sizes: Sequence[int]) -> Iterator[Tuple[int, int]]:
    """All stretches of these lengths whose ends can be seen."""
    length = len(visible)
    for size in sizes:
        for at in range(length - size + 1):
            if visible[at] and visible[at + size - 1]:
                yield at, at + size


def word_grams(words: Words) -> Iterator[Gram]:
    """Words, pairs of neighbours, and once more what a message begins and ends with: there stands what it is about."""
    told = [(_named(word), start, end) for word, start, end in words.items if not _SEPARATOR.fullmatch(word)]
    for word, start, end in told:
        yield f"_{word}", start, end
    for (one, start, _), (other, _, end) in pairwise(told):
        yield f"_{one}_{other}", start, end
    for word, start, end in told[:_FIRST_WORDS]:
        yield f"_<{word}", start, end
    for word, start, end in told[-_LAST_WORDS:]:
        yield f"_>{word}", start, end
    for (one, start, _), (other, _, end) in pairwise(told[-_LAST_WORDS:]):
        yield f"_>{one}_{other}", start, end


def _named(word: str) -> str:
    return "0" if _NUMBER.fullmatch(word) and word not in _SPOKEN_OF else word
