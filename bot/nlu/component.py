"""What our Rasa components share: nothing to configure, and a fingerprint over everything they are made from."""

from typing import Any, Dict, List, Optional

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message

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
