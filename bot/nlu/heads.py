"""The decisions the linear model is trained for, by name, and what is a complaint in the eyes of two of them. Pure."""

from collections.abc import Mapping

import numpy as np

from bot.nlu.corpus import CAUSES
from bot.nlu.linear import Floats, Head

# Complaint or not; the cause of a complaint or else the intent; the intent of what is no complaint; cause, second level, level.
NATURE, MATTER, INTENT, CAUSE, DETAIL, LEVEL = "nature", "matter", "intent", "cause", "detail", "level"
COMPLAINT, OTHER = "complaint", "other"
NO_DETAIL = "-"


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
