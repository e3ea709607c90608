"""How an action speaks: bubbles for the customer, each a channel-neutral message (contract/turn.py, BotMessage)."""

from collections.abc import Sequence
from typing import Any

from rasa_sdk.executor import CollectingDispatcher

from contract.turn import Asks, Card, Choice


class Voice:
    """Collects the bubbles of one action. `line` names a response of bot/domain/responses.yml."""

    def __init__(self, dispatcher: CollectingDispatcher) -> None:
        self._dispatcher = dispatcher

    def say(self, text: str) -> None:
        """Words of the playbook, as they are."""
        self._dispatcher.utter_message(text=text)

    def line(
        self,
        response: str,
        *,
        asks: Asks | None = None,
        choices: Sequence[Choice] = (),
        card: Card | None = None,
        **slots: str,
    ) -> None:
        """One of the domain's variants of a line, with its placeholders filled."""
        custom: dict[str, Any] = {}
        if asks is not None:
            custom["asks"] = asks
        if card is not None:
            custom["card"] = card.model_dump(mode="json")
        self._dispatcher.utter_message(
            response=response,
            json_message=custom,
            buttons=[{"title": choice.label, "payload": choice.payload} for choice in choices],
            **slots,
        )

    def handover(self, reason: str, *, alert: bool = False) -> None:
        """Asks the bridge for a human; not a bubble."""
        self._dispatcher.utter_message(json_message={"handover": {"reason": reason, "alert": alert}})
