"""Rasa component: intent, cause and level of a message, from one linear model (bot/nlu/fitting.py, decision.py)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, Optional

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.component import DECISION, READING, TrainedComponent
from bot.nlu.corpus import Example
from bot.nlu.decision import decide
from bot.nlu.encoder import Encoder, digest
from bot.nlu.fitting import fit
from bot.nlu.linear import LinearModel
from bot.nlu.reading import Reading, read_all


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class ComplaintClassifier(TrainedComponent):
    """Trains and serves the model."""

    _model: LinearModel

    def __init__(self, config: Dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        super().__init__(config, storage, resource)
        folder = config.get("encoder")
        self._encoder = Encoder.load(Path(folder)) if folder else None

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """`encoder`: the folder of an organisation's own sentence encoder (bot/nlu/encoder.py), or none."""
        return {"encoder": None}

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """See parent class."""
        folder = config.get("encoder")
        return f"{super().fingerprint_addon(config)} {digest(Path(folder)) if folder else ''}"

    def learn(self, examples: Sequence[Example], folder: Path) -> None:
        """See parent class."""
        texts = tuple(example.text for example in examples)
        dense = self._encoder.vectors(texts) if self._encoder else None
        fit(examples, read_all(texts), dense).save(folder)

    def read(self, folder: Path) -> None:
        """See parent class."""
        self._model = LinearModel.load(folder)

    def understand(self, message: Message) -> None:
        """See parent class."""
        reading: Reading = message.get(READING)
        dense = self._encoder.vectors([reading.message.raw])[0] if self._encoder else None
        decision = decide(self._model, reading, dense)
        message.set(DECISION, decision)
        message.set("intent", {"name": decision.intent, "confidence": decision.confidence}, add_to_output=True)
