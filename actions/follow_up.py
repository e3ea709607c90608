"""After filing: how far the complaint is, and taking it back. Number and phone tail open both."""

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import texts
from actions.bridge import Bridge
from actions.tracker import Turn, read_turn
from actions.voice import Voice
from contract.turn import Asks

_FIELDS: tuple[Asks, ...] = ("ticket_no", "phone_tail")
_MAX_TRIES = 3
_TAIL_DIGITS = 4


class _ValidateLookup(Action):
    """Collects the ticket number and the phone tail, for `progress_form` and `withdraw_form` alike."""

    form = ""

    def name(self) -> str:
        return f"validate_{self.form}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, slots = read_turn(tracker), tracker.slots
        found = {**_known(slots), **_said(turn, slots.get("requested_slot"))}
        tries = int(slots.get("lookup_tries") or 0)
        missing = next((field for field in _fields(found, slots) if not found.get(f"lookup_{field}")), None)
        if turn.intent in ("deny", "skip") or tries >= _MAX_TRIES:
            missing = None
        if missing is not None:
            voice = Voice(dispatcher)
            if turn.intent == "ask_why":
                voice.line(f"utter_why_{missing}")
            voice.line(f"utter_ask_{missing}", asks=missing)
        events: list[EventType] = [SlotSet(name, value) for name, value in found.items()]
        return [*events, SlotSet("lookup_tries", tries + 1), SlotSet("requested_slot", _slot(missing))]


class ValidateProgressForm(_ValidateLookup):
    """Collects what a progress query needs."""

    form = "progress_form"


class ValidateWithdrawForm(_ValidateLookup):
    """Collects what a withdrawal needs."""

    form = "withdraw_form"


class ActionProgress(Action):
    """到哪一步了: the state in plain words and the next date."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def name(self) -> str:
        return "action_progress"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        voice, slots = Voice(dispatcher), tracker.slots
        number, tail = slots.get("lookup_ticket_no"), slots.get("lookup_phone_tail")
        if not number or not (tail or number == slots.get("ticket_no")):
            voice.line("utter_lookup_incomplete")
            return _forget()
        conversation = read_turn(tracker).conversation_id
        progress = await self._bridge.progress(number, tail or "", conversation_id=conversation)
        if progress is None:
            voice.line("utter_lookup_unknown")
        elif progress.next_date:
            response = "utter_progress_contact" if progress.next_kind == "first_contact" else "utter_progress"
            next_date = texts.day_text(progress.next_date)
            voice.line(response, ticket_no=number, state=progress.state_text, next_date=next_date)
        else:
            voice.line("utter_progress_ended", ticket_no=number, state=progress.state_text)
        return _forget()


class ActionWithdraw(Action):
    """撤回: ends the complaint today (3号令第十五条), without pressure and without asking why."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def name(self) -> str:
        return "action_withdraw"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        voice, slots, turn = Voice(dispatcher), tracker.slots, read_turn(tracker)
        number, tail = slots.get("lookup_ticket_no"), slots.get("lookup_phone_tail")
        own = number is not None and number == slots.get("ticket_no")
        if not number or not (own or tail):
            voice.line("utter_lookup_incomplete")
            return _forget()
        known = own or await self._bridge.progress(number, str(tail), conversation_id=turn.conversation_id)
        if not known:
            voice.line("utter_lookup_unknown")
            return _forget()
        key = f"{turn.conversation_id}:withdraw:{number}"
        done = await self._bridge.add_event(number, {"type": "withdraw", "from_customer": True}, key)
        voice.line("utter_withdrawn" if done else "utter_withdraw_refused", ticket_no=number)
        return [*_forget(), *([SlotSet("ticket_no", None), SlotSet("ticket_cause", None)] if done and own else [])]


def _fields(found: dict[str, Any], slots: dict[str, Any]) -> tuple[Asks, ...]:
    """In the conversation that filed the ticket the number is enough: the phone may have been withheld."""
    return _FIELDS[:1] if found.get("lookup_ticket_no") == slots.get("ticket_no") else _FIELDS


def _known(slots: dict[str, Any]) -> dict[str, Any]:
    """What is known already: in the conversation that filed a ticket nothing has to be asked."""
    number = slots.get("lookup_ticket_no") or slots.get("ticket_no")
    own = number is not None and number == slots.get("ticket_no")
    tail = slots.get("lookup_phone_tail") or (slots.get("ticket_phone_tail") if own else None)
    return {"lookup_ticket_no": number, "lookup_phone_tail": tail}


def _said(turn: Turn, requested: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (number := turn.span("ticket_no")) is not None:
        found["lookup_ticket_no"] = str(number.best).upper()
    if (phone := turn.span("phone")) is not None:
        found["lookup_phone_tail"] = str(phone.best)
    elif requested == "lookup_phone_tail":
        digits = "".join(character for character in turn.text if character.isdecimal())
        if len(digits) == _TAIL_DIGITS:
            found["lookup_phone_tail"] = digits
    return found


def _slot(field: str | None) -> str | None:
    return f"lookup_{field}" if field else None


def _forget() -> list[EventType]:
    return [SlotSet(name, None) for name in ("lookup_ticket_no", "lookup_phone_tail", "lookup_tries")]
