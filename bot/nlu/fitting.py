"""Trains the heads of the linear model from the hand-written examples. Pure; the Rasa component is bot/nlu/classifier.py.

Each head is a support vector machine and a naive Bayes model over the same features. Both are linear, so their weighted sum
is one matrix again: no cost per message, and the words that decided stay exact. benchmarks/README.md has what else was tried.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from bot.nlu.corpus import COMPLAIN, Example
from bot.nlu.heads import CAUSE, COMPLAINT, DETAIL, INTENT, LEVEL, MATTER, NATURE, OTHER, from_details, nature_views
from bot.nlu.linear import Floats, Head, LinearModel, Vocabulary, softmax
from bot.nlu.reading import Reading, read

_PENALTY = 1.0
# Looser than the default of 1e-4: a quarter of the time, the same scores.
_TOLERANCE = 0.1
_SMOOTHING = 0.05
_FOLDS = 2
# A calm question that is answered with "抱歉给您带来不好的体验" costs trust; a complaint that is missed costs more.
_OTHERS_WEIGH = 1.5
_SEED = 7
# A recogniser writes no signs: anger must also be heard in the words. So the level learns from both.
_SIGNS = re.compile(r"[！!？?]+")
# liblinear works without Python's lock.
_THREADS = 2

Labels = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int64]
# Weights (features × classes) and biases.
Expert = Tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Task:
    """One head's training rows and their labels."""

    name: str
    rows: Rows
    labels: Labels

    @property
    def classes(self) -> Labels:
        return np.unique(self.labels)


@dataclass(frozen=True)
class Fitted:
    """A head with its weights, and the margins of each row from a head that has not seen the row's voice."""

    task: Task
    weights: Floats
    bias: Floats
    held_out: Floats


def tasks_of(examples: Sequence[Example], unsigned: Sequence[int] = ()) -> List[Task]:
    """What each head learns from which rows: the examples, and behind them once more the `unsigned` ones."""
    complains = np.array([example.intent == COMPLAIN for example in examples])
    everything, complaints, others = np.arange(len(examples)), np.flatnonzero(complains), np.flatnonzero(~complains)
    return [
        Task(NATURE, everything, np.where(complains, COMPLAINT, OTHER)),
        Task(MATTER, everything, np.array([it.cause if it.intent == COMPLAIN else it.intent for it in examples])),
        Task(INTENT, others, np.array([examples[row].intent for row in others])),
        Task(CAUSE, complaints, np.array([examples[row].cause for row in complaints])),
        Task(DETAIL, complaints, np.array([examples[row].detail or examples[row].cause for row in complaints])),
        Task(
            LEVEL,
            np.arange(len(examples) + len(unsigned)),
            np.array([str(examples[row].level) for row in (*everything, *unsigned)]),
        ),
    ]


def fit(examples: Sequence[Example], readings: Sequence[Reading], dense: Optional[Floats] = None) -> LinearModel:
    """Fits vocabulary and all heads, and how heads lend each other evidence. `dense`: an encoder's vectors, one a row."""
    grams = [reading.grams() for reading in readings]
    vocabulary = Vocabulary.fit(grams, dimensions=0 if dense is None else dense.shape[1])
    unsigned = [row for row, reading in enumerate(readings) if _SIGNS.search(reading.message.text)]
    rows = [*range(len(examples)), *unsigned]
    grams += [read(_SIGNS.sub(" ", readings[row].message.text)).grams() for row in unsigned]
    matrix, folds = vocabulary.matrix(grams, None if dense is None else dense[rows]), folds_of(examples)[rows]
    # The heads with most classes take longest: they come first, so that no thread waits at the end.
    tasks = tasks_of(examples, unsigned)
    longest_first = sorted(tasks, key=lambda task: -len(task.classes))
    with ThreadPoolExecutor(_THREADS) as pool:
        done = list(pool.map(lambda task: _fitted(task, matrix[task.rows], folds[task.rows]), longest_first))
    found = sorted(done, key=lambda it: tasks.index(it.task))
    heads, first = [], 0
    for it in found:
        heads.append(Head(it.task.name, tuple(map(str, it.task.classes)), first))
        first += len(it.task.classes)
    by_name = {it.task.name: it for it in found}
    return LinearModel(
        vocabulary,
        np.hstack([it.weights for it in found]).astype(np.float32),
        np.concatenate([it.bias for it in found]).astype(np.float32),
        heads,
        nature=_nature(heads, by_name),
        cause=_cause(by_name),
    )


