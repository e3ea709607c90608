"""What may break into a form, what resumes one, and what to do when nothing applies.

Rasa's forms hear everything while they are active, and rules come after them.
"""

from collections.abc import Set as AbstractSet
from typing import Any, Dict, Optional

from rasa.core.constants import POLICY_PRIORITY
from rasa.core.policies.policy import PolicyPrediction
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.core.constants import ACTION_DEACTIVATE_LOOP_NAME, ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from bot.policies.deterministic import (
    DeterministicPolicy,
    choice_of,
    cues_of,
    heard_just_now,
    intent_of,
    keeps_ticket,
    level_of,
    names_ticket,
    tells_facts,
    tells_praise,
    text_of,
)

_COMPLAINT = "complaint_form"
_LOOKUPS = frozenset({"progress_form", "withdraw_form"})
_PROGRESS = "progress_form"
_RISK = 3
# After these a form that is open waits for the customer.
_LEAVE_OPEN = frozenset({"action_handover", "action_progress", "action_withdraw"})
_SURE = 0.6
# Longer than this, a message tells a story, and what looks like a word to us is part of it.
_SHORT = 16
# Cues by what they lead to (bot/lexicon/cues.yml).
_ABOUT_A_TICKET = frozenset({"urge", "dissatisfied"})
_CASES = frozenset({"agent", "heir", "joint", "anonymous", "tip_off", "suggestion", "second_matter", "foreign"})
_FOR_THE_TICKET = frozenset({"evidence", "callback", "misspoke", "second_matter", "foreign"})
_ELSEWHERE = frozenset({"telecom", "other_company"})
_NO_MATTER = frozenset({"out_of_scope", "chitchat", "inquire", "nlu_fallback"})
# With a fact in them these are no small talk: somebody begins, or adds.
_BARE = frozenset({"inform", "correct", "nlu_fallback", "greet", "deny", "affirm", "out_of_scope"})
_OTHER_WISHES = frozenset({"praise", "withdraw", "request_human"})
_OTHER_BUSINESS = frozenset({"inquire", "query_progress", "withdraw", "request_human", "praise"})
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
        if tracker.latest_action_name in _LEAVE_OPEN and tracker.active_loop_name is not None:
            # The question stays open; the form hears the next message.
            return ACTION_LISTEN_NAME
        if tracker.latest_action_name == ACTION_DEACTIVATE_LOOP_NAME:
            return "utter_not_withdrawn" if keeps_ticket(tracker) else "utter_not_filed"
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
    if "human" in cues_of(tracker):
        return "action_handover"
    if keeps_ticket(tracker) and form != _COMPLAINT:
        return "utter_not_withdrawn" if form is None else ACTION_DEACTIVATE_LOOP_NAME
    if form is None:
        return _outside(tracker)
    if intent == "request_human" and (form in _LOOKUPS or choice_of(tracker) is None):
        return "action_handover"
    if form == _COMPLAINT and choice_of(tracker) is None:
        # "要多久" before filing asks about the rule, not about a ticket.
        # Words that answer our question are read as orders easily: an order is said plainly.
        cues = cues_of(tracker)
        if intent == "query_progress" and (names_ticket(tracker) or (_has_ticket(tracker) and "progress" in cues)):
            return _PROGRESS
        # Who leaves for the regulator hears the rights first (actions/hear.py); nothing is thrown away.
        leaves = intent == "withdraw" and "withdraw" in cues and _is_sure(tracker) and level_of(tracker) < _RISK
        return _on_withdrawal(tracker) if leaves else None
    return _COMPLAINT if form in _LOOKUPS and (intent == "complain" or tells_praise(tracker)) else None


def _has_ticket(tracker: DialogueStateTracker) -> bool:
    return tracker.get_slot("ticket_no") is not None


def _outside(tracker: DialogueStateTracker) -> Optional[str]:
    """No form is open: what the intent alone does not say."""
    choice, has_ticket = choice_of(tracker), _has_ticket(tracker)
    if choice is not None:
        return _COMPLAINT if choice == "start:complaint" or (not has_ticket and choice == "human:no") else None
    if _left_open(tracker):
        return _COMPLAINT
    return _with_ticket(tracker) if has_ticket else _without_ticket(tracker)


def _with_ticket(tracker: DialogueStateTracker) -> Optional[str]:
    """What belongs to the ticket filed last."""
    cues, intent = _steering(tracker), intent_of(tracker)
    if "again" in cues_of(tracker) and intent in ("complain", "query_progress", "inform"):
        return "action_supplement"
    if cues & _ABOUT_A_TICKET and intent not in _OTHER_WISHES:
        return _PROGRESS
    if "satisfied" in cues and intent != "request_human":
        return "utter_satisfied"
    if tells_praise(tracker):
        return _COMPLAINT
    if (cues & _FOR_THE_TICKET and intent not in _OTHER_BUSINESS) or (intent in _BARE and tells_facts(tracker)):
        return "action_supplement"
    return _unsure_withdrawal(tracker)


def _without_ticket(tracker: DialogueStateTracker) -> Optional[str]:
    cues, intent = cues_of(tracker), intent_of(tracker)
    if _steering(tracker) & _ABOUT_A_TICKET and intent not in (*_OTHER_WISHES, "complain"):
        return _PROGRESS
    if "other_bank" in cues or (cues & _ELSEWHERE and intent in _NO_MATTER):
        return "action_answer"
    if intent in _BARE and tells_facts(tracker):
        return _COMPLAINT
    if tells_praise(tracker) or "again" in cues or (cues & _CASES and intent not in _OTHER_BUSINESS):
        return _COMPLAINT
    return _unsure_withdrawal(tracker)


def _steering(tracker: DialogueStateTracker) -> AbstractSet[str]:
    """The cues that count: in a long story most words are part of it."""
    cues = cues_of(tracker)
    if intent_of(tracker) != "complain" or len(text_of(tracker)) <= _SHORT:
        return cues
    return cues & (_CASES | {"satisfied", "dissatisfied"})


def _unsure_withdrawal(tracker: DialogueStateTracker) -> Optional[str]:
    """A ticket is not withdrawn on a guess: a story about somebody's lost passbook was once read as one."""
    if intent_of(tracker) != "withdraw" or _is_sure(tracker) or names_ticket(tracker):
        return None
    cues = cues_of(tracker)
    if "withdraw" in cues:
        return None
    return _COMPLAINT if cues & _CASES else "action_clarify"


def _left_open(tracker: DialogueStateTracker) -> bool:
    """A draft that was left for a query, or not submitted: more facts belong to it, not to an older ticket."""
    return tracker.get_slot("narrative_raw") is not None and intent_of(tracker) in ("inform", "correct", "affirm")


def _is_sure(tracker: DialogueStateTracker) -> bool:
    """What is told must not be thrown away for a guess."""
    message = tracker.latest_message
    return message is not None and float(message.intent.get("confidence") or 0.0) >= _SURE


def _on_withdrawal(tracker: DialogueStateTracker) -> str:
    """Before filing there is nothing to withdraw: the form is given up. With a number a ticket is meant."""
    return "withdraw_form" if names_ticket(tracker) else ACTION_DEACTIVATE_LOOP_NAME


def _last_resort(tracker: DialogueStateTracker) -> str:
    if not heard_just_now(tracker):
        return ACTION_LISTEN_NAME
    return "utter_affirm_idle" if intent_of(tracker) == "affirm" else "action_clarify"
