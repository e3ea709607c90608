"""Where a ticket goes, who answers for it until then, and whether it is sealed: the playbook's rules, and who stands aside today."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.security import Principal
from api.tickets.recusal import Aside, aside
from api.tickets.routing import concern_of, way
from contract.playbook import Playbook


def is_restricted(playbook: Playbook, matter: Mapping[str, Any], level: int, now: datetime) -> bool:
    return playbook.routing.seals(concern_of(playbook, matter, level), now.date())


def guess_would_seal(playbook: Playbook, matter: Mapping[str, Any], level: int, now: datetime) -> bool:
    """Whether the assistant's second guess, which seals nothing by itself, names what is sealed once somebody of the bank says it."""
    if matter["cause_secondary"] is None or is_restricted(playbook, matter, level, now):
        return False
    return is_restricted(playbook, {**matter, "classified_by": None}, level, now)


def route_of(
    connection: Connection,
    playbook: Playbook,
    matter: Mapping[str, Any],
    level: int,
    now: datetime,
    *,
    persons: Iterable[str],
    units: Iterable[str],
) -> tuple[dict[str, Any], Aside]:
    """`route`, `copied` and `recused_units` as the playbook has them today, when those named stand aside; and who does."""
    found, day = concern_of(playbook, matter, level), now.date()
    recused = list(dict.fromkeys([*units, *playbook.routing.recused_units(found, day)]))
    out = aside(connection, persons, recused)
    return {**way(playbook, found, day, out.units), "recused_units": recused}, out


def taken_by(playbook: Playbook, unit: str | None, recused: Set[str]) -> dict[str, Any]:
    """首问负责: who answers for a ticket until a unit has accepted it; `unit` took the complaint."""
    taker = playbook.routing.last_resort(recused) if unit is None or unit in recused else unit
    return {"responsible": taker, "sent_by": taker}


def placed(
    connection: Connection,
    playbook: Playbook,
    draft: dict[str, Any],
    named: dict[str, Any],
    by: Principal,
    now: datetime,
) -> dict[str, Any]:
    """What a new ticket has of all this; `named`: the persons and units that it is said to be about."""
    level = draft["level_peak"]
    flow, out = route_of(connection, playbook, draft, level, now, **named)
    taken = taken_by(playbook, by.unit, out.units)
    return {
        **flow,
        **taken,
        "intake_owner": taken["responsible"],
        "refused_count": 0,
        "recused_persons": list(named["persons"]),
        "restricted": is_restricted(playbook, draft, level, now),
    }
