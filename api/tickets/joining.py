"""What a customer says again about a running ticket: which of it is new, and what the ticket takes over. Pure.

The same matter inside the period is joined and its clock runs on; new facts start the decision clock again from the day
they came (3号令). A restart gives the bank more time, so in doubt nothing is new.
"""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.tickets.similarity import Matter, Reason, Verdict, compare, day_of, one_in_the_other, plain, same_branch
from contract.ticket import Nature

FACTS = ("branch", "event_time", "amount", "product", "staff_described", "request")
EVIDENCE = "evidence"  # stands among new facts when material was announced or brought

_FILLABLE = (
    "event_time",
    "event_time_text",
    "amount",
    "product",
    "staff_described",
    "request",
    "name",
    "card_tail",
    "conversation_id",
)

_WORDS = {"branch": ("branch_name",), "event_time": ("event_time_text",)}

_REWORDED = 0.5  # of the shorter text's characters in the longer: then it is the same person in other words


def new_facts(ticket: Any, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of FACTS that `values` tells and the ticket (a row) does not have, or has otherwise."""
    return tuple(name for name in FACTS if _is_new(name, ticket, values))


def told_of(new: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The new facts with the words they were told in, for the thread."""
    names = [shown for name in new for shown in (name, *_WORDS.get(name, ()))]
    return {name: values[name] for name in names if values.get(name) is not None}


def filled(ticket: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the ticket lacks and `values` has; nothing that it has is overwritten, except words instead of a phone.

    A branch code is taken only where it fits the name that the ticket has: else it would name two branches at once.
    """
    lacking = [name for name in _FILLABLE if getattr(ticket, name) is None]
    if ticket.branch is None and same_branch(ticket.branch_name, values.get("branch_name")):
        lacking += ["branch"] if ticket.branch_name else ["branch", "branch_name"]
    elif ticket.branch_name is None and ticket.branch == values.get("branch"):
        lacking += ["branch_name"]
    if ticket.phone_index is None and values.get("phone_index"):
        lacking += ["phone", "phone_index"]
    return {name: values[name] for name in lacking if values.get(name) is not None}


def still_missing(missing: Iterable[str], changes: Mapping[str, Any]) -> list[str]:
    """`missing_fields` without what has been learned since; a name or words are enough for a branch and a time."""
    learned = {name for name, value in changes.items() if value is not None}
    learned |= {"branch"} if "branch_name" in learned else set()
    learned |= {"event_time"} if "event_time_text" in learned else set()
    return [name for name in missing if name not in learned]


def answer(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the caller hears of a thread's entry: the same on every try."""
    told = told or {}
    return {"clock_restarted": bool(told.get("clock_restarted")), "new_facts": list(told.get("new_facts", ()))}


def joinable(nature: str) -> tuple[str, ...]:
    """The natures of tickets that a matter may join.

    A question or an opinion on a running complaint belongs to it; a complaint is never lost in something less, and tips
    and praise keep to themselves.
    """
    return (nature,) if nature in (Nature.TIP_OFF, Nature.PRAISE) else (nature, Nature.COMPLAINT)


def matter(told: Mapping[str, Any], phones: Iterable[str]) -> Matter:
    """What similarity compares, of a ticket's row or of what is being filed; `phones`: blind indexes of one phone."""
    guesses = {told[name] for name in ("cause_runner_up", "cause_secondary") if told[name]}
    facts = {name: told[name] for name in ("branch", "branch_name", "product", "amount", "event_time")}
    return Matter(told["cause_l1"], told["narrative_raw"], frozenset(guesses), **facts, phones=frozenset(phones))


@dataclass(frozen=True, slots=True)
class Found:
    """The number of the ticket that a matter joins, and those that staff should look at, with the reasons."""

    same: str | None
    related: list[tuple[str, tuple[Reason, ...]]]


def found(rows: Iterable[Any], told: Mapping[str, Any], phones: Iterable[str], apart: Set[str] = frozenset()) -> Found:
    """`rows`: open tickets of the customer, the newest first; of several alike the newest is joined, but none of `apart`."""
    new = matter(told, phones)
    likenesses = [(row.ticket_no, compare(_known(row), new)) for row in rows]
    same = [
        (number, likeness)
        for number, likeness in likenesses
        if likeness.verdict is Verdict.JOIN and number not in apart
    ]
    related = [
        (number, likeness.reasons)
        for number, likeness in likenesses
        if likeness.verdict is Verdict.RELATED or (likeness.verdict is Verdict.JOIN and number in apart)
    ]
    best = max(same, key=lambda pair: pair[1].points, default=(None, None))
    return Found(best[0], related)


def _known(row: Any) -> Matter:
    return matter(row._mapping, [row.phone_index] if row.phone_index else ())


def _is_new(name: str, ticket: Any, values: Mapping[str, Any]) -> bool:
    before, now = getattr(ticket, name), values.get(name)
    if name == "branch" and before is None:
        return _names_branch(ticket.branch_name, now, values.get("branch_name"))
    if before is None or now is None:
        return now is not None
    match name:
        case "event_time":
            days = day_of(before), day_of(now)
            return None not in days and days[0] != days[1]
        case "amount":
            return Decimal(before) != Decimal(now)
        case "product":
            return not one_in_the_other(plain(before), plain(now))
        case "staff_described":
            return not _reworded(before, now)
        case _:
            return bool(before != now)


def _names_branch(known: str | None, code: str | None, name: str | None) -> bool:
    """For a ticket without a branch code, with or without a name in the customer's words."""
    if known is None:
        return code is not None or name is not None
    return code is not None and not same_branch(known, name)


def _reworded(before: str, now: str) -> bool:
    """Whether it is the same person in other words; a number that was not told before (工号, 窗口) is new."""
    if not set(re.findall(r"\d+", now)) <= set(re.findall(r"\d+", before)):
        return False
    first, second = set(plain(before)), set(plain(now))
    return len(first & second) >= _REWORDED * min(len(first), len(second))
