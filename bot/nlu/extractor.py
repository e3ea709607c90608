"""Rasa component: entities with their values (bot/nlu/spans.py, values.py)."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List
from zoneinfo import ZoneInfo

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.branches import directory
from bot.nlu.component import READING, SPANS, TrainedComponent
from bot.nlu.corpus import Example
from bot.nlu.reading import read_all
from bot.nlu.spans import SpanTagger, fit, telling_rows
from bot.nlu.values import value_of

_FILE = "spans.crfsuite"
# "昨天中午" is said in China.
_ZONE = ZoneInfo("Asia/Shanghai")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class EntityExtractor(TrainedComponent):
    """branch, person, time, amount, duration, phone, card_tail, product, count."""

    _tagger: SpanTagger

    def learn(self, examples: Sequence[Example], folder: Path) -> None:
        """See parent class."""
        readings = read_all(tuple(example.text for example in examples))
        fit(telling_rows(examples, readings), folder / _FILE)

    def read(self, folder: Path) -> None:
        """See parent class."""
        self._tagger = SpanTagger.load(folder / _FILE)

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
