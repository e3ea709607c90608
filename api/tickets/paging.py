"""Who is paged at once: for what is filed hot, where a level that rises later leads (`rising.py`), and to check a guess."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.models import AnyRow
from api.core.security import BOT
from api.tickets.notices import repository as notices
from api.tickets.rising import DANGER, Risen
from contract.routing import Routing

_CHECK = 2
_ALERT = 3  # 12378, the press, lawyers: the unit looks at it now


def page_filed(connection: Connection, ticket: AnyRow, now: datetime) -> None:
    """To the unit that got it; in danger (level 4) to those with a copy, too, who keep people safe. A seal goes before."""
    number, route, level = ticket.ticket_no, ticket.route, ticket.level_peak
    if level < _ALERT:
        return
    copied = ticket.copied if level >= DANGER and not ticket.restricted else ()
    along = f"{'、'.join(copied)}请一并跟进" if copied else "请马上受理"
    sealed = "保密工单" if ticket.restricted else "工单"
    text = f"{sealed} {number} 登记时等级就是 {level}，由{route}承办；{along}。"
    _page(connection, number, level, text, (route, *copied), sealed=ticket.restricted, occasion=1, now=now)


def page_guess(connection: Connection, routing: Routing, ticket: Any, guess: str, now: datetime) -> None:
    """To those who look after all complaints, once a day; what was guessed accuses somebody, and stands in the ticket only:
    as its own second cause, or in the entry of a repeat.
    """
    number: str = ticket.ticket_no
    is_its_own = (ticket.classified_by, ticket.cause_secondary) == (BOT, guess)
    text = f"工单 {number} 的次要原因是系统推测的，还没有人看过：请在本工作日内核对，用更正确认或改掉；核对之前只按主要原因办理。"
    if not is_its_own:
        text = f"工单 {number} 并入的新反映里有系统推测的次要原因，还没有人看过：请在本工作日内核对，属实就更正工单；核对之前仍按工单现有的原因办理。"
    notices.add(
        connection,
        kind="check_cause",
        text=text,
        level=_CHECK,
        unique_key=f"check_cause:{number}:{now:%Y%m%d}",
        now=now,
        ticket_no=number,
        to_unit=routing.last_resort(set(ticket.recused_units)),
    )


def page_risen(connection: Connection, ticket: Any, found: Risen, now: datetime) -> None:
    """`ticket` as it stood when the rules were asked."""
    number, level = ticket.ticket_no, ticket.level_peak
    _page(connection, number, level, found.text, found.units, sealed=found.sealed, occasion=ticket.version, now=now)


def _page(
    connection: Connection,
    number: str,
    level: int,
    text: str,
    units: Iterable[str],
    *,
    sealed: bool,
    occasion: int,
    now: datetime,
) -> None:
    for unit in units:
        notices.add(
            connection,
            kind="level",
            text=text,
            level=level,
            unique_key=f"level:{number}:{occasion}:{unit}",
            now=now,
            ticket_no=number,
            to_unit=unit,
            restricted_to=unit if sealed else None,
        )
