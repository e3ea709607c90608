"""Signs of heat: triggers with their scope, rows of signs, repetition. Features of their own beside the words."""

import re
from collections.abc import Iterator, Sequence

from bot.nlu.features import Gram
from bot.nlu.normalise import Normalised
from bot.nlu.triggers import Trigger

_SHOUT = re.compile(r"[！!]")
_ASK = re.compile(r"[？?]")
_ROW = re.compile(r"[！!？?]{2,}")
_DOUBLED = re.compile(r"(.{2,6}?)[\s，,！!]*\1")


def signal_grams(message: Normalised, triggers: Sequence[Trigger]) -> Iterator[Gram]:
    """Features that start with `#`, each with the span it came from."""
    text = message.text
    for trigger in triggers:
        yield f"#{trigger.kind.name}:{trigger.scope}", trigger.start, trigger.end
        if trigger.is_own and trigger.kind.level is not None:
            yield f"#own{trigger.kind.level}", trigger.start, trigger.end
    for match in _ROW.finditer(text):
        yield "#row", match.start(), match.end()
    yield from _counted("shout", _SHOUT, text)
    yield from _counted("ask", _ASK, text)
    for match in _DOUBLED.finditer(text):
        if match.group(1).strip() == match.group(1):
            yield "#doubled", match.start(), match.end()


def _counted(name: str, sign: "re.Pattern[str]", text: str) -> Iterator[Gram]:
    for number, match in enumerate(sign.finditer(text)):
        if number in (0, 2, 4):
            yield f"#{name}{number + 1}", match.start(), match.end()
