"""Linear classifiers over shared sparse features, in a form that is quick for one message and can say why.

All heads share one vector and one weight matrix: a decision costs one lookup per feature. Saved as npz and json, no pickle.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from bot.nlu.features import Gram

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# A word that one customer used once is not kept: the vocabulary must not store anybody's rare text.
MIN_MESSAGES = 2
_WEIGHTS_FILE, _NAMES_FILE = "weights.npz", "names.json"

# Families are scaled to unit length apart, so that many n-grams do not drown few words.
_FAMILIES = {"~": 0, "_": 1, "#": 2, "=": 3}
_SHARE: Tuple[float, ...] = (1.0, 1.0, 0.25, 1.5)
_DENSE = 3


def family_of(gram: str) -> int:
    """0 characters and sounds, 1 words, 2 signals, 3 dimensions of an encoder."""
    return _FAMILIES.get(gram[0], 0) if len(gram) > 1 else 0


@dataclass(frozen=True)
class Vector:
    """One message: columns with their values."""

    columns: Ints
    values: Floats


class Vocabulary:
    """Feature names, their columns and their weight by rarity.

    The dimensions of an encoder (`dense`, a vector of unit length) stand behind the n-grams, each as two columns, what is above
    and what is below zero: naive Bayes counts, and counts are not negative.
    """

    def __init__(self, names: Sequence[str], idf: Floats) -> None:
        self.names = list(names)
        self.columns = {name: column for column, name in enumerate(self.names)}
        self.idf = idf
        self.families = np.array([family_of(name) for name in self.names], dtype=np.int8)
        self.first_dense = int((self.families < _DENSE).sum())

    @classmethod
    def fit(cls, messages: Iterable[Iterable[Gram]], dimensions: int = 0) -> "Vocabulary":
        """Keeps features of at least MIN_MESSAGES messages, and an encoder's `dimensions`."""
        counts: Counter[str] = Counter()
        total = 0
        for message in messages:
            counts.update({name for name, _, _ in message})
            total += 1
        kept = sorted(name for name, count in counts.items() if count >= MIN_MESSAGES)
        numbers = np.array([counts[name] for name in kept], dtype=np.float32)
        idf = (np.log((1 + total) / (1 + numbers)) + 1).astype(np.float32)
        dense = [f"={sign}{at}" for sign in "+-" for at in range(dimensions)]
        return cls([*kept, *dense], np.concatenate([idf, np.ones(len(dense), dtype=np.float32)]))

    def located(self, grams: Iterable[Gram]) -> Ints:
        """The known features of a message (rows) with their column, start and end."""
        columns = self.columns
        rows = [(columns[name], start, end) for name, start, end in grams if name in columns]
        return np.array(rows, dtype=np.int32).reshape(-1, 3)

    def vector(self, columns: Ints, dense: Optional[Floats] = None) -> Vector:
        """Sublinear counts by rarity, each family scaled to its share, then the encoder's dimensions."""
        places, counts = np.unique(columns, return_counts=True)
        values = (1 + np.log(counts)) * self.idf[places]
        families = self.families[places]
        norms = np.sqrt(np.bincount(families, weights=values * values, minlength=len(_SHARE)))
        scale = np.array(_SHARE, dtype=np.float32) / np.maximum(norms, 1e-9)
        values = (values * scale[families]).astype(np.float32)
        if dense is not None:
            places = np.concatenate([places, np.arange(self.first_dense, len(self.names), dtype=np.int32)])
            halves = np.concatenate([np.maximum(dense, 0), np.maximum(-dense, 0)])
            values = np.concatenate([values, (_SHARE[_DENSE] * halves).astype(np.float32)])
        return Vector(places, values)

    def parts(self, columns: Ints, located: Ints, ranges: Sequence[Tuple[int, int]]) -> Floats:
        """What `vector` would give for each range of a message alone (ranges × columns), in a few steps for all of them.

        `columns` are those of the whole message's vector; ranges are in order and do not overlap.
        """
        starts, ends = np.array(ranges).T
        place = np.searchsorted(starts, located[:, 1], side="right") - 1
        inside = (place >= 0) & (located[:, 2] <= ends[place])
        counts = np.zeros((len(ranges), len(columns)), dtype=np.float32)
        np.add.at(counts, (place[inside], np.searchsorted(columns, located[inside, 0])), 1)
        values = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * self.idf[columns]
        families = self.families[columns]
        for family, share in enumerate(_SHARE[:_DENSE]):
            own = families == family
            norms = np.sqrt((values[:, own] ** 2).sum(axis=1, keepdims=True))
            values[:, own] *= share / np.maximum(norms, 1e-9)
        found: Floats = values.astype(np.float32)
        return found

    def matrix(self, messages: Sequence[Sequence[Gram]], dense: Optional[Floats] = None) -> csr_matrix:
        """Many messages at once, for training."""
        rows = [None] * len(messages) if dense is None else dense
        vectors = [self.vector(self.located(it)[:, 0], row) for it, row in zip(messages, rows, strict=True)]
        ends = np.cumsum([0, *(len(vector.columns) for vector in vectors)])
        data = np.concatenate([vector.values for vector in vectors])
        columns = np.concatenate([vector.columns for vector in vectors])
        return csr_matrix((data, columns, ends), shape=(len(vectors), len(self.names)))


