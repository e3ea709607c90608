"""Which unit a matter goes to, and which of its people: the playbook's rules on a ticket's values. Pure."""

from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import Any

from api.core.security import BOT
from contract.playbook import Playbook
from contract.routing import Concern, Handler


def concern_of(playbook: Playbook, values: Mapping[str, Any], level: int) -> Concern:
    """`values` has the ticket's `nature`, causes, `classified_by` and `branch`.

    The assistant's second guess is seldom right: it stands on the ticket, but seals and moves nothing before somebody of
    the bank has looked at the causes.
    """
    return Concern(
        nature=values["nature"],
        cause=values["cause_l1"],
        detail=values["cause_l2"],
        secondary=None if values["classified_by"] == BOT else values["cause_secondary"],
        branch=values["branch"],
        level=level,
        industry=playbook.organisation.industry,
    )


def way(playbook: Playbook, concern: Concern, day: date, recused: Set[str]) -> dict[str, Any]:
    """`route` and `copied` of a ticket; no unit of `recused` handles it."""
    found = playbook.routing.route(concern, day, recused)
    if found is None:
        return {"route": playbook.routing.last_resort(recused), "copied": []}
    return {"route": found.handler, "copied": copies(playbook, concern, day, found.copied, recused)}


def copies(playbook: Playbook, concern: Concern, day: date, copied: Iterable[str], recused: Set[str]) -> list[str]:
    """Without units that are complained of; one that stands aside by its office (回避 by cause) still reads along."""
    by_office = playbook.routing.recused_units(concern, day)
    return [unit for unit in copied if unit not in recused or unit in by_office]


def choose(
    handlers: Iterable[Handler], *, codes: Iterable[str], day: date, running: Mapping[str, int], recused: Set[str]
) -> str | None:
    """Of a unit's people the one with the fewest running tickets, in the order of the playbook where they are even.

    Whoever lacks the skill, is recused, absent, or has a full desk is left out; None: nobody is left.
    """
    codes = set(codes)
    free = [
        handler
        for handler in handlers
        if (not handler.skills or codes & set(handler.skills))
        and handler.person not in recused
        and running.get(handler.person, 0) < handler.capacity
        and not any(span.holds_on(day) for span in handler.absent)
    ]
    chosen = min(free, key=lambda handler: running.get(handler.person, 0), default=None)
    return chosen.person if chosen else None