def folds_of(examples: Sequence[Example]) -> Rows:
    """The fold of each example: a voice stays together, so that what is held out is told by somebody unknown.

    The bare answers and greetings of `other` are one voice with all intents; they are dealt out one by one.
    """
    sizes: Dict[str, int] = {}
    for example in examples:
        sizes[example.voice] = sizes.get(example.voice, 0) + 1
    load, fold_of = [0] * _FOLDS, {}
    for voice, size in sorted(sizes.items(), key=lambda it: (-it[1], it[0])):
        if voice != OTHER:
            fold_of[voice] = load.index(min(load))
            load[fold_of[voice]] += size
    return np.array([fold_of.get(example.voice, at % _FOLDS) for at, example in enumerate(examples)])


def _nature(heads: Sequence[Head], found: Dict[str, Fitted]) -> Tuple[float, ...]:
    """Weights of both views of the nature and the bias: their weighted sum is the log odds of a complaint."""
    views = nature_views({it.name: it for it in heads}, found[NATURE].held_out, found[MATTER].held_out)
    machine = LogisticRegression(class_weight={True: 1.0, False: _OTHERS_WEIGH}).fit(
        views, found[NATURE].task.labels == COMPLAINT
    )
    return (*map(float, machine.coef_[0]), float(machine.intercept_[0]))


def _cause(found: Dict[str, Fitted]) -> Tuple[float, ...]:
    """How a cause's own margin and that of its second levels add up (`cause_logits`)."""
    cause, detail = found[CAUSE], found[DETAIL]
    added = from_details(cause.task.classes.tolist(), detail.task.classes.tolist(), detail.held_out)
    shares, shift = _blended([cause.held_out, added], cause.task.labels)
    return (*shares, *map(float, shift))


def _fitted(task: Task, x: csr_matrix, folds: Rows) -> Fitted:
    held_out = [np.full((len(task.labels), len(task.classes)), -1.0, dtype=np.float32) for _ in range(2)]
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        places = np.searchsorted(task.classes, np.unique(task.labels[train]))
        for margins, (weights, bias) in zip(held_out, _experts(x[train], task.labels[train]), strict=True):
            margins[np.ix_(np.flatnonzero(test), places)] = x[test] @ weights + bias
    shares, shift = _blended(held_out, task.labels)
    experts = list(_experts(x, task.labels))
    return Fitted(
        task,
        _weighed(shares, [weights for weights, _ in experts]),
        _weighed(shares, [bias for _, bias in experts]) + shift,
        _weighed(shares, held_out) + shift,
    )


def _weighed(shares: Sequence[float], parts: Sequence[Floats]) -> Floats:
    total = np.zeros_like(parts[0])
    for share, part in zip(shares, parts, strict=True):
        total += np.float32(share) * part
    return total


def _experts(x: csr_matrix, y: Labels) -> Iterator[Expert]:
    """The support vector machine, then naive Bayes; the columns follow the sorted classes."""
    machine = LinearSVC(C=_PENALTY, tol=_TOLERANCE, class_weight="balanced", random_state=_SEED).fit(x, y)
    weights, bias = machine.coef_.T, machine.intercept_
    if weights.shape[1] == 1:  # two classes: liblinear writes one
        weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
    yield weights.astype(np.float32), bias.astype(np.float32)
    classes = np.unique(y)
    counts = _sums(x, y)
    logs = np.log(counts + _SMOOTHING) - np.log(counts.sum(axis=1, keepdims=True) + _SMOOTHING * counts.shape[1])
    yield (logs - logs.mean(axis=0)).T.astype(np.float32), np.zeros(len(classes), dtype=np.float32)


def _sums(x: csr_matrix, y: Labels) -> Floats:
    """The features of each class, added up (classes × features)."""
    member = csr_matrix((y[None, :] == np.unique(y)[:, None]).astype(np.float32))
    sums: Floats = (member @ x).toarray()
    return sums


def _blended(margins: Sequence[Floats], y: Labels) -> Tuple[Tuple[float, ...], Floats]:
    """A share for each expert and a shift for each class that make held-out margins probabilities: least log loss."""
    stacked = np.stack(margins)
    places = np.searchsorted(np.unique(y), y)
    rows, number = np.arange(len(y)), len(margins)

    def loss(free: Any) -> Tuple[float, Any]:
        chances = softmax(np.tensordot(free[:number], stacked, 1) + free[number:])
        value = -np.log(np.maximum(chances[rows, places], 1e-9)).mean() + 0.002 * np.square(free[number:]).sum()
        chances[rows, places] -= 1
        shares = [float((chances * one).sum()) / len(y) for one in stacked]
        return float(value), np.concatenate([shares, chances.mean(axis=0) + 0.004 * free[number:]])

    start = np.concatenate([np.ones(number), np.zeros(stacked.shape[2])])
    bounds = [(0.0, None)] * number + [(None, None)] * stacked.shape[2]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return tuple(map(float, best[:number])), best[number:].astype(np.float32)
