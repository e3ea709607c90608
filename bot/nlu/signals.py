"""Signs of heat (triggers with their scope, rows of signs, repetition) and of asking. Features of their own beside the words."""

import re
from collections.abc import Iterator, Sequence

from bot.nlu.features import Gram
from bot.nlu.normalise import Normalised
from bot.nlu.triggers import Trigger

_SHOUT = re.compile(r"[！!]")
_ASK = re.compile(r"[？?]")
_ROW = re.compile(r"[！!？?]{2,}")
_SENTENCE = re.compile(r"[^。！？!?；;，, ]+[？?]?")
_QUESTION = re.compile(r"(?:吗|呢|么|不|没|怎么.{0,3}|多少.{0,2}|几.{0,2}|哪.{0,2}|什么.{0,2}|[？?])$")
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
    yield from _asking(text)
    for match in _DOUBLED.finditer(text):
        if match.group(1).strip() == match.group(1):
            yield "#doubled", match.start(), match.end()


def _asking(text: str) -> Iterator[Gram]:
    """How much of the message is questions, with or without a mark, and how long it is."""
    sentences = [it for it in _SENTENCE.finditer(text) if it.group().strip()]
    questions = [it for it in sentences if _QUESTION.search(it.group().rstrip())]
    for number, it in enumerate(questions[:3], start=1):
        yield f"#question{number}", it.start(), it.end()
    end = len(text)
    yield f"#questions of {4 * len(questions) // max(1, len(sentences))}/4", 0, end
    yield f"#length {min(end // 10, 6)}", 0, end
    if text.rstrip().endswith(("？", "?")):
        yield "#ends in a question", end - 1, end


def _counted(name: str, sign: "re.Pattern[str]", text: str) -> Iterator[Gram]:
    for number, match in enumerate(sign.finditer(text)):
        if number in (0, 2, 4):
            yield f"#{name}{number + 1}", match.start(), match.end()
