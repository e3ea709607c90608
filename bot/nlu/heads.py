"""The decisions the linear model is trained for, by name, and how one decision lends evidence to another. Pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, List, Tuple

import numpy as np
import numpy.typing as npt

from bot.nlu.corpus import CAUSES, first_level
from bot.nlu.linear import Floats, Head

# Complaint or not; the cause of a complaint or else the intent; the intent of what is no complaint; cause, second level, level.
NATURE, MATTER, INTENT, CAUSE, DETAIL, LEVEL = "nature", "matter", "intent", "cause", "detail", "level"
COMPLAINT, OTHER = "complaint", "other"

# numpy's stubs take it for a comparison.
_log_sums: Any = np.logaddexp.reduceat


def nature_views(heads: Mapping[str, Head], nature: Floats, matter: Floats) -> Floats:
    """How much a complaint stands out (rows: messages, columns: two views).

    The first view asks for complaints as such, the second whether the likeliest cause beats the likeliest intent: it knows a
    bare "柜员态度恶劣" by its cause although short messages are seldom complaints.
    """
    is_cause = np.array([name in CAUSES for name in heads[MATTER].classes])
    complaint = heads[NATURE].classes.index(COMPLAINT)
    views: Floats = np.stack(
        [nature[:, complaint], matter[:, is_cause].max(axis=1) - matter[:, ~is_cause].max(axis=1)], axis=1
    )
    return views


def from_details(causes: Sequence[str], details: Sequence[str], margins: Floats) -> Floats:
    """What the second levels say of their first level: log of the sum of their odds (last axis: causes)."""
    order, starts = _grouped(tuple(causes), tuple(details))
    sums: Floats = _log_sums(margins[..., order], starts, axis=-1)
    return sums - sums.mean(axis=-1, keepdims=True)


@lru_cache(maxsize=8)
def _grouped(causes: Tuple[str, ...], details: Tuple[str, ...]) -> Tuple[List[int], List[int]]:
    """The places of the details, cause by cause, and where each cause begins."""
    places = [[place for place, it in enumerate(details) if first_level(it) == cause] for cause in causes]
    return list(chain.from_iterable(places)), [0, *accumulate(map(len, places[:-1]))]


@lru_cache(maxsize=8)
def first_levels(causes: Tuple[str, ...], details: Tuple[str, ...]) -> npt.NDArray[np.int64]:
    """For each detail the place of its cause."""
    return np.array([causes.index(first_level(it)) for it in details])


def cause_logits(blend: Sequence[float], cause: Floats, added: Floats) -> Floats:
    """Log odds of the causes from their own margins and what their second levels add; `blend` as fitting.py found it."""
    own, lent, *shift = np.array(blend, dtype=np.float32)
    logits: Floats = own * cause + lent * added + np.array(shift)
    return logits
