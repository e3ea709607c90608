"""A filed ticket from outside: how far it is, urging, not being satisfied, taking it back. Number and phone tail open all."""

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import fields, texts
from actions.answer import answer_question
from actions.bridge import Bridge, Progress
from actions.explain import render
from actions.situation import World, situation
from actions.tracker import Turn, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook
from contract.turn import Asks

_FIELDS: tuple[Asks, ...] = ("ticket_no", "phone_tail")
_MAX_TRIES = 3
_TAIL_DIGITS = 4
# What the customer came for, beside the progress.
_PURPOSES = {"urge": "urge", "dissatisfied": "review"}
_LOOKUP_SLOTS = ("lookup_ticket_no", "lookup_phone_tail", "lookup_tries", "lookup_purpose", "lookup_sure")
_SURE = "lookup_sure"


class _ValidateLookup(Action):
    """Collects the ticket number and the phone tail, for `progress_form` and `withdraw_form` alike."""

    form = ""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return f"validate_{self.form}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, slots = read_turn(tracker), tracker.slots
        said = _said(turn, slots.get("requested_slot"))
        found = {**_known({**slots, **said}), **said}
        tries = int(slots.get("lookup_tries") or 0)
        missing = next((field for field in _fields(found, slots) if not found.get(f"lookup_{field}")), None)
        if turn.intent in ("deny", "skip") or tries >= _MAX_TRIES:
            missing = None
        if missing is not None:
            voice, asked_before = Voice(dispatcher, turn.channel), slots.get("requested_slot") == _slot(missing)
            if turn.intent == "ask_why":
                voice.line(f"utter_why_{missing}")
            elif asked_before and turn.intent == "inquire":
                await self._answer(voice, tracker, turn)
            voice.line(f"utter_again_{missing}" if asked_before else f"utter_ask_{missing}", asks=missing)
        found["lookup_purpose"] = slots.get("lookup_purpose") or _purpose(turn)
        if "withdraw_plain" in turn.cues:
            # Said before the number was: it need not be said again.
            found["lookup_sure"] = True
        requested = _slot(missing)
        given_up = missing is None and not _is_complete(found, slots)
        if missing is None and not given_up:
            found["lookup_sure"], requested = self._make_sure(Voice(dispatcher, turn.channel), turn, slots)
        events: list[EventType] = [SlotSet(name, value) for name, value in found.items()]
        return [*events, SlotSet("lookup_tries", tries + 1), SlotSet("requested_slot", requested)]

    async def _answer(self, voice: Voice, tracker: Tracker, turn: Turn) -> None:
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        answer_question(voice, turn, read_memory(tracker), world)

    def _make_sure(self, voice: Voice, turn: Turn, slots: dict[str, Any]) -> tuple[bool | None, str | None]:
        """Whether it is really meant, and the question that is still open about it; a query does no harm."""
        return True, None


class ValidateProgressForm(_ValidateLookup):
    """Collects what a progress query needs."""

    form = "progress_form"


class ValidateWithdrawForm(_ValidateLookup):
    """Collects what a withdrawal needs; unless it is said plainly, one closed question comes first."""

    form = "withdraw_form"

    def _make_sure(self, voice: Voice, turn: Turn, slots: dict[str, Any]) -> tuple[bool | None, str | None]:
        """See parent class. "算了" and "能不能撤回" are no orders; only staff can undo a withdrawal."""
        asked = slots.get("requested_slot") == _SURE
        if slots.get("lookup_sure") or (not asked and "withdraw_plain" in turn.cues):
            return True, None
        if asked:
            yes = (
                turn.choice == "withdraw:yes"
                or turn.intent in ("affirm", "withdraw")
                or texts.is_confirmation(turn.text)
            )
            return yes and "keep" not in turn.cues, None
        voice.line("utter_ask_withdraw", asks="confirm", choices=texts.WITHDRAW_CHOICES)
        return None, _SURE


