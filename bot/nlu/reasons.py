"""The customer's own words that decided, true to the model: each feature's share of the decision, on the characters it came from. Pure."""

from collections.abc import Iterable, Sequence
from typing import List, Tuple

import numpy as np

from bot.nlu.heads import CAUSE, DETAIL, LEVEL, first_levels
from bot.nlu.linear import Floats, Ints, LinearModel, Vector
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
    signs = _against_others(head.classes, cause)
    columns[head.columns] = own * signs
    causes = first_levels(head.classes, detail.classes)
    mass = np.bincount(causes, details, len(head.classes))
    columns[detail.columns] = lent * signs[causes] * details / mass[causes]
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
    model: LinearModel, reading: Reading, located: Ints, vector: Vector, target: Floats, first: Iterable[Range] = ()
) -> Tuple[str, ...]:
    """`first` in full, then the words that carried most evidence for the target, in the customer's spelling.

    `located` are the message's features with their places (`Vocabulary.located`), `vector` is made of them.
    """
    evidence = _evidence_by_char(len(reading.message.text), located, vector, model.evidence(vector, target))
    words: List[str] = []
    for start, end in [*first, *_strongest(reading, evidence)]:
        begin, stop = reading.message.to_raw(start, end)
        word = reading.message.raw[begin:stop].strip()
        if word and not any(word in other or other in word for other in words):
            words.append(word)
    return tuple(words[:_MAX_WORDS])


def _evidence_by_char(length: int, located: Ints, vector: Vector, shares: Floats) -> Floats:
    """Each feature's share in equal parts on its occurrences, and of each on its characters."""
    columns, starts, ends = located[located[:, 2] > located[:, 1]].T
    places = np.searchsorted(vector.columns, columns)
    times = np.bincount(places, minlength=len(shares))
    density = shares[places] / (times[places] * (ends - starts))
    steps = np.bincount(starts, density, length + 1) - np.bincount(ends, density, length + 1)
    found: Floats = np.cumsum(steps)[:length].astype(np.float32)
    return found


def _strongest(reading: Reading, evidence: Floats) -> List[Range]:
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    scored = [(float(sums[end] - sums[start]), start, end) for word, start, end in reading.words if len(word) > 1]
    scored = sorted((it for it in scored if it[0] > 0), reverse=True)
    return [(start, end) for score, start, end in scored if score >= _DECISIVE * scored[0][0]]
