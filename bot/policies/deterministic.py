"""What our policies share: a decision made from the tracker alone, stated with full confidence."""

from abc import abstractmethod
from collections.abc import Set as AbstractSet
from typing import Any, Dict, List, Optional

from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData
from rasa.engine.graph import ExecutionContext
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker

# As long as this, words tell something.
_STORY = 16


class DeterministicPolicy(Policy):
    """A policy that learns nothing. Subclasses decide; None leaves the turn to the policies below."""

    @staticmethod
    def supported_data() -> SupportedData:
        """Neither: training data is not looked at."""
        return SupportedData.ML_AND_RULE_DATA

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "DeterministicPolicy":
        """Creates the policy; nothing was persisted."""
        return cls(config, model_storage, resource, execution_context)

    def train(self, training_trackers: List[TrackerWithCachedStates], domain: Domain, **kwargs: Any) -> Resource:
        """Nothing to learn (see parent class for full docstring)."""
        return self._resource

    @abstractmethod
    def decide(self, tracker: DialogueStateTracker, domain: Domain) -> Optional[str]:
        """The next action's name, or None."""

    def facts(self, tracker: DialogueStateTracker) -> List[Event]:
        """Events that hold whichever policy wins."""
        return []

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """Predicts the decision (see parent class for full docstring)."""
        action = self.decide(tracker, domain)
        events = self.facts(tracker)
        if action is None:
            return self._prediction(self._default_predictions(domain), events=events)
        probabilities = self._certainly(action, domain)
        # Rasa lets an active form overrule every other policy unless the prediction says that it needs no user input.
        return self._prediction(probabilities, events=events, is_no_user_prediction=True)

    @staticmethod
    def _certainly(action: str, domain: Domain) -> List[float]:
        probabilities = [0.0] * domain.num_actions
        probabilities[domain.index_for_action(action)] = 1.0
        return probabilities


def heard_just_now(tracker: DialogueStateTracker) -> bool:
    """Whether the customer has spoken and nothing was done about it yet."""
    return tracker.latest_action_name == ACTION_LISTEN_NAME and tracker.latest_message is not None


def intent_of(tracker: DialogueStateTracker) -> Optional[str]:
    """The intent of this message."""
    return tracker.latest_message.intent.get("name") if tracker.latest_message is not None else None


def choice_of(tracker: DialogueStateTracker) -> Optional[str]:
    """The payload of the picked button, when one was picked."""
    message = tracker.latest_message
    return (message.metadata or {}).get("choice") if message is not None else None


def cues_of(tracker: DialogueStateTracker) -> AbstractSet[str]:
    """What this message does beside telling a story (bot/nlu/cues.py)."""
    message = tracker.latest_message
    entities = message.entities if message is not None else []
    return {str(entity.get("value")) for entity in entities if entity.get("entity") == "cue"}


def keeps_ticket(tracker: DialogueStateTracker) -> bool:
    """ "不撤": heard as a withdrawal, and the contrary of one."""
    return intent_of(tracker) == "withdraw" and "keep" in cues_of(tracker)


def text_of(tracker: DialogueStateTracker) -> str:
    """The words of this message."""
    return (tracker.latest_message.text or "") if tracker.latest_message is not None else ""


def names_ticket(tracker: DialogueStateTracker) -> bool:
    """Whether this message has a ticket number in it."""
    return _has_entity(tracker, "ticket_no")


def tells_praise(tracker: DialogueStateTracker) -> bool:
    """Praise that says for whom or for what; "你真棒" is for us."""
    somebody = _has_entity(tracker, "branch") or _has_entity(tracker, "person")
    return intent_of(tracker) == "praise" and (somebody or len(text_of(tracker)) >= _STORY)


def tells_facts(tracker: DialogueStateTracker) -> bool:
    """Whether something is told that a complaint begins with: who, where, how to call back."""
    return any(_has_entity(tracker, kind) for kind in ("phone", "name", "branch", "amount"))


def _has_entity(tracker: DialogueStateTracker, kind: str) -> bool:
    message = tracker.latest_message
    return message is not None and any(entity.get("entity") == kind for entity in message.entities)


def level_of(tracker: DialogueStateTracker) -> int:
    """The level of this message. Not the slot `level`: that one keeps an older value when a message carries none."""
    message = tracker.latest_message
    found = [entity.get("value") for entity in message.entities if entity.get("entity") == "level"] if message else []
    return int(found[-1]) if found else 0
