"""Reads the hand-written training data with file and line, so that every fault can be named. Pure; not Rasa's reader.

`yaml.compose` keeps positions and takes a tenth of the time of a full load: an `examples` block is one scalar.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import yaml

CAUSES = (*(f"C{number}" for number in range(1, 13)), "C99")
NO_CAUSE = "none"
COMPLAIN = "complain"
PUBLIC_ENTITIES = ("branch", "person", "time", "amount", "duration", "phone", "card_tail", "product", "count")

_MARKUP = re.compile(r"\[([^\[\]]+)\]\(([^()]*)\)")


class CorpusError(Exception):
    """A data file cannot be read; `str()` names file, line and reason."""


@dataclass(frozen=True)
class Span:
    """An annotated entity; offsets count characters of the plain text."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class Example:
    """One line of the training data with the labels of its block."""

    text: str
    intent: str
    cause: str
    detail: Optional[str]
    second: Optional[str]
    level: int
    voice: str
    entities: Tuple[Span, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Block:
    """One `- intent:` of a file as it stands there: labels unchecked."""

    file: str
    line: int
    intent: str
    metadata: Mapping[str, Any]
    examples: Tuple[Tuple[int, str], ...]


def first_level(code: str) -> str:
    """`C5a` → `C5`."""
    return code.rstrip("abcde")


def read_markup(marked: str) -> Tuple[str, Tuple[Span, ...]]:
    """`在[城东支行](branch)` → the plain text and its spans."""
    plain, spans, last, length = [], [], 0, 0
    for match in _MARKUP.finditer(marked):
        before = marked[last : match.start()]
        length += len(before)
        plain += [before, match.group(1)]
        spans.append(Span(match.group(2), length, length + len(match.group(1))))
        length += len(match.group(1))
        last = match.end()
    return "".join([*plain, marked[last:]]), tuple(spans)


def read_blocks(path: Path, name: str) -> Iterator[Block]:
    """Raises CorpusError when the file is not the YAML that Rasa reads."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CorpusError(f"{name}:{line}: 不是有效的 YAML（{error.problem}）") from error
    for item in _values(_mapping(root).get("nlu")):
        fields = _mapping(item)
        if "intent" not in fields:
            continue
        if "examples" not in fields:
            raise CorpusError(f"{name}:{item.start_mark.line + 1}: 没有 examples")
        metadata = yaml.safe_load(yaml.serialize(fields["metadata"])) if "metadata" in fields else {}
        yield Block(
            name, item.start_mark.line + 1, fields["intent"].value, metadata or {}, tuple(_lines(fields["examples"]))
        )


def _mapping(node: Any) -> Dict[str, Any]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _values(node: Any) -> List[Any]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _lines(node: Any) -> Iterator[Tuple[int, str]]:
    first = node.start_mark.line + 2  # the text starts on the line after `|`
    for number, line in enumerate(str(node.value).split("\n")):
        text = line.strip()
        if text.startswith("-"):
            yield first + number, text[1:].strip()


def labelled(
    text: str,
    intent: str,
    metadata: Mapping[str, Any],
    spans: Tuple[Span, ...],
    place: Tuple[str, int] = ("", 0),
) -> Example:
    """One example with the labels of its block; the labels must have been checked (check_data)."""
    code = str(metadata.get("cause") or NO_CAUSE)
    second = metadata.get("cause2")
    return Example(
        text=text,
        intent=intent,
        cause=first_level(code) if intent == COMPLAIN else NO_CAUSE,
        detail=code if intent == COMPLAIN and code not in CAUSES else None,
        second=str(second) if second else None,
        level=int(metadata.get("level") or 0),
        voice=str(metadata.get("voice") or "other"),
        entities=spans,
        file=place[0],
        line=place[1],
    )


def examples_of(block: Block) -> Iterator[Example]:
    """The block's examples."""
    for line, marked in block.examples:
        text, spans = read_markup(marked)
        yield labelled(text, block.intent, block.metadata, spans, (block.file, line))


def data_files(root: Path) -> List[Path]:
    """The training files below `root`, in a fixed order."""
    return sorted(root.rglob("*.yml"))


def read_corpus(root: Path) -> List[Example]:
    """Every example below `root`, in a fixed order."""
    return [
        example
        for path in data_files(root)
        for block in read_blocks(path, str(path.relative_to(root)))
        for example in examples_of(block)
    ]
