"""Rasa component: entities with their values (bot/nlu/spans.py, values.py)."""

from datetime import datetime
from typing import Any, Dict, List
from zoneinfo import ZoneInfo

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.branches import directory
from bot.nlu.component import READING, SPANS, Component
from bot.nlu.examples import examples_of
from bot.nlu.spans import SpanTagger, fit, training_row
from bot.nlu.values import value_of

_FILE = "spans.crfsuite"
# "昨天中午" is said in China.
_ZONE = ZoneInfo("Asia/Shanghai")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class EntityExtractor(Component):
    """branch, person, time, amount, duration, phone, card_tail, product, count."""

    def __init__(self, storage: ModelStorage, resource: Resource) -> None:
        self._storage = storage
        self._resource = resource
        self._tagger: SpanTagger

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "EntityExtractor":
        """Creates the component for training (see parent class for full docstring)."""
        return cls(model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "EntityExtractor":
        """Loads the trained tagger (see parent class for full docstring)."""
        extractor = cls(model_storage, resource)
        with model_storage.read_from(resource) as folder:
            extractor._tagger = SpanTagger.load(folder / _FILE)
        return extractor

    def train(self, training_data: TrainingData) -> Resource:
        """Trains the tagger (see parent class for full docstring)."""
        with self._storage.write_to(self._resource) as folder:
            fit((training_row(example) for example in examples_of(training_data)), folder / _FILE)
        return self._resource

    def understand(self, message: Message) -> None:
        """See parent class."""
        reading = message.get(READING)
        text, branches, now = reading.message.text, directory.current, moment_of(message)
        spans: List[Dict[str, Any]] = []
        for kind, start, end in self._tagger.find(text, reading.words, branches):
            begin, stop = reading.message.to_raw(start, end)
            value = value_of(kind, text[start:end], now=now, branches=branches)
            found = {"type": kind, "text": reading.message.raw[begin:stop], "start": begin, "end": stop}
            spans.append(found if value is None else {**found, "value": value})
        message.set(SPANS, spans)


def moment_of(message: Message) -> datetime:
    """When the message was written, by the wall clock in China; now, when it does not say."""
    said = (message.get("metadata") or {}).get("now")
    moment = datetime.fromisoformat(said) if said else datetime.now(_ZONE)
    return moment.astimezone(_ZONE) if moment.tzinfo else moment.replace(tzinfo=_ZONE)