class _LookupAction(Action):
    """Opens the ticket that a lookup form has found, then does what the customer came for."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    async def _open(self, tracker: Tracker) -> Progress | str:
        """The ticket, or the line that says why there is none to show."""
        slots = tracker.slots
        number, tail = slots.get("lookup_ticket_no"), slots.get("lookup_phone_tail")
        if not number or not (tail or number == slots.get("ticket_no")):
            return "utter_lookup_incomplete"
        conversation = read_turn(tracker).conversation_id
        found = await self._bridge.progress(number, tail or "", conversation_id=conversation)
        return "utter_lookup_unknown" if found is None else found

    def _back_to_intake(self, voice: Voice, tracker: Tracker) -> list[EventType]:
        """A matter that was being told when the query came in: its open question is put again."""
        memory = read_memory(tracker)
        if memory.draft.narrative_raw is None or not memory.asked:
            return []
        field = fields.next_field(
            memory.draft, playbook=self._playbook, skipped=memory.skipped, tries=memory.tries, asked=memory.asked
        )
        voice.line("utter_go_on")
        if field == "confirm":
            card = fields.read_back_card(memory.draft, self._playbook)
            voice.line("utter_ask_confirm", asks="confirm", card=card, choices=texts.CONFIRM_CHOICES)
            return [ActiveLoop("complaint_form"), SlotSet("requested_slot", "confirm")]
        voice.line(f"utter_again_{field}", asks=field)
        asked = SlotSet("asked", [*memory.asked, field])
        return [ActiveLoop("complaint_form"), asked, SlotSet("requested_slot", field)]

    async def _script(self, voice: Voice, tracker: Tracker, script_id: str, more: dict[str, str]) -> None:
        turn = read_turn(tracker)
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        script = self._playbook.script(script_id)
        found = render(script, situation(turn, read_memory(tracker), world, more=more)) if script else None
        if found is not None:
            voice.explain(found, feeling=turn.level > 0)


class ActionProgress(_LookupAction):
    """到哪一步了, 催一下, 对结果不满意: the state in plain words, the next date, and what was done about it."""

    def name(self) -> str:
        return "action_progress"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = read_turn(tracker)
        voice, found = Voice(dispatcher, turn.channel), await self._open(tracker)
        if isinstance(found, str):
            voice.line(found)
            return [*_forget(), *self._back_to_intake(voice, tracker)]
        match tracker.slots.get("lookup_purpose"):
            case "urge":
                await self._urge(voice, tracker, turn, found)
            case "review":
                await self._review(voice, tracker, turn, found)
            case _:
                await self._script(voice, tracker, "X29", _slots_of(found))
                if "how_long" in turn.cues:
                    voice.line("utter_how_long", figures=self._playbook.sla.figures_on(turn.now.date()))
        return [*_forget(), *self._back_to_intake(voice, tracker)]

    async def _urge(self, voice: Voice, tracker: Tracker, turn: Turn, found: Progress) -> None:
        event = {"type": "urge", "text": turn.text, "from_customer": True} | (
            {"level": turn.level} if turn.level else {}
        )
        done = await self._bridge.add_event(found.ticket_no, event, _key(turn, found, "urge"))
        if done is None:
            await self._script(voice, tracker, "X29", _slots_of(found))
        elif done.next_date is not None:
            next_date = texts.day_text(done.next_date)
            response = "utter_urged_contact" if done.next_kind == "first_contact" else "utter_urged"
            voice.line(response, ticket_no=found.ticket_no, next_date=next_date)
        else:
            voice.line("utter_urged_answered", ticket_no=found.ticket_no, state=found.state_text)

    async def _review(self, voice: Voice, tracker: Tracker, turn: Turn, found: Progress) -> None:
        """Not satisfied: the routes (X30); an answered ticket is looked at again, of a running one the words are kept."""
        event = {"type": "review", "text": turn.text, "from_customer": True}
        if await self._bridge.add_event(found.ticket_no, event, _key(turn, found, "review")) is not None:
            voice.line("utter_review_requested", ticket_no=found.ticket_no)
        else:
            event["type"] = "comment"
            kept = await self._bridge.add_event(found.ticket_no, event, _key(turn, found, "comment"))
            if kept is not None and found.next_date is not None:
                voice.line("utter_review_noted", ticket_no=found.ticket_no)
        await self._script(voice, tracker, "X30", {"ticket_no": found.ticket_no})


class ActionWithdraw(_LookupAction):
    """撤回: ends the complaint today (3号令第十五条), without pressure and without asking why."""

    def name(self) -> str:
        return "action_withdraw"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = read_turn(tracker)
        voice, found = Voice(dispatcher, turn.channel), await self._open(tracker)
        events: list[EventType] = _forget()
        if isinstance(found, str):
            voice.line(found)
        elif not tracker.slots.get(_SURE):
            voice.line("utter_not_withdrawn")
        else:
            events += await self._withdraw(voice, tracker, turn, found)
        return [*events, *self._back_to_intake(voice, tracker)]

    async def _withdraw(self, voice: Voice, tracker: Tracker, turn: Turn, found: Progress) -> list[EventType]:
        event = {"type": "withdraw", "from_customer": True}
        done = await self._bridge.add_event(
            found.ticket_no, event, f"{turn.conversation_id}:withdraw:{found.ticket_no}"
        )
        if done is None:
            voice.line("utter_withdraw_refused", ticket_no=found.ticket_no)
            return []
        await self._script(voice, tracker, "X31", {"ticket_no": found.ticket_no})
        own = found.ticket_no == tracker.slots.get("ticket_no")
        forgotten = ("ticket_no", "ticket_cause", "ticket_branch", "ticket_phone_tail")
        return [SlotSet(name, None) for name in forgotten] if own else []


def _is_complete(found: dict[str, Any], slots: dict[str, Any]) -> bool:
    return all(found.get(f"lookup_{field}") for field in _fields(found, slots))


def _purpose(turn: Turn) -> str | None:
    return next((purpose for cue, purpose in _PURPOSES.items() if cue in turn.cues), None)


def _slots_of(found: Progress) -> dict[str, str]:
    slots = {"ticket_no": found.ticket_no, "state": found.state_text}
    if found.next_date:
        slots["next_date"] = texts.day_text(found.next_date)
    if found.days:
        slots["day_count"] = str(found.days)
    if found.extension_reason and found.next_date:
        slots["extension_reason"] = found.extension_reason
    return slots


def _key(turn: Turn, found: Progress, kind: str) -> str:
    return f"{turn.conversation_id}:{found.ticket_no}:{kind}:{turn.now.isoformat()}"


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
    return [SlotSet(name, None) for name in _LOOKUP_SLOTS]
