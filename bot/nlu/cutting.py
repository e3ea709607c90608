"""A long message is understood by its head, its tail and the sentences that sound most like a complaint."""

import re
from collections.abc import Iterator
from typing import List, Tuple

from bot.nlu.triggers import kinds

# Everything runs in one event loop: what is not read cannot make others wait.
LIMIT = 600
_HEAD = 150
_TAIL = 150
_PIECE = 100
_TELLING = 4
_PAUSE = re.compile(r"[，。！？；,!?;\s…~]+")
_END = re.compile(r"[。！？!?；;\n]+|(?<=[^\d])[,，\s]+")
_COMPLAINT = re.compile(
    "投诉|态度|凭什么|为什么|等了|排队|扣了|扣我|收费|手续费|没到账|少了|错|骗|不给|不让|拒绝|推|跑了|关门|下班|系统"
    "|吞|损失|赔|退|道歉|要求|解释|骚扰|催收|泄露|盗刷|保本|利息|逾期|征信|冻结|限额|身份证|说法|不一样"
)

Range = Tuple[int, int]


def kept_ranges(raw: str) -> Tuple[Range, ...]:
    """Ranges of `raw` to be read, in order, at most LIMIT characters together; empty means all of it."""
    if len(raw) <= LIMIT:
        return ()
    sentences = list(_sentences(raw))
    kept = {0, len(sentences) - 1}
    spent = sum(_length(sentences[number]) for number in kept)
    order = [*_near_ends(sentences, len(raw)), *_by_weight(sentences, raw)]
    for number in order:
        length = _length(sentences[number])
        if number not in kept and spent + length <= LIMIT:
            kept.add(number)
            spent += length
    return tuple(sentences[number] for number in sorted(kept))


def _sentences(raw: str) -> Iterator[Range]:
    """Sentences; what has no end for long is cut at pauses, and hard after `_PIECE`."""
    start = 0
    for match in [*_END.finditer(raw), None]:
        end = match.end() if match else len(raw)
        strong = match is None or match.group().strip(",， ") != "" or "\n" in match.group()
        if not strong and end - start < _PIECE // 2:
            continue
        while end - start > _PIECE:
            yield (start, start + _PIECE)
            start += _PIECE
        if end > start:
            yield (start, end)
        start = end


def clauses(text: str) -> List[Range]:
    """The parts of a message between signs and pauses that are long enough to tell something."""
    found, start = [], 0
    for match in [*_PAUSE.finditer(text), None]:
        end = match.start() if match else len(text)
        if end - start >= _TELLING:
            found.append((start, end))
        start = match.end() if match else end
    return found if len(found) > 1 else []


def _length(sentence: Range) -> int:
    return sentence[1] - sentence[0]


def _near_ends(sentences: List[Range], length: int) -> List[int]:
    return [number for number, (start, end) in enumerate(sentences) if end <= _HEAD or start >= length - _TAIL]


def _by_weight(sentences: List[Range], raw: str) -> List[int]:
    weights = [_weight(raw[start:end]) for start, end in sentences]
    return sorted((number for number, weight in enumerate(weights) if weight), key=lambda number: -weights[number])


def _weight(sentence: str) -> int:
    danger = sum(10 * (kind.level - 1) for kind in kinds() if kind.level and kind.pattern.search(sentence))
    return danger + len(_COMPLAINT.findall(sentence))
