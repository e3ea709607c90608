"""Which of a response's wordings is said: the first by lot, from then on each in its turn."""

import random
from typing import Any, Dict, Optional, Text

from rasa.core.nlg import TemplatedNaturalLanguageGenerator
from rasa.core.nlg.generator import ResponseVariationFilter

from bot.state import turn_state


class Wordings(TemplatedNaturalLanguageGenerator):
    """Rasa draws by lot every time, so that it may say the same words to somebody three times in a row."""

    def _random_response_for(
        self, utter_action: Text, output_channel: Text, filled_slots: Dict[Text, Any]
    ) -> Optional[Dict[Text, Any]]:
        """See parent class. What was said last goes with the conversation's state."""
        if utter_action not in self.responses:
            return None
        suitable = ResponseVariationFilter(self.responses).responses_for_utter_action(
            utter_action, output_channel, filled_slots
        )
        if not suitable:
            return None
        said = turn_state.get().wordings
        place = said[utter_action] + 1 if utter_action in said else random.randrange(len(suitable))  # noqa: S311 - words, no secret
        said[utter_action] = place % len(suitable)
        return suitable[said[utter_action]]
