"""Who boils over is not given a form (domain.md 6.3). Above every other policy."""

from typing import Any, Dict, List, Optional

from rasa.core.constants import POLICY_PRIORITY
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from bot.policies.deterministic import DeterministicPolicy, heard_just_now, intent_of, keeps_ticket, level_of

SAFETY, OFFER_HUMAN = "action_safety", "action_offer_human"
_DANGER, _RISK = 4, 3

# Once help is called these may tell more, and it helps; whoever wants to hurt is met with care alone.
_INTAKE_AFTER = frozenset({"资金正在被骗", "群体", "人身伤害"})
_NO_INTAKE = frozenset({"自伤", "人身威胁"})
# Facts somebody in danger may still ask for; everything else is met with care and no form.
_ANSWERED_IN_DANGER = frozenset({"request_human", "query_progress"})
# At level 3 these are answered by the offer itself.
_ANSWERED_BY_OFFER = frozenset({"inquire", "greet", "goodbye", "thank", "deny", "praise", "chitchat", "bot_challenge"})
_LOOKUPS = {"query_progress": "progress_form", "withdraw": "withdraw_form"}
_MORE_OF_THE_MATTER = frozenset({"complain", "inform", "correct"})


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class EscalationPolicy(DeterministicPolicy):
    """Level 4: safety and nothing else. The first level 3: a human is offered, then the matter goes on."""

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """Above every other policy; Rasa's RulePolicy has 6."""
        return {POLICY_PRIORITY: 10}

    def decide(self, tracker: DialogueStateTracker, domain: Domain) -> Optional[str]:
        """See parent class."""
        if heard_just_now(tracker):
            if _is_in_danger(tracker):
                return SAFETY
            return OFFER_HUMAN if _is_to_be_offered_a_human(tracker) else None
        if tracker.latest_action_name == SAFETY:
            return ACTION_LISTEN_NAME
        if tracker.latest_action_name == OFFER_HUMAN and tracker.active_loop_name is None:
            return _after_offer(tracker)
        return None

    def facts(self, tracker: DialogueStateTracker) -> List[Event]:
        """The peak never falls within a conversation."""
        level = level_of(tracker)
        return [SlotSet("level_peak", level)] if level > _peak(tracker) else []


def _is_in_danger(tracker: DialogueStateTracker) -> bool:
    if level_of(tracker) >= _DANGER:
        return True
    if _peak(tracker) < _DANGER or intent_of(tracker) in _ANSWERED_IN_DANGER:
        return False
    tags = set(tracker.get_slot("tags") or ())
    return bool(tags & _NO_INTAKE) or not tags & _INTAKE_AFTER


def _is_to_be_offered_a_human(tracker: DialogueStateTracker) -> bool:
    """The complaint form offers by itself, after it has shown that it listened; here is everybody else."""
    if level_of(tracker) != _RISK or tracker.get_slot("rights_told") or intent_of(tracker) == "request_human":
        return False
    starts_form = intent_of(tracker) == "complain" and tracker.get_slot("ticket_no") is None
    return not starts_form and tracker.active_loop_name != "complaint_form"


def _after_offer(tracker: DialogueStateTracker) -> str:
    intent, has_ticket = intent_of(tracker), tracker.get_slot("ticket_no") is not None
    if intent in _LOOKUPS and not keeps_ticket(tracker):
        return _LOOKUPS[intent]
    if has_ticket:
        return "action_supplement" if intent in _MORE_OF_THE_MATTER else ACTION_LISTEN_NAME
    return ACTION_LISTEN_NAME if intent in _ANSWERED_BY_OFFER else "complaint_form"


def _peak(tracker: DialogueStateTracker) -> int:
    return int(tracker.get_slot("level_peak") or 0)
