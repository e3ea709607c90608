"""What our Rasa components share: how they come to be, and a fingerprint over everything they are made from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.corpus import Example
from bot.nlu.examples import examples_of
from bot.nlu.files import sources_digest
from bot.spacy import chinese

# What one component leaves in the message for the next.
NORMALISED, READING, DECISION, SPANS = "normalised", "reading", "decision", "spans"


class Component(GraphComponent):
    """A component that works on one message at a time."""

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "Component":
        """Creates the component (see parent class for full docstring)."""
        return cls()

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """Rasa's own fingerprint sees neither helper modules nor lexicons: stale results would be reused."""
        return f"{sources_digest()} {chinese.name()}"

    def process(self, messages: List[Message]) -> List[Message]:
        """Works on each message (see parent class for full docstring)."""
        for message in messages:
            self.understand(message)
        return messages

    def understand(self, message: Message) -> None:
        """Adds this component's part to the message."""
        raise NotImplementedError


class TrainedComponent(Component):
    """A component that learns from the examples and keeps what it learnt in a folder of the model."""

    def __init__(self, config: Dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._storage = storage
        self._resource = resource

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "TrainedComponent":
        """Creates the component for training (see parent class for full docstring)."""
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "TrainedComponent":
        """Loads what was learnt (see parent class for full docstring)."""
        component = cls.create(config, model_storage, resource, execution_context)
        with model_storage.read_from(resource) as folder:
            component.read(folder)
        return component

    def train(self, training_data: TrainingData) -> Resource:
        """Learns (see parent class for full docstring)."""
        with self._storage.write_to(self._resource) as folder:
            self.learn(examples_of(training_data), folder)
        return self._resource

    def learn(self, examples: Sequence[Example], folder: Path) -> None:
        """Writes what the examples teach into the folder."""
        raise NotImplementedError

    def read(self, folder: Path) -> None:
        """Takes in what `learn` wrote."""
        raise NotImplementedError
