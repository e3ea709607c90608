"""Reads a message once for everybody: cut, normalised, segmented, its triggers found, its features listed."""

from dataclasses import dataclass
from functools import lru_cache
from typing import List, Tuple

from bot.nlu.cutting import kept_ranges
from bot.nlu.features import Gram, Words, char_grams, word_grams
from bot.nlu.normalise import Normalised, normalise
from bot.nlu.signals import signal_grams
from bot.nlu.triggers import Trigger, find_triggers
from bot.spacy import chinese


@dataclass(frozen=True)
class Reading:
    """What classifiers and extractors work on."""

    message: Normalised
    words: Tuple[Tuple[str, int, int], ...]
    triggers: Tuple[Trigger, ...]

    def grams(self) -> List[Gram]:
        """All features; words of a threat that is not the customer's own are left out."""
        hidden = frozenset(at for it in self.triggers if not it.is_own for at in range(it.start, it.end))
        shown = tuple(word for word in self.words if word[1] not in hidden)
        return [
            *char_grams(self.message.text, hidden),
            *word_grams(Words(shown)),
            *signal_grams(self.message, self.triggers),
        ]


def reading_of(message: Normalised) -> Reading:
    """Segments a normalised message and finds its triggers."""
    return Reading(message, tuple(chinese.words(message.text)), tuple(find_triggers(message.text)))


def cut_and_normalised(raw: str) -> Normalised:
    """The message in one spelling; of a long one the sentences that matter."""
    return normalise(raw, ranges=kept_ranges(raw))


def read(raw: str) -> Reading:
    """Both steps, for training and tests."""
    return reading_of(cut_and_normalised(raw))


@lru_cache(maxsize=1)
def read_all(texts: Tuple[str, ...]) -> Tuple[Reading, ...]:
    """The training texts, read once for both components that learn from them."""
    return tuple(read(text) for text in texts)
