"""Rasa's training data as our examples: text, the labels of the block it stands in, and its entities."""

from collections.abc import Mapping
from typing import Any, List

from rasa.shared.nlu.constants import (
    ENTITIES,
    ENTITY_ATTRIBUTE_END,
    ENTITY_ATTRIBUTE_START,
    ENTITY_ATTRIBUTE_TYPE,
    INTENT,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.corpus import Example, Span, labelled


def examples_of(training_data: TrainingData) -> List[Example]:
    """Every example that has words, in a fixed order."""
    return [_example(message) for message in training_data.nlu_examples if message.get(TEXT)]


def _example(message: Message) -> Example:
    # Rasa keeps a block's metadata below the name of what it describes.
    metadata: Mapping[str, Any] = (message.get("metadata") or {}).get(INTENT) or {}
    spans = tuple(
        Span(it[ENTITY_ATTRIBUTE_TYPE], it[ENTITY_ATTRIBUTE_START], it[ENTITY_ATTRIBUTE_END])
        for it in message.get(ENTITIES) or ()
    )
    return labelled(message.get(TEXT), message.get(INTENT), metadata, spans)
