"""Rasa component: intent, cause and level of a message, from one linear model (bot/nlu/fitting.py, decision.py)."""

from typing import Any, Dict

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.component import DECISION, READING, Component
from bot.nlu.decision import decide
from bot.nlu.examples import examples_of
from bot.nlu.fitting import fit
from bot.nlu.linear import LinearModel
from bot.nlu.reading import read


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class ComplaintClassifier(Component):
    """Trains and serves the model."""

    def __init__(self, storage: ModelStorage, resource: Resource) -> None:
        self._storage = storage
        self._resource = resource
        self._model: LinearModel

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "ComplaintClassifier":
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
    ) -> "ComplaintClassifier":
        """Loads the trained model (see parent class for full docstring)."""
        classifier = cls(model_storage, resource)
        with model_storage.read_from(resource) as folder:
            classifier._model = LinearModel.load(folder)
        return classifier

    def train(self, training_data: TrainingData) -> Resource:
        """Trains on the examples with the labels of their blocks (see parent class for full docstring)."""
        examples = examples_of(training_data)
        model = fit(examples, [read(example.text) for example in examples])
        with self._storage.write_to(self._resource) as folder:
            model.save(folder)
        return self._resource

    def understand(self, message: Message) -> None:
        """See parent class."""
        decision = decide(self._model, message.get(READING))
        message.set(DECISION, decision)
        message.set("intent", {"name": decision.intent, "confidence": decision.confidence}, add_to_output=True)
