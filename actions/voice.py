"""How an action speaks: bubbles for the customer, each a channel-neutral message (contract/turn.py, BotMessage)."""

from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk.executor import CollectingDispatcher

from actions.explain import Explanation
from contract.turn import Asks, Card, Choice

_SPOKEN = "hotline"


class Voice:
    """Collects the bubbles of one action. `line` names a response of bot/domain/responses.yml."""

    def __init__(self, dispatcher: CollectingDispatcher, channel: str = "web") -> None:
        self._dispatcher = dispatcher
        self._channel = channel

    def say(self, text: str) -> None:
        """Words of the playbook, as they are."""
        self._dispatcher.utter_message(text=text)

    def explain(self, explanation: Explanation, *, short: bool = False, feeling: bool = True) -> None:
        """A script: its stages as bubbles, on the hotline the sentences that an agent says aloud."""
        if self._channel == _SPOKEN and not short:
            self.say(explanation.spoken)
            return
        for bubble in explanation.bubbles(short=short, feeling=feeling):
            self.say(bubble)

    def line(
        self,
        response: str,
        *,
        asks: Asks | None = None,
        choices: Sequence[Choice] = (),
        card: Card | None = None,
        figures: Mapping[str, str] | None = None,
        **slots: str,
    ) -> None:
        """One of the domain's variants of a line, with its placeholders filled; `figures` are those of sla.yml."""
        custom: dict[str, Any] = {}
        if asks is not None:
            custom["asks"] = asks
        if card is not None:
            custom["card"] = card.model_dump(mode="json")
        self._dispatcher.utter_message(
            response=response,
            json_message=custom,
            buttons=[{"title": choice.label, "payload": choice.payload} for choice in choices],
            **{**(figures or {}), **slots},
        )

    def handover(self, reason: str, *, alert: bool = False) -> None:
        """Asks the bridge for a human; not a bubble."""
        self._dispatcher.utter_message(json_message={"handover": {"reason": reason, "alert": alert}})
