"""What a picked button does to the form. Pure: payload in, memory and what follows out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actions import fields
from actions.hear import VERIFY, judged
from actions.tracker import Memory
from contract.playbook import Playbook
from contract.ticket import Request
from contract.turn import Choice

# In `asked`: lets action_submit_complaint file.
CONFIRMED = "confirmed"


@dataclass(frozen=True, kw_only=True)
class Picked:
    """`line` is said first. `opens` asks for that field; `asks` says that the line has asked already; `ends` leaves the form."""

    memory: Memory
    line: str | None = None
    choices: Sequence[Choice] = ()
    opens: str | None = None
    asks: str | None = None
    wants_human: bool = False
    ends: bool = False


def filed(memory: Memory) -> Memory:
    """Ends the form; `action_submit_complaint` follows and files."""
    return replace(memory, requested=None, asked=(*memory.asked, CONFIRMED))


def pick(memory: Memory, payload: str, playbook: Playbook, *, text: str) -> Picked:
    """Unknown payloads change nothing: the open question is put again."""
    kind, _, value = payload.partition(":")
    if kind == "confirm" and memory.requested == "confirm":
        return _on_confirm(memory, value, playbook)
    match kind, value:
        case "field", field if fields.as_asks(field) is not None:
            return Picked(memory=replace(memory, correcting=True, requested=field), opens=field)
        case "request", value if value in set(Request):
            draft = memory.draft.model_copy(update={"request": Request(value), "customer_quote": text or value})
            return Picked(memory=replace(memory, draft=draft))
        case "authorization", "promised" | "none":
            return Picked(memory=replace(memory, draft=memory.draft.model_copy(update={"authorization": value})))
        case "right", "yes" | "no":
            field = (memory.requested or "").removeprefix(VERIFY)
            return Picked(memory=judged(memory, field, right=value == "yes") if field in fields.VERIFIED else memory)
        case "cause", code:
            return Picked(memory=_with_cause(memory, code, playbook), line="utter_cause_noted")
        case "human", "yes":
            draft = memory.draft.model_copy(update={"callback_wanted": True})
            return Picked(memory=replace(memory, draft=draft, human_offered=True), wants_human=True)
        case "human", _:
            return Picked(memory=memory, line="utter_go_on")
    return Picked(memory=memory)


def _on_confirm(memory: Memory, value: str, playbook: Playbook) -> Picked:
    match value:
        case "yes":
            return Picked(memory=filed(memory), ends=True)
        case "no":
            return Picked(memory=replace(memory, requested=None), line="utter_not_filed", ends=True)
    card = fields.read_back_card(memory.draft, playbook)
    choices = [Choice(label=line.label, payload=f"field:{line.name}") for line in card.fields]
    return Picked(memory=memory, line="utter_change_which", choices=choices, asks="confirm")


def _with_cause(memory: Memory, code: str, playbook: Playbook) -> Memory:
    if playbook.taxonomy.cause(code) is None:
        return memory
    first = code.rstrip("abcde")
    chosen = {
        "cause_l1": first,
        "cause_l2": code if code != first else None,
        "cause_confidence": 1.0,
        "cause_runner_up": None,
    }
    return replace(memory, draft=memory.draft.model_copy(update=chosen))
