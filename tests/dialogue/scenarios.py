"""Dialogues as data (`scenarios/*.yml`): what a customer says, and what the bank must have made of it."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.dialogue.customer import Customer

FOLDER = Path(__file__).parent / "scenarios"
_LONGEST = 16
_LIST_FIELDS = ("tags", "special_group")


@dataclass
class Played:
    """One dialogue as it went: the questions in order, the customer's messages until each ticket, what was said when."""

    customer: Customer
    questions: list[str] = field(default_factory=list)
    turns: int = 0
    turns_to_ticket: int | None = None
    tickets: list[str] = field(default_factory=list)
    said_before_after: int = 0


@cache
def load(folder: Path = FOLDER) -> tuple[dict[str, Any], ...]:
    """All scenarios of a folder; names are unique."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.yml")):
        found += [{**scenario, "file": path.stem} for scenario in YAML(typ="safe").load(path)]
    names = [scenario["name"] for scenario in found]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
    return tuple(found)


def play(scenario: dict[str, Any], base_url: str) -> Played:
    """Talks until the scenario's end."""
    played = Played(Customer(base_url))
    for part in (scenario, *([scenario["then"]] if "then" in scenario else [])):
        _play_part(part, played)
    played.said_before_after = len(played.customer.said)
    for text in scenario.get("after") or ():
        _say(played, text)
    return played


def _play_part(part: dict[str, Any], played: Played) -> None:
    answer: list[dict[str, Any]] = []
    for text in part["opening"]:
        answer = _say(played, text)
    asides = {name: list(texts) for name, texts in (part.get("asides") or {}).items()}
    at_confirm = list(part.get("at_confirm") or ())
    answers = {name: str(text) for name, text in (part.get("answers") or {}).items()}
    open_field = _asks(answer)
    _count(played, answer)
    for _ in range(_LONGEST):
        if open_field == "confirm" and not at_confirm:
            if part.get("ending", "confirm") == "confirm":
                played.turns += 1
                played.customer.pick("确认提交")
            break
        if open_field is None and part.get("ending", "confirm") == "none":
            break
        if open_field is None:
            raise AssertionError(f"nothing is asked\n{played.customer.transcript}")
        text = _next_words(open_field, asides, at_confirm, answers)
        answer = _say(played, text) if text is not None else _pick_first(played)
        _count(played, answer)
        # A held question stays open without being put again.
        open_field = _asks(answer) or (open_field if asides.get(open_field) or at_confirm else _asks_before(played))
    number = played.customer.ticket_no
    if number and number not in played.tickets:
        played.tickets.append(number)
        played.turns_to_ticket = played.turns_to_ticket or played.turns


def _next_words(
    field_name: str, asides: dict[str, list[str]], at_confirm: list[str], answers: dict[str, str]
) -> str | None:
    if field_name == "confirm":
        return at_confirm.pop(0)
    if asides.get(field_name):
        return asides[field_name].pop(0)
    return answers.get(field_name, None if field_name == "cause" else "不想说")


def _say(played: Played, text: str) -> list[dict[str, Any]]:
    played.turns += 1
    return played.customer.say(text)


def _pick_first(played: Played) -> list[dict[str, Any]]:
    played.turns += 1
    label = next(m["choices"][0]["label"] for m in reversed(played.customer.messages) if m.get("choices"))
    return played.customer.pick(label)


def _count(played: Played, answer: list[dict[str, Any]]) -> None:
    played.questions += [m["asks"] for m in answer if m.get("asks") and m["asks"] not in ("confirm", "satisfaction")]


def _asks(answer: list[dict[str, Any]]) -> str | None:
    return next((m["asks"] for m in reversed(answer) if m.get("asks")), None)


def _asks_before(played: Played) -> str | None:
    return next((m["asks"] for m in reversed(played.customer.messages) if m.get("asks")), None)


def faults(scenario: dict[str, Any], played: Played, tickets: list[dict[str, Any]]) -> list[str]:
    """Everything that is not as the scenario says."""
    expected = scenario["expect"]
    said = "\n".join(played.customer.said)
    after = "\n".join(played.customer.said[played.said_before_after :])
    found = [f"not said: {words}" for words in expected.get("said") or () if not _stands(words, said)]
    found += [f"not said after: {words}" for words in expected.get("said_after") or () if not _stands(words, after)]
    found += [f"said: {words}" for words in expected.get("not_said") or () if words in said]
    found += [f"asked: {name}" for name in expected.get("not_asked") or () if name in played.questions]
    if len(played.questions) > expected.get("max_questions", 99):
        found.append(f"questions: {played.questions} > {expected['max_questions']}")
    if (played.turns_to_ticket or 0) > expected.get("max_turns", 99):
        found.append(f"turns: {played.turns_to_ticket} > {expected['max_turns']}")
    if "owner" in expected and played.customer.owner != expected["owner"]:
        found.append(f"owner: {played.customer.owner}, not {expected['owner']}")
    if expected.get("no_ticket") and tickets:
        found.append(f"a ticket was filed: {tickets[0]['ticket_no']}")
    wanted = expected.get("tickets") or ([expected["ticket"]] if "ticket" in expected else [])
    if len(tickets) < len(wanted):
        found.append(f"tickets: {len(tickets)}, not {len(wanted)}")
    for want, ticket in zip(wanted, tickets, strict=False):
        found += _ticket_faults(want, ticket)
    if tickets and expected.get("route", "") not in tickets[0]["route"]:
        found.append(f"route: {tickets[0]['route']}, not {expected['route']}")
    return found


def _stands(words: str, said: str) -> bool:
    return any(one in said for one in str(words).split("|"))


def _ticket_faults(want: dict[str, Any], ticket: dict[str, Any]) -> list[str]:
    found = []
    for name, value in want.items():
        if not _agrees(name, value, ticket):
            has = ticket.get(
                {"scripts": "script_ids_used", "missing": "missing_fields", "level_min": "level_peak"}.get(name, name)
            )
            found.append(f"{name}: {has!r}, not {value!r}")
    return found


def _agrees(name: str, value: Any, ticket: dict[str, Any]) -> bool:
    match name:
        case "level_min":
            return bool(ticket["level_peak"] >= value)
        case "scripts":
            return {label.partition("@")[0] for label in ticket["script_ids_used"]} >= set(value)
        case "missing":
            return set(ticket["missing_fields"]) >= set(value)
        case "event_time":
            return str(ticket["event_time"] or "").startswith(str(value))
        case "amount":
            return ticket["amount"] is not None and float(ticket["amount"]) == float(value)
        case _ if name in _LIST_FIELDS:
            return set(ticket[name]) >= set(value)
        case _:
            return bool(ticket.get(name) == value)
