"""Rasa's agent for turns that succeed as a whole or fail as a whole."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Text, Union

from rasa.core.actions.action import Action, RemoteAction
from rasa.core.actions.forms import FormAction
from rasa.core.agent import Agent
from rasa.core.channels import OutputChannel, UserMessage
from rasa.core.nlg import NaturalLanguageGenerator, TemplatedNaturalLanguageGenerator
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.processor import MessageProcessor
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, Event
from rasa.shared.core.trackers import DialogueStateTracker

from bot.actions_endpoint import OurAction
from bot.forms import OneCallForm


class TurnError(Exception):
    """An action did not do its work, or the policies ran in a circle. `str()` names the action, never the message."""


class TurnAgent(Agent):
    """Serves turns. State comes with the request (bot/state.py), so there is nothing to lock and nothing to fall back to."""

    processor: Optional["TurnProcessor"]

    @staticmethod
    def _create_tracker_store(store: Optional[TrackerStore], domain: Domain) -> TrackerStore:
        """Without Rasa's fail-safe wrapper: it hides errors by keeping the conversation in memory."""
        if store is None:
            raise ValueError("endpoints.yml names no tracker_store")
        store.domain = domain
        return store

    def load_model(self, model_path: Union[Text, Path], fingerprint: Optional[Text] = None) -> None:
        """Loads the model (see parent class for full docstring)."""
        self.processor = TurnProcessor(
            model_path=model_path,
            tracker_store=self.tracker_store,
            lock_store=self.lock_store,
            action_endpoint=self.action_endpoint,
            generator=self.nlg,
            on_circuit_break=_fail_on_circle,
        )
        self.domain = self.processor.domain
        self._set_fingerprint(fingerprint)
        self.tracker_store.domain = self.domain
        if isinstance(self.nlg, TemplatedNaturalLanguageGenerator):
            self.nlg.responses = self.domain.responses

    async def handle_message(self, message: UserMessage) -> Optional[List[Dict[Text, Any]]]:
        """One turn, without a lock: two tries of one turn share nothing. Raises what went wrong."""
        return await self.loaded.handle_message(message)

    @property
    def loaded(self) -> "TurnProcessor":
        """What serves a turn. Raises TurnError while there is no model."""
        if self.processor is None:
            raise TurnError("no model is loaded")
        return self.processor


class TurnProcessor(MessageProcessor):
    """Rasa's processor logs a failed action and talks on without its events; here the turn fails."""

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        prediction: PolicyPrediction,
    ) -> bool:
        watched = _Watched(self._ours(action))
        goes_on = await super()._run_action(watched, tracker, output_channel, nlg, prediction)
        if watched.failure is not None:
            raise TurnError(action.name()) from watched.failure
        return goes_on

    def _ours(self, action: Action) -> Action:
        """The processor builds actions itself; `_run_action` is the only place where they all come through."""
        if isinstance(action, FormAction):
            return OneCallForm(action.name(), self.action_endpoint)
        if isinstance(action, RemoteAction):
            return OurAction(action.name(), self.action_endpoint)
        return action


class _Watched(Action):
    """Remembers the failure that Rasa's processor swallows. A rejection is one: none of our actions rejects."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self.failure: Optional[BaseException] = None

    def name(self) -> Text:
        return self._action.name()

    def event_for_successful_execution(self, prediction: PolicyPrediction) -> ActionExecuted:
        return self._action.event_for_successful_execution(prediction)

    async def run(
        self,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        tracker: DialogueStateTracker,
        domain: Domain,
    ) -> List[Event]:
        try:
            return await self._action.run(output_channel, nlg, tracker, domain)
        except Exception as failure:
            self.failure = failure
            raise


def _fail_on_circle(tracker: DialogueStateTracker, *_: Any) -> None:
    raise TurnError(f"too many actions, the last was {tracker.latest_action_name}")
