"""What a message does beside telling a story: asks to wait, takes a step back, speaks for somebody else. Pure.

The patterns are the lexicon's (bot/lexicon/cues.yml); what follows from a cue is the dialogue's (actions/next_step.py).
"""

import re
from functools import lru_cache
from typing import Any, Dict, Iterator, Pattern, Tuple

from bot.nlu.files import LEXICON, read_yaml

# Name (with the field it is about, `change:amount`), start, end.
Cue = Tuple[str, int, int]

_LATIN = re.compile(r"[a-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Scripts that are neither Chinese nor Latin: kana, hangul, Cyrillic, Arabic, Thai, Tibetan, Mongolian.
_OTHER_SCRIPT = re.compile(
    r"[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f\u0f00-\u0fff\u1800-\u18af]"
)
_FEW_WORDS, _FEW_LETTERS = 3, 4


def find_cues(text: str) -> Iterator[Cue]:
    """All cues of a normalised text."""
    patterns, unless, fields = _lexicon()
    for name, pattern in patterns.items():
        match = pattern.search(text)
        if match is None or (name in unless and unless[name].search(text)):
            continue
        words = next((it for it in (match.groupdict().get(key) for key in ("field", "field2")) if it), None)
        field = next((it for it, own in fields.items() if words and own.fullmatch(words)), None)
        yield (f"{name}:{field}" if field else name, *match.span())
    if is_foreign(text):
        yield ("foreign", 0, len(text))


def is_foreign(text: str) -> bool:
    """Whether the message is written in another language than Chinese; single borrowed words do not count."""
    chinese = len(_CHINESE.findall(text))
    if len(_OTHER_SCRIPT.findall(text)) >= max(_FEW_LETTERS, chinese):
        return True
    return len(_LATIN.findall(text)) >= max(_FEW_WORDS, chinese)


Patterns = Dict[str, Pattern[str]]


@lru_cache(maxsize=None)
def _lexicon() -> Tuple[Patterns, Patterns, Patterns]:
    """Cues, what speaks against each, and the words of fields."""
    table: Dict[str, Any] = read_yaml(LEXICON / "cues.yml")
    fields = {name: str(words) for name, words in table["fields"].items()}
    any_field = "|".join(fields.values())
    patterns = {name: re.compile(str(words).replace("{FIELD}", any_field)) for name, words in table["cues"].items()}
    unless = {name: re.compile(str(words)) for name, words in table["unless"].items()}
    return patterns, unless, {name: re.compile(words) for name, words in fields.items()}
