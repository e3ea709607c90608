"""Trains the heads of the linear model from the hand-written examples. Pure; the Rasa component is bot/nlu/classifier.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, List, Tuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from bot.nlu.corpus import COMPLAIN, Example
from bot.nlu.heads import CAUSE, COMPLAINT, DETAIL, INTENT, LEVEL, MATTER, NATURE, NO_DETAIL, OTHER, nature_views
from bot.nlu.linear import Floats, Head, LinearModel, Vocabulary, softmax
from bot.nlu.reading import Reading

# LinearSVC's C; larger ones gained nothing on voices left out of training.
_PENALTY = {NATURE: 0.5, MATTER: 1.0, INTENT: 0.5, CAUSE: 1.0, DETAIL: 1.0, LEVEL: 1.0}
_FOLDS = 4
# Their likeliest class is taken whatever its probability.
_ONLY_RANKED = frozenset({DETAIL})
_SEED = 7

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Task:
    """One head's training rows and their labels."""

    name: str
    rows: npt.NDArray[np.int64]
    labels: Labels


def tasks_of(examples: Sequence[Example]) -> List[Task]:
    """What each head learns from which examples."""
    complains = np.array([example.intent == COMPLAIN for example in examples])
    everything, complaints, others = np.arange(len(examples)), np.flatnonzero(complains), np.flatnonzero(~complains)
    return [
        Task(NATURE, everything, np.where(complains, COMPLAINT, OTHER)),
        Task(MATTER, everything, np.array([it.cause if it.intent == COMPLAIN else it.intent for it in examples])),
        Task(INTENT, others, np.array([examples[row].intent for row in others])),
        Task(CAUSE, complaints, np.array([examples[row].cause for row in complaints])),
        Task(DETAIL, complaints, np.array([examples[row].detail or NO_DETAIL for row in complaints])),
        Task(LEVEL, everything, np.array([str(example.level) for example in examples])),
    ]


def fit(examples: Sequence[Example], readings: Sequence[Reading]) -> LinearModel:
    """Fits vocabulary and all heads, and how the two views of the nature are weighed."""
    grams = [[name for name, _, _ in reading.grams()] for reading in readings]
    vocabulary = Vocabulary.fit(grams)
    matrix = vocabulary.matrix(grams)
    heads, weights, biases, held_out, first = [], [], [], {}, 0
    tasks = tasks_of(examples)
    for task in tasks:
        x, y = matrix[task.rows], task.labels
        classes, weight, bias = _fitted(x, y, _PENALTY[task.name])
        scale, shift = 1.0, (0.0,) * len(classes)
        if task.name not in _ONLY_RANKED:
            held_out[task.name] = _held_out_margins(x, y, _PENALTY[task.name])
            scale, shift = _calibrated(held_out[task.name], y)
        heads.append(Head(task.name, classes, first, scale, shift))
        weights.append(weight)
        biases.append(bias)
        first += len(classes)
    by_name = {head.name: head for head in heads}
    views = nature_views(by_name, held_out[NATURE], held_out[MATTER])
    nature = _weighed(views, next(task.labels for task in tasks if task.name == NATURE))
    return LinearModel(vocabulary, np.hstack(weights).astype(np.float32), np.concatenate(biases), heads, nature)


def _weighed(views: Floats, natures: Labels) -> Tuple[float, ...]:
    """Weights of both views and the bias, so that their weighted sum is the log odds of a complaint."""
    machine = LogisticRegression().fit(views, natures == COMPLAINT)
    return (*map(float, machine.coef_[0]), float(machine.intercept_[0]))


def _fitted(x: csr_matrix, y: Labels, penalty: float) -> Tuple[Tuple[str, ...], Floats, Floats]:
    """Classes, weights (features × classes) and biases; a two-class machine is written as two."""
    machine = LinearSVC(C=penalty, class_weight="balanced", random_state=_SEED).fit(x, y)
    weight, bias = machine.coef_.T, machine.intercept_
    if weight.shape[1] == 1:
        weight, bias = np.hstack([-weight, weight]), np.concatenate([-bias, bias])
    return tuple(map(str, machine.classes_)), weight.astype(np.float32), bias.astype(np.float32)


def _held_out_margins(x: csr_matrix, y: Labels, penalty: float) -> Floats:
    """Each row's margins from a machine that has not seen the row."""
    classes = np.unique(y)
    margins = np.zeros((len(y), len(classes)), dtype=np.float32)
    rare = min(np.unique(y, return_counts=True)[1])
    folds = StratifiedKFold(max(2, min(_FOLDS, int(rare))), shuffle=True, random_state=_SEED)
    for train, test in folds.split(np.zeros(len(y)), y):
        names, weight, bias = _fitted(x[train], y[train], penalty)
        margins[np.ix_(test, np.searchsorted(classes, names))] = x[test] @ weight + bias
    return margins


def _calibrated(margins: Floats, y: Labels) -> Tuple[float, Tuple[float, ...]]:
    """Scale and shifts that make held-out margins probabilities: least log loss."""
    places = np.searchsorted(np.unique(y), y)

    def loss(free: Any) -> float:
        chances = softmax(margins * np.exp(free[0]) + free[1:])[np.arange(len(y)), places]
        return float(-np.log(np.maximum(chances, 1e-9)).mean() + 0.002 * np.square(free[1:]).sum())

    best = minimize(loss, np.concatenate([[1.0], np.zeros(margins.shape[1])]), method="L-BFGS-B").x
    return float(np.exp(best[0])), tuple(float(it) for it in best[1:])
