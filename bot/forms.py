"""A form turn in one call: hear, speak and say what is asked next."""

from typing import List

from rasa.core.actions.forms import FormAction
from rasa.core.channels import OutputChannel
from rasa.core.nlg import NaturalLanguageGenerator
from rasa.shared.core.constants import REQUESTED_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActiveLoop, Event, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from bot.actions_endpoint import OurAction


class OneCallForm(FormAction):
    """Rasa's form without its own asking.

    Rasa's validates every slot by itself, throws the answer away when no slot was set (the assistant may only have
    spoken) and utters `utter_ask_<slot>` after the action has asked already. Ours posts `validate_<form>` once; the form
    goes on as long as the answer sets `requested_slot`.
    """

    async def run(
        self,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        tracker: DialogueStateTracker,
        domain: Domain,
    ) -> List[Event]:
        """Runs the form (see parent class for full docstring)."""
        # What another form asked for last is not our question.
        opening: List[Event] = (
            [] if tracker.active_loop_name == self.name() else [ActiveLoop(self.name()), SlotSet(REQUESTED_SLOT, None)]
        )
        seen = tracker.copy() if opening else tracker
        seen.update_with_events(opening, domain)
        action = OurAction(f"validate_{self.name()}", self.action_endpoint)
        events = [*opening, *await action.run(output_channel, nlg, seen, domain)]
        if await self.is_done(output_channel, nlg, tracker, domain, events):
            events.append(ActiveLoop(None))
        return events
