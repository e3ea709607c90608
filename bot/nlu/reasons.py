"""The customer's own words that decided, true to the model: each feature's share of the decision, on the characters it came from. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Dict, List, Tuple

import numpy as np

from bot.nlu.corpus import first_level
from bot.nlu.features import Gram
from bot.nlu.heads import CAUSE, DETAIL, LEVEL
from bot.nlu.linear import Floats, LinearModel, Vector
from bot.nlu.reading import Reading

_MAX_WORDS = 4
# Words that carry less than this share of the strongest word's evidence decided nothing.
_DECISIVE = 0.35

Range = Tuple[int, int]


def for_cause(model: LinearModel, cause: str, details: Floats) -> Floats:
    """Which sum of margins made this cause the likeliest: its own and its second levels', against all others'.

    `details` are the probabilities of the second levels: the gradient of what they lend to their first level.
    """
    own, lent = model.cause[:2]
    head, detail = model.heads[CAUSE], model.heads[DETAIL]
    columns = np.zeros(model.weights.shape[1], dtype=np.float32)
    columns[head.columns] = own * _against_others(head.classes, cause)
    mass: Dict[str, float] = {}
    for chance, code in zip(details, detail.classes, strict=True):
        mass[first_level(code)] = mass.get(first_level(code), 0.0) + float(chance)
    share = np.array([chance / mass[first_level(code)] for chance, code in zip(details, detail.classes, strict=True)])
    signs = dict(zip(head.classes, _against_others(head.classes, cause), strict=True))
    columns[detail.columns] = lent * share * np.array([signs[first_level(code)] for code in detail.classes])
    return columns


def for_level(model: LinearModel, level: int) -> Floats:
    """Which sum of margins made this level the likeliest."""
    head = model.heads[LEVEL]
    columns = np.zeros(model.weights.shape[1], dtype=np.float32)
    columns[head.columns] = _against_others(head.classes, str(level))
    return columns


def _against_others(classes: Sequence[str], name: str) -> Floats:
    signs = np.full(len(classes), -1.0 / max(1, len(classes) - 1), dtype=np.float32)
    signs[classes.index(name)] = 1.0
    return signs


def deciding_words(
    model: LinearModel,
    reading: Reading,
    grams: Iterable[Gram],
    vector: Vector,
    target: Floats,
    first: Iterable[Range] = (),
) -> Tuple[str, ...]:
    """`first` in full, then the words that carried most evidence for the target, in the customer's spelling."""
    evidence = _evidence_by_char(model, reading, grams, vector, target)
    words: List[str] = []
    for start, end in [*first, *_strongest(reading, evidence)]:
        begin, stop = reading.message.to_raw(start, end)
        word = reading.message.raw[begin:stop].strip()
        if word and not any(word in other or other in word for other in words):
            words.append(word)
    return tuple(words[:_MAX_WORDS])


def _evidence_by_char(
    model: LinearModel, reading: Reading, grams: Iterable[Gram], vector: Vector, target: Floats
) -> Any:
    places = model.vocabulary.columns
    spans: Dict[int, List[Range]] = {}
    for name, start, end in grams:
        if name in places and end > start:
            spans.setdefault(places[name], []).append((start, end))
    found = np.zeros(len(reading.message.text), dtype=np.float32)
    for column, share in zip(vector.columns, model.evidence(vector, target), strict=True):
        for start, end in spans.get(int(column), ()):
            found[start:end] += share / (len(spans[int(column)]) * (end - start))
    return found


def _strongest(reading: Reading, evidence: Any) -> List[Range]:
    scored = [(float(evidence[start:end].sum()), start, end) for word, start, end in reading.words if len(word) > 1]
    scored = sorted((it for it in scored if it[0] > 0), reverse=True)
    return [(start, end) for score, start, end in scored if score >= _DECISIVE * scored[0][0]]
