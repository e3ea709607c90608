"""What may break into a form, what resumes one, and what to do when nothing applies.

Rasa's forms hear everything while they are active, and rules come after them.
"""

from typing import Any, Dict, Optional

from rasa.core.constants import POLICY_PRIORITY
from rasa.core.policies.policy import PolicyPrediction
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.core.constants import ACTION_DEACTIVATE_LOOP_NAME, ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from bot.policies.deterministic import DeterministicPolicy, choice_of, heard_just_now, intent_of

_COMPLAINT = "complaint_form"
_LOOKUPS = frozenset({"progress_form", "withdraw_form"})
_SURE = 0.6
# Lower than a rule or a story that matches (1.0): only when nobody else has a word.
_LAST_RESORT = 0.45


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class InterruptionPolicy(DeterministicPolicy):
    """A human can be called from everywhere; a complaint can be given up; nobody is held in a query."""

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """Below escalation, above Rasa's RulePolicy, which has 6."""
        return {POLICY_PRIORITY: 8}

    def decide(self, tracker: DialogueStateTracker, domain: Domain) -> Optional[str]:
        """See parent class."""
        if heard_just_now(tracker):
            return _on_message(tracker)
        if tracker.latest_action_name == "action_handover" and tracker.active_loop_name is not None:
            # The question stays open; the form hears the next message.
            return ACTION_LISTEN_NAME
        if tracker.latest_action_name == ACTION_DEACTIVATE_LOOP_NAME:
            return "utter_not_filed"
        return None

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """Adds a last resort, so that every message is answered and every turn ends (see parent class)."""
        prediction = super().predict_action_probabilities(tracker, domain, rule_only_data, **kwargs)
        if not prediction.is_no_user_prediction:
            prediction.probabilities[domain.index_for_action(_last_resort(tracker))] = _LAST_RESORT
        return prediction


def _on_message(tracker: DialogueStateTracker) -> Optional[str]:
    intent, form = intent_of(tracker), tracker.active_loop_name
    if form is None:
        return _COMPLAINT if _goes_on_with_intake(tracker) else None
    if intent == "request_human" and (form in _LOOKUPS or choice_of(tracker) is None):
        return "action_handover"
    if form == _COMPLAINT and choice_of(tracker) is None:
        if intent == "query_progress":
            return "progress_form"
        return _on_withdrawal(tracker) if intent == "withdraw" and _is_sure(tracker) else None
    return _COMPLAINT if form in _LOOKUPS and intent == "complain" else None


def _goes_on_with_intake(tracker: DialogueStateTracker) -> bool:
    choice, has_ticket = choice_of(tracker), tracker.get_slot("ticket_no") is not None
    if choice is not None:
        return choice == "start:complaint" or (not has_ticket and choice == "human:no")
    # A draft that was left for a query, or not submitted: more facts belong to it, not to an older ticket.
    return tracker.get_slot("narrative_raw") is not None and intent_of(tracker) in ("inform", "correct")


def _is_sure(tracker: DialogueStateTracker) -> bool:
    """What is told must not be thrown away for a guess."""
    message = tracker.latest_message
    return message is not None and float(message.intent.get("confidence") or 0.0) >= _SURE


def _on_withdrawal(tracker: DialogueStateTracker) -> str:
    """Before filing there is nothing to withdraw: the form is given up. With a number a ticket is meant."""
    message = tracker.latest_message
    names_ticket = message is not None and any(entity.get("entity") == "ticket_no" for entity in message.entities)
    return "withdraw_form" if names_ticket else ACTION_DEACTIVATE_LOOP_NAME


def _last_resort(tracker: DialogueStateTracker) -> str:
    if not heard_just_now(tracker):
        return ACTION_LISTEN_NAME
    return "utter_affirm_idle" if intent_of(tracker) == "affirm" else "action_clarify"
