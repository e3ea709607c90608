"""Finds entities in a reading: a linear-chain CRF over characters, learnt from the annotated examples.

python-crfsuite decodes a message in well under a millisecond and stores its model in a format of its own, no pickle.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, List, Tuple

import pycrfsuite

from bot.nlu.branches import BranchDirectory
from bot.nlu.corpus import Example
from bot.nlu.patterns import certain, named_products, shapes
from bot.nlu.reading import Reading

Found = Tuple[str, int, int]
Words = Tuple[Tuple[str, int, int], ...]
# Features and tags, one for each character.
Row = Tuple[List[List[str]], List[str]]

_OUTSIDE = "O"
_ITERATIONS = 10
_OF_OTHERS = 3
_WINDOW = (-2, -1, 0, 1, 2)
# "忘了哪个支行" names none.
_NO_BRANCH = re.compile(r"哪|什么|别的|其他|任何|所有")
# What a message may not begin or end an entity with.
_TRIMMED = " ，。！？；：、,.!?;:…~"


def features(text: str, words: Words) -> List[List[str]]:
    """One list of features per character."""
    length = len(text)
    classes = [_class_of(char) for char in text]
    borders = [""] * length
    for word, start, end in words:
        for at in range(start, end):
            borders[at] = (
                f"{'B' if at == start else 'E' if at == end - 1 else 'M'}{end - start if end - start < 4 else 4}"
            )
        borders[start] += word
    hints: List[List[str]] = [[] for _ in text]
    for kind, start, end in shapes(text):
        for at in range(start, end):
            hints[at].append(f"h={kind}{'B' if at == start else 'E' if at == end - 1 else 'I'}")
    rows = []
    for at in range(length):
        row = [f"{step}:{text[at + step] if 0 <= at + step < length else '#'}" for step in _WINDOW]
        row += [f"{step}c{classes[at + step] if 0 <= at + step < length else '#'}" for step in (-1, 0, 1)]
        row += [f"{step}b{text[at + step : at + step + 2]}" for step in (-1, 0) if at + step >= 0]
        row.append(f"t{text[max(0, at - 1) : at + 2]}")
        row += [f"{step}w{borders[at + step]}" for step in (-1, 0, 1) if 0 <= at + step < length]
        row += hints[at]
        rows.append(row)
    return rows


def _class_of(char: str) -> str:
    if char.isdigit():
        return "0"
    if char in "零一二两三四五六七八九十百千万亿俩仨半几多":
        return "N"
    return "z" if "\u4e00" <= char <= "\u9fff" else "a" if char.isalpha() else "."


def tags_of(length: int, spans: Iterable[Found]) -> List[str]:
    """Spans as one tag per character (B-, I-)."""
    tags = [_OUTSIDE] * length
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def telling_rows(examples: Sequence[Example], readings: Sequence[Reading]) -> Iterator[Row]:
    """What the tagger learns from: every line with an entity, and every third of the others."""
    without = 0
    for example, reading in zip(examples, readings, strict=True):
        without += not example.entities
        if example.entities or without % _OF_OTHERS == 0:
            yield training_row(example, reading)


def training_row(example: Example, reading: Reading) -> Row:
    """Features and tags of an annotated example; its offsets follow the normalised text."""
    message, spans = reading.message, []
    for span in example.entities:
        places = enumerate(zip(message.starts, message.ends, strict=True))
        inside = [at for at, (begin, stop) in places if span.start <= begin and stop <= span.end]
        if inside:
            spans.append((span.type, inside[0], inside[-1] + 1))
    return features(message.text, reading.words), tags_of(len(message.text), spans)


def fit(rows: Iterable[Row], file: Path) -> None:
    """Trains on (features, tags) and writes the model.

    Passive-aggressive: as good on unseen voices as maximum likelihood (L-BFGS), in a quarter of the time.
    """
    trainer = pycrfsuite.Trainer("pa", verbose=False)
    for message, tags in rows:
        if message:
            trainer.append(message, tags)
    trainer.set_params({"max_iterations": _ITERATIONS, "feature.possible_transitions": True, "feature.minfreq": 2})
    trainer.train(str(file))


class SpanTagger:
    """The trained tagger."""

    def __init__(self, tagger: Any) -> None:
        self._tagger = tagger

    @classmethod
    def load(cls, file: Path) -> "SpanTagger":
        """Reads what `fit` wrote."""
        tagger = pycrfsuite.Tagger()
        tagger.open(str(file))
        return cls(tagger)

    def find(self, text: str, words: Words, branches: BranchDirectory) -> List[Found]:
        """Entities in order, without overlaps; a shape that can only be one thing comes before the tagger's opinion."""
        if not text:
            return []
        tags = self._tagger.tag(features(text, words))
        tagged = (it for it in _read(tags, text) if not (it[0] == "branch" and _NO_BRANCH.search(text[it[1] : it[2]])))
        named = [("branch", start, end) for start, end in branches.mentions(text)]
        own = (_without_branch(it, named, text) for it in tagged)
        found = _merged(_merged(certain(text), own), [*named, *named_products(text)])
        return sorted(found, key=lambda span: span[1])


def _without_branch(span: Found, named: Sequence[Found], text: str) -> Found:
    """ "营业部那个柜员": the person begins after the branch."""
    kind, start, end = span
    if kind == "person":
        start = max((stop for _, begin, stop in named if begin == start and stop < end), default=start)
        return (kind, *_trim(text, start, end))
    return span


def _read(tags: Sequence[str], text: str) -> Iterable[Found]:
    start, kind = 0, ""
    for at, tag in enumerate([*tags, _OUTSIDE]):
        goes_on = tag == f"I-{kind}"
        if kind and not goes_on:
            trimmed = _trim(text, start, at)
            if trimmed[0] < trimmed[1]:
                yield (kind, *trimmed)
            kind = ""
        if tag != _OUTSIDE and not goes_on:
            kind, start = tag[2:], at


def _trim(text: str, start: int, end: int) -> Tuple[int, int]:
    while start < end and text[start] in _TRIMMED:
        start += 1
    while end > start and text[end - 1] in _TRIMMED:
        end -= 1
    return start, end


def _merged(first: List[Found], second: Iterable[Found]) -> List[Found]:
    """`first`, and of `second` what overlaps nothing before it."""
    found = list(first)
    taken = {at for _, start, end in found for at in range(start, end)}
    for span in second:
        places = range(span[1], span[2])
        if taken.isdisjoint(places):
            found.append(span)
            taken.update(places)
    return found
