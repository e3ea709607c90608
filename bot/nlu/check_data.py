"""`python -m bot.nlu.check_data data/nlu`: what is wrong with the training data, each fault with file and line.

Catches what Rasa takes in silence: labels that do not exist, spans that were not closed, a message that stands twice with
different labels (all of which stop training, bot/train.py), words multiplied by a template and lines that are nearly the same.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Dict, List, Tuple

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from bot.nlu.corpus import (
    CAUSES,
    COMPLAIN,
    PUBLIC_ENTITIES,
    Block,
    CorpusError,
    Example,
    data_files,
    examples_of,
    first_level,
    read_blocks,
)

_DETAIL = re.compile(r"^C(?:[1-9]|1[0-2])[a-e]$")
_DETAILS = {
    "C2": 3,
    "C4": 4,
    "C1": 4,
    "C3": 4,
    "C5": 5,
    "C6": 4,
    "C7": 3,
    "C8": 3,
    "C9": 4,
    "C10": 3,
    "C11": 3,
    "C12": 3,
}
_LEVELS = range(5)
# `[字` and `](x` that are no markup; WeChat codes are `[捂脸]`.
_HALF_MARKUP = re.compile(r"\]\((?![a-z_]+\))|\[[^\]]*$")
# As many messages that are alike but for the marked words are a template, not language.
_TEMPLATE = 4
# Likeness of two lines: the cosine of their three-character sequences, without those of more than _COMMON lines.
_ALIKE, _COMMON, _LEAST_CHARACTERS, _CHUNK = 0.8, 400, 8, 2_000
_LEAST = {"examples": 1_500, "per cause": 40}


def faults(root: Path) -> List[str]:
    """What training must not learn, one sentence each: labels, spans and lines that contradict each other."""
    return _read(root)[0]


def weaknesses(root: Path) -> List[str]:
    """What makes good data poor: templates, near-duplicates, causes with few lines."""
    examples = _read(root)[1]
    return [*_templates(examples), *_near_duplicates(examples), *_gaps(examples)]


def _read(root: Path) -> Tuple[List[str], List[Example]]:
    found: List[str] = []
    examples: List[Example] = []
    for path in data_files(root):
        try:
            for block in read_blocks(path, str(path.relative_to(root))):
                wrong = list(_block_faults(block))
                found += wrong
                if not wrong:
                    examples += examples_of(block)
        except CorpusError as error:
            found.append(str(error))
    return [*found, *_example_faults(examples), *_contradictions(examples)], examples


def _block_faults(block: Block) -> Iterator[str]:
    place, labels = f"{block.file}:{block.line}", block.metadata
    unknown = set(labels) - {"cause", "cause2", "level", "voice"}
    if unknown:
        yield f"{place}: metadata 里没有这一项：{'、'.join(sorted(unknown))}"
    if labels.get("level", 0) not in _LEVELS:
        yield f"{place}: level 应为 0 到 4，现在是 {labels.get('level')}"
    if "level" not in labels or "voice" not in labels:
        yield f"{place}: metadata 缺少 level 或 voice"
    for name in ("cause", "cause2"):
        code = labels.get(name)
        if code is not None and not _is_code(str(code)):
            yield f"{place}: {name} 没有 {code} 这个代码"
    if block.intent == COMPLAIN and not labels.get("cause"):
        yield f"{place}: complain 必须有 cause"
    if block.intent != COMPLAIN and labels.get("cause"):
        yield f"{place}: {block.intent} 不能有 cause"
    if not block.examples:
        yield f"{place}: 没有一条例句"


def _is_code(code: str) -> bool:
    if code in CAUSES:
        return True
    return bool(_DETAIL.match(code)) and "abcde".index(code[-1]) < _DETAILS[first_level(code)]


def _example_faults(examples: Iterable[Example]) -> Iterator[str]:
    for example in examples:
        if not example.text.strip():
            yield f"{example.place}: 例句是空的"
        if _HALF_MARKUP.search(example.text):
            yield f"{example.place}: 方括号标注没有写完整"
        if example.text.startswith("/"):
            yield f"{example.place}: 例句不能以 / 开头（Rasa 当作命令）"
        for span in example.entities:
            if span.type not in PUBLIC_ENTITIES:
                yield f"{example.place}: 没有 {span.type} 这种实体"


def _contradictions(examples: Iterable[Example]) -> Iterator[str]:
    by_text: Dict[str, List[Example]] = defaultdict(list)
    for example in examples:
        by_text[re.sub(r"\W", "", example.text) or example.text].append(example)
    for same in by_text.values():
        labels = {(it.intent, it.cause) for it in same}
        if len(labels) > 1:
            yield f"{same[1].place}: 与 {same[0].place} 是同一句话，标注却不同"


def _templates(examples: Sequence[Example]) -> Iterator[str]:
    shapes: Dict[str, List[Example]] = defaultdict(list)
    for example in examples:
        if example.entities:
            shapes[_shape(example)].append(example)
    for shape, alike in shapes.items():
        # An answer that is nothing but the fact ("昨天") has no shape.
        if len(alike) >= _TEMPLATE and len(re.sub(r"<\w+>|\W", "", shape)) > _TEMPLATE:
            yield f"{alike[0].place}: {len(alike)} 条例句只换了词：{shape}"


def _near_duplicates(examples: Sequence[Example]) -> Iterator[str]:
    """Lines of the same labels that share most of their n-grams; what differs in one word and in its label is a hard pair."""
    told = [it for it in examples if len(it.text) >= _LEAST_CHARACTERS]
    if not told:
        return
    count = CountVectorizer(analyzer="char", ngram_range=(3, 3), binary=True, max_df=_COMMON, dtype="float32")
    grams = normalize(count.fit_transform(re.sub(r"\W", "", it.text) for it in told))
    for first in range(0, len(told), _CHUNK):
        alike = (grams[first : first + _CHUNK] @ grams.T).tocoo()
        for row, column, likeness in zip(alike.row + first, alike.col, alike.data, strict=True):
            one, other = told[column], told[row]
            same = (one.intent, one.cause, one.level) == (other.intent, other.cause, other.level)
            if column < row and likeness >= _ALIKE and same:
                yield f"{other.place}: 与 {one.place} 几乎相同（{likeness:.2f}）：{other.text[:30]}"


def _shape(example: Example) -> str:
    parts, at = [], 0
    for span in example.entities:
        parts += [example.text[at : span.start], f"<{span.type}>"]
        at = span.end
    return "".join([*parts, example.text[at:]])


def _gaps(examples: Sequence[Example]) -> Iterator[str]:
    complaints = [it for it in examples if it.intent == COMPLAIN]
    if len(examples) < _LEAST["examples"]:
        yield f"只有 {len(examples)} 条例句，至少要 {_LEAST['examples']} 条"
    causes = Counter(it.cause for it in complaints)
    for code in CAUSES:
        if causes[code] < _LEAST["per cause"]:
            yield f"{code} 只有 {causes[code]} 条例句，至少要 {_LEAST['per cause']} 条"


def summary(root: Path) -> Tuple[int, int]:
    """How many examples, and how many of them are complaints."""
    examples = [it for path in data_files(root) for block in read_blocks(path, path.name) for it in examples_of(block)]
    return len(examples), sum(it.intent == COMPLAIN for it in examples)


def main() -> int:
    """Prints the faults; returns 1 when there are any."""
    root = Path(sys.argv[1])
    found = [*faults(root), *weaknesses(root)]
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        total, complaints = summary(root)
        print(f"训练数据没有发现问题：{total} 条例句，其中投诉 {complaints} 条。")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
