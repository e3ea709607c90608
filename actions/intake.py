"""One turn of the complaint form: listens, carries out the next steps, reads back. What to do decides actions/next_step.py."""

import re
from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import fields, picked, texts
from actions.answer import answer_question
from actions.branch_names import with_named_branch
from actions.bridge import Bridge
from actions.explain import Explanation, applicable_scripts, render, used_scripts
from actions.hear import Reaction, listen
from actions.next_step import CLARIFIED, RIGHTS, Step, next_steps, requested_after
from actions.situation import World, situation
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook
from contract.turn import Choice

_SHORT_FROM = 2
_APOLOGY = re.compile(r"对不起|抱歉|道歉|不好意思|委屈")
_INCIDENT_SCRIPT = "X07"
# While one of these is open, a bare "柳园" is the branch.
_ABOUT_BRANCH = frozenset({"branch", "verify:branch", "confirm"})


class ValidateComplaintForm(Action):
    """Does a whole form turn in one call, because every call costs the customer's time."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "validate_complaint_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        after = IntakeTurn(turn, before, Voice(dispatcher, turn.channel), world).play()
        return memory_events(before, after)


class IntakeTurn:
    """Speaks, and returns what is known afterwards; `requested` None ends the form."""

    def __init__(self, turn: Turn, memory: Memory, voice: Voice, world: World) -> None:
        self._turn = turn
        self._before = memory
        self._memory = memory
        self._voice = voice
        self._world = world

    def play(self) -> Memory:
        if self._turn.choice is not None:
            return self._after_choice(self._turn.choice)
        if self._before.requested == "confirm" and texts.is_confirmation(self._turn.text):
            return picked.filed(self._before)
        if self._before.requested in _ABOUT_BRANCH or self._before.correcting:
            self._turn = with_named_branch(self._turn, self._world.directory.branches)
        self._memory, reaction = listen(self._before, self._turn)
        return self._carry_out(reaction)

    def _after_choice(self, payload: str) -> Memory:
        """A click is an answer like any other; what it opens or ends is decided by its payload."""
        choice = picked.pick(self._before, payload, self._world.playbook, text=self._turn.text)
        self._memory = choice.memory
        if choice.line is not None:
            self._voice.line(choice.line, choices=choice.choices, asks=fields.as_asks(choice.asks or ""))
        if choice.wants_human:
            self._voice.handover("user_request")
            self._voice.line("utter_human_available" if self._turn.human_available else "utter_human_unavailable")
        if choice.ends or choice.asks is not None:
            return self._memory
        return self._carry_out(Reaction(opens=choice.opens))

    def _carry_out(self, reaction: Reaction) -> Memory:
        steps = next_steps(
            self._turn,
            self._before,
            self._memory,
            reaction,
            playbook=self._world.playbook,
            explanation=self._script_due(),
        )
        for step in steps:
            self._do(step)
        last = steps[-1]
        if last.kind == "hold":
            return replace(self._memory, requested=self._before.requested)
        return replace(self._memory, requested=requested_after(last))

    def _do(self, step: Step) -> None:
        match step.kind:
            case "say":
                self._say(step.what)
            case "answer":
                answer_question(self._voice, self._turn, self._memory, self._world)
            case "script" | "fact":
                self._explain(step.what, short=step.kind == "fact")
            case "human" | "human_short":
                self._offer_human(short=step.kind == "human_short")
            case "ask" | "ask_again":
                self._ask(step.what, again=step.kind == "ask_again")
            case "verify":
                self._verify(step.what)
            case "clarify":
                self._clarify()
            case "confirm" | "hint":
                self._confirm(first=step.kind == "confirm")

    def _offer_human(self, *, short: bool) -> None:
        if short:
            self._voice.line("utter_offer_human_short", choices=texts.HUMAN_CHOICES[:1])
        else:
            if self._turn.human_available:
                # Level 3: somebody who is there looks in by themselves (domain.md 6.3); the intake goes on.
                self._voice.handover("level")
            self._voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES)
        self._memory = replace(self._memory, rights_told=self._memory.rights_told or not short, human_offered=True)

    def _say(self, line: str) -> None:
        figures = self._world.playbook.sla.figures_on(self._turn.now.date())
        asks = fields.as_asks(self._before.requested or "") if line == "utter_wait" else None
        self._voice.line(line, asks=asks, figures=figures)
        if line.startswith("utter_note_"):
            self._memory = replace(self._memory, told=self._memory.told | {line})

    # Explanations

    def _script_due(self) -> str | None:
        """The script that cause, story and facts call for, once everything it needs is known or refused."""
        draft = self._memory.draft
        given = situation(self._turn, self._memory, self._world)
        used = used_scripts(self._world.playbook, draft.script_ids_used, given.day)
        if "incident_known" in given.conditions and draft.cause_l1 != "C3" and _INCIDENT_SCRIPT not in used:
            return _INCIDENT_SCRIPT
        for script in applicable_scripts(self._world.playbook, given.cause, draft.narrative_raw or "", used):
            if render(script, given) is not None:
                return None if any(self._is_open(need) for need in script.needs) else script.id
        return None

    def _is_open(self, need: str) -> bool:
        """Whether a fact is still to be asked for; what the cause does not ask for is not waited for."""
        memory = self._memory
        waits = need in fields.needed(memory.draft, self._world.playbook) and need not in memory.skipped
        worn_out = fields.is_worn_out(need, memory.tries, memory.asked)
        if need == fields.to_verify(memory.draft, memory.told, memory.skipped):
            return True
        return waits and not worn_out and not fields.is_known(memory.draft, need)

    def _explain(self, script_id: str, *, short: bool) -> None:
        script = self._world.playbook.script(script_id)
        found = render(script, situation(self._turn, self._memory, self._world)) if script else None
        if found is None:
            return
        # X00 named it a moment ago, or there is none; an apology is never left out.
        named = self._before.draft.narrative_raw is None or self._turn.level == 0
        feeling_named = named and not _APOLOGY.search(found.stages.get("feeling", ""))
        self._voice.explain(found, short=short, feeling=not feeling_named)
        self._memory = _used(self._memory, found)
        if script_id == RIGHTS:
            self._memory = replace(self._memory, rights_told=True)

    # Questions

    def _ask(self, field: str, *, again: bool) -> None:
        line = self._question(field, again=again)
        self._voice.line(line, asks=fields.as_asks(field), choices=self._choices(field))
        self._memory = replace(self._memory, asked=(*self._memory.asked, field))

    def _question(self, field: str, *, again: bool) -> str:
        """In other words after an interruption, in yet others after an answer that was none; short in the heat."""
        failed = bool(self._memory.tries.get(field))
        if fields.FOREIGN in self._memory.draft.tags:
            return f"utter_reask_{field}_foreign" if failed else f"utter_ask_{field}_foreign"
        if failed:
            return f"utter_reask_{field}"
        if again:
            return f"utter_again_{field}"
        if field == "branch" and self._is_open("event_time"):
            return "utter_ask_branch_and_time"
        if self._turn.level >= _SHORT_FROM and field in texts.SHORT:
            return f"utter_ask_{field}_short"
        return f"utter_ask_{field}"

    def _choices(self, field: str) -> tuple[Choice, ...]:
        match field:
            case "request":
                return texts.REQUEST_CHOICES
            case "authorization":
                return texts.AUTHORIZATION_CHOICES
            case "cause":
                causes = self._world.playbook.taxonomy.causes
                return tuple(Choice(label=cause.name, payload=f"cause:{cause.code}") for cause in causes)
            case _:
                return ()

    def _verify(self, field: str) -> None:
        value = fields.shown(self._memory.draft, field, self._world.playbook) or ""
        self._voice.line(f"utter_verify_{field}", asks=fields.as_asks(field), choices=texts.RIGHT_CHOICES, value=value)
        self._memory = replace(self._memory, told=self._memory.told | {f"verify:{field}"})

    def _clarify(self) -> None:
        taxonomy = self._world.playbook.taxonomy
        choices = [
            Choice(label=taxonomy.name(guess.code), payload=f"cause:{guess.finest}")
            for guess in self._turn.causes[:3]
            if guess.code != "C99"
        ]
        self._voice.line("utter_ask_cause", asks="cause", choices=[*choices, texts.OTHER_CAUSE])
        self._memory = replace(self._memory, told=self._memory.told | {CLARIFIED})

    def _confirm(self, *, first: bool) -> None:
        foreign = "_foreign" if fields.FOREIGN in self._memory.draft.tags else ""
        if first:
            card = fields.read_back_card(self._memory.draft, self._world.playbook)
            self._voice.line(f"utter_ask_confirm{foreign}", asks="confirm", card=card, choices=texts.CONFIRM_CHOICES)
        else:
            self._voice.line("utter_confirm_hint", asks="confirm", choices=texts.CONFIRM_CHOICES)


def _used(memory: Memory, explanation: Explanation) -> Memory:
    draft = memory.draft.model_copy(
        update={
            "script_ids_used": (*memory.draft.script_ids_used, explanation.label),
            "hours_fault": memory.draft.hours_fault or explanation.fault,
        }
    )
    return replace(memory, draft=draft, told=memory.told | {explanation.script_id})