@dataclass(frozen=True)
class Head:
    """One decision: its classes, and where its weights stand in the matrix. Its margins are calibrated log odds."""

    name: str
    classes: Tuple[str, ...]
    first: int

    @property
    def columns(self) -> slice:
        return slice(self.first, self.first + len(self.classes))


def softmax(scores: Floats) -> Floats:
    """Along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


class LinearModel:
    """Vocabulary, weights (features × all classes of all heads) and heads."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: Floats,
        bias: Floats,
        heads: Sequence[Head],
        nature: Sequence[float],
        cause: Sequence[float],
    ) -> None:
        self.vocabulary = vocabulary
        self.weights = weights
        self.bias = bias
        self.heads: Dict[str, Head] = {head.name: head for head in heads}
        # Weights of the two views of the nature (bot/nlu/heads.py), and the bias.
        self.nature = tuple(nature)
        # How a cause's own margin and that of its second levels add up (bot/nlu/heads.py).
        self.cause = tuple(cause)

    def margins(self, vector: Vector) -> Floats:
        """The margins of all heads for one message."""
        found: Floats = vector.values @ self.weights[vector.columns] + self.bias
        return found

    def evidence(self, vector: Vector, columns: Floats) -> Floats:
        """What each feature of the message adds to a weighted sum of classes."""
        found: Floats = vector.values * (self.weights[vector.columns] @ columns)
        return found

    def save(self, folder: Path) -> None:
        """Writes two files that numpy and json read without running anything."""
        arrays: Dict[str, Any] = {
            "weights": self.weights.astype(np.float16),
            "bias": self.bias,
            "idf": self.vocabulary.idf,
        }
        np.savez(folder / _WEIGHTS_FILE, **arrays)  # Rasa packs the model
        stored = {
            "heads": [asdict(it) for it in self.heads.values()],
            "nature": self.nature,
            "cause": self.cause,
            "names": self.vocabulary.names,
        }
        (folder / _NAMES_FILE).write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """Reads what `save` wrote."""
        stored = json.loads((folder / _NAMES_FILE).read_text(encoding="utf-8"))
        with np.load(folder / _WEIGHTS_FILE, allow_pickle=False) as arrays:
            weights = arrays["weights"].astype(np.float32)
            bias, idf = arrays["bias"], arrays["idf"]
        heads = [Head(it["name"], tuple(it["classes"]), it["first"]) for it in stored["heads"]]
        return cls(Vocabulary(stored["names"], idf), weights, bias, heads, stored["nature"], stored["cause"])
