"""Rasa component: intent, cause and level of a message, from one linear model (bot/nlu/fitting.py, decision.py)."""

from collections.abc import Sequence
from pathlib import Path

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.component import DECISION, READING, TrainedComponent
from bot.nlu.corpus import Example
from bot.nlu.decision import decide
from bot.nlu.fitting import fit
from bot.nlu.linear import LinearModel
from bot.nlu.reading import read


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class ComplaintClassifier(TrainedComponent):
    """Trains and serves the model."""

    _model: LinearModel

    def learn(self, examples: Sequence[Example], folder: Path) -> None:
        """See parent class."""
        fit(examples, [read(example.text) for example in examples]).save(folder)

    def read(self, folder: Path) -> None:
        """See parent class."""
        self._model = LinearModel.load(folder)

    def understand(self, message: Message) -> None:
        """See parent class."""
        decision = decide(self._model, message.get(READING))
        message.set(DECISION, decision)
        message.set("intent", {"name": decision.intent, "confidence": decision.confidence}, add_to_output=True)
