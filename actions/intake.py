"""One turn of the complaint form: hear, explain where it helps, ask the one thing that is missing, read back."""

from collections.abc import Mapping
from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import fields, texts
from actions.absorb import absorb, answer_in_own_words, is_correction
from actions.answer import RIGHTS_WORDS
from actions.bridge import Bridge
from actions.explain import MAX_LEVEL, Explanation, applicable_script, render
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.branch import Branch
from contract.playbook import Playbook
from contract.ticket import Request
from contract.turn import Choice

# Below this the first place of the ranking is asked about instead of believed.
_CLARIFY_BELOW = 0.45
_TALK = frozenset({"greet", "thank", "chitchat", "praise", "bot_challenge", "out_of_scope", "goodbye"})


class ValidateComplaintForm(Action):
    """Does a whole form turn in one call, because every call costs the customer's time."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "validate_complaint_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        branches = await self._bridge.branches(turn.branches_version)
        after = IntakeTurn(turn, before, Voice(dispatcher), self._playbook, branches).play()
        return memory_events(before, after)


class IntakeTurn:
    """The steps of one turn, in the order in which the customer hears them."""

    def __init__(
        self, turn: Turn, memory: Memory, voice: Voice, playbook: Playbook, branches: Mapping[str, Branch]
    ) -> None:
        self._turn = turn
        self._memory = memory
        self._voice = voice
        self._playbook = playbook
        self._branches = branches
        self._first = memory.draft.narrative_raw is None

    def play(self) -> Memory:
        """Speaks, and returns what is known now; `requested` None ends the form."""
        if self._turn.choice is not None:
            return self._choose(self._turn.choice)
        if self._memory.requested == "confirm" and texts.is_confirmation(self._turn.text):
            return self._filed()
        known_before = self._memory
        self._memory = absorb(self._memory, self._turn)
        if self._first:
            self._acknowledge()
        elif not self._digress(known_before):
            self._take_answer(known_before)
        self._offer_human()
        self._explain()
        return self._ask()

    # What the customer picked

    def _choose(self, payload: str) -> Memory:
        kind, _, value = payload.partition(":")
        match kind, value:
            case "confirm", "yes":
                return self._filed()
            case "confirm", "no":
                self._voice.line("utter_not_filed")
                return replace(self._memory, requested=None)
            case "confirm", "change":
                return self._ask_what_to_change()
            case "field", field:
                return self._ask_again(field)
            case "request", value if value in set(Request):
                self._memory = self._with(request=Request(value), customer_quote=self._turn.text or value)
            case "cause", code:
                self._memory = self._with_chosen_cause(code)
                self._voice.line("utter_cause_noted")
            case "human", "yes":
                self._voice.handover("user_request")
                self._memory = self._with(callback_wanted=True)
                line = "utter_human_available" if self._turn.human_available else "utter_human_unavailable"
                self._voice.line(line)
            case "human", _:
                self._voice.line("utter_go_on")
        return self._ask()

    def _filed(self) -> Memory:
        """Ends the form; `action_submit_complaint` follows and files."""
        return replace(self._memory, requested=None, asked=(*self._memory.asked, "confirmed"))

    def _ask_what_to_change(self) -> Memory:
        card = fields.read_back_card(self._memory.draft, self._playbook)
        choices = [
            Choice(label=line.label, payload=f"field:{line.name}") for line in card.fields if line.name != "cause"
        ]
        self._voice.line("utter_change_which", choices=choices)
        return self._memory

    def _ask_again(self, field: str) -> Memory:
        if field not in texts.ASKED_FIELDS:
            return self._ask()
        self._voice.line(f"utter_ask_{field}", asks=texts.ASKED_FIELDS[field])
        return replace(self._memory, requested=field)

    def _with_chosen_cause(self, code: str) -> Memory:
        if self._playbook.taxonomy.cause(code) is None:
            return self._memory
        first = code.rstrip("abcde")
        detail = code if code != first else None
        return self._with(cause_l1=first, cause_l2=detail, cause_confidence=1.0, cause_runner_up=None)

    # What the customer said

    def _acknowledge(self) -> None:
        script = self._playbook.script("X00")
        explanation = (
            render(script, texts.situation(self._turn, self._memory.draft, None, self._playbook)) if script else None
        )
        if explanation is not None:
            self._use(explanation)

    def _digress(self, before: Memory) -> bool:
        """Answers what is not an answer to our question; True when the message was nothing else."""
        intent = self._turn.intent
        learned = before.draft.model_dump(exclude={"level", "level_peak", "trigger_phrases"}) != (
            self._memory.draft.model_dump(exclude={"level", "level_peak", "trigger_phrases"})
        )
        if intent == "correct" or (learned and is_correction(self._turn)):
            self._voice.line("utter_corrected" if learned else "utter_correct_how")
            return True
        if intent == "ask_why" and before.requested:
            self._voice.line(f"utter_why_{before.requested}")
            return True
        if intent in ("skip", "deny") and before.requested and not learned:
            self._skip(before.requested)
            return True
        if intent == "inquire" and not learned:
            if not self._tell_rights_if_asked():
                self._voice.line("utter_answer_later")
            return True
        if intent in _TALK and not learned:
            self._voice.line(f"utter_{intent}_in_form")
            return True
        if intent == "complain" and learned and before.requested not in ("narrative", None):
            self._voice.line("utter_heard_more")
            return before.requested == "confirm" or fields.is_known(self._memory.draft, before.requested or "")
        return False

    def _tell_rights_if_asked(self) -> bool:
        """The supervisors' numbers are given to whoever asks, at any point."""
        script = self._playbook.script("X27")
        if script is None or not any(word in self._turn.text for word in RIGHTS_WORDS):
            return False
        rights = render(script, texts.situation(self._turn, self._memory.draft, None, self._playbook))
        if rights is not None:
            self._use(rights, rights.parts[:1])
        return rights is not None

    def _skip(self, field: str) -> None:
        if field == "confirm":
            self._voice.line("utter_confirm_hint")
            return
        self._memory = replace(self._memory, skipped=self._memory.skipped | {field})
        self._voice.line("utter_skipped_phone" if field == "phone" else "utter_skipped")

    def _take_answer(self, before: Memory) -> None:
        asked = before.requested
        if asked is None or asked == "confirm" or fields.is_known(self._memory.draft, asked):
            return
        # "一千八" answers another question than the one that was asked.
        told_else = fields.facts(self._memory.draft) != fields.facts(before.draft)
        if self._turn.intent not in ("complain", "inquire") and not told_else:
            self._memory = answer_in_own_words(self._memory, self._turn)

    # What the assistant adds

    def _offer_human(self) -> None:
        """Level 3: rights and a human, once. Level 2: a human, once."""
        if self._turn.level >= 3 and not self._memory.rights_told:
            script = self._playbook.script("X27")
            if script and (
                rights := render(script, texts.situation(self._turn, self._memory.draft, None, self._playbook))
            ):
                self._use(rights)
            self._voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES)
            self._memory = replace(self._memory, rights_told=True, human_offered=True)
        elif self._turn.level == 2 and not self._memory.human_offered:
            self._voice.line("utter_offer_human_short", choices=texts.HUMAN_CHOICES[:1])
            self._memory = replace(self._memory, human_offered=True)

    def _explain(self) -> None:
        """At most one explanation a turn, each script once, none where it would sound like an excuse."""
        draft = self._memory.draft
        used = frozenset(name.partition("@")[0] for name in draft.script_ids_used)
        script = applicable_script(self._playbook, draft.cause_l2 or draft.cause_l1, used)
        if script is None or draft.level_peak > MAX_LEVEL or not self._is_sure_of_cause():
            return
        if any(not fields.is_known(draft, need) and need not in self._memory.skipped for need in script.needs):
            return
        branch = self._branches.get(draft.branch or "")
        names = {code: known.name for code, known in self._branches.items()}
        explanation = render(script, texts.situation(self._turn, draft, branch, self._playbook, names))
        if explanation is not None:
            parts = explanation.parts[:1] if self._turn.level == MAX_LEVEL and not explanation.fault else None
            self._use(explanation, parts)

    def _use(self, explanation: Explanation, parts: tuple[str, ...] | None = None) -> None:
        for part in parts or explanation.parts:
            self._voice.say(part)
        draft = self._memory.draft
        self._memory = self._with(
            script_ids_used=(*draft.script_ids_used, explanation.label),
            hours_fault=draft.hours_fault or explanation.fault,
        )

    def _is_sure_of_cause(self) -> bool:
        return (self._memory.draft.cause_confidence or 0.0) >= _CLARIFY_BELOW

    # What the assistant asks

    def _ask(self) -> Memory:
        memory = self._memory
        if self._should_clarify():
            return self._clarify()
        tries = dict(memory.tries)
        field = fields.next_field(memory.draft, playbook=self._playbook, skipped=memory.skipped, tries=tries)
        if field == "confirm":
            card = fields.read_back_card(memory.draft, self._playbook)
            self._voice.line("utter_ask_confirm", asks="confirm", card=card, choices=texts.CONFIRM_CHOICES)
            return replace(memory, requested="confirm")
        again = tries.get(field, 0) > 0
        choices = texts.REQUEST_CHOICES if field == "request" else ()
        self._voice.line(f"utter_{'reask' if again else 'ask'}_{field}", asks=field, choices=choices)
        tries[field] = tries.get(field, 0) + 1
        asked = memory.asked if again else (*memory.asked, field)
        return replace(memory, requested=field, tries=tries, asked=asked)

    def _should_clarify(self) -> bool:
        unclear = bool(self._turn.causes) and not self._is_sure_of_cause()
        told = not fields.is_vague(self._memory.draft.narrative_raw or "")
        return unclear and told and not self._memory.clarified and self._turn.level < 3 and self._turn.choice is None

    def _clarify(self) -> Memory:
        taxonomy = self._playbook.taxonomy
        choices = [
            Choice(label=taxonomy.name(guess.code), payload=f"cause:{guess.finest}")
            for guess in self._turn.causes[:3]
            if guess.code != "C99"
        ]
        self._voice.line("utter_ask_cause", asks="narrative", choices=[*choices, texts.OTHER_CAUSE])
        return replace(self._memory, clarified=True, requested="narrative")

    def _with(self, **changes: object) -> Memory:
        return replace(self._memory, draft=self._memory.draft.model_copy(update=changes))
