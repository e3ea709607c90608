"""What a customer says or is told by the number of a merged ticket: it happens at the ticket that it went into.

Both threads tell it, so that nothing is missing in either when they are split again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from api.core.models import AnyRow
from api.tickets.access import same_customer
from api.tickets.lifecycle import PASSED_ON, EventType, State, audience_of, check_allowed
from api.tickets.links.repository import living
from api.tickets.merging import let_go, tell_unit
from api.tickets.step import Step

# What follows from these belongs to the ticket where it happened: dates, counts, promises.
_IN_BOTH = ("text", "reason", "from_customer", "facts", "new_facts", "evidence", "level", "customer_notified")

Happens = Callable[[Step], dict[str, Any]]


def goes_on(step: Step) -> bool:
    """A note of staff stays where it was written."""
    event = step.event
    if step.ticket.state != State.MERGED or event.type not in PASSED_ON:
        return False
    return event.type is not EventType.COMMENT or event.from_customer


def pass_on(step: Step, happens: Happens) -> dict[str, Any]:
    """What it tells where it happened; raises what the state there says to it."""
    connection, child, kind = step.connection, step.ticket, step.event.type
    into = living(connection, child.parent_ticket, lock=True)
    if into is None:
        raise LookupError(f"{child.ticket_no} was merged into a ticket that is not there")
    if kind is EventType.WITHDRAW and not same_customer(child, into):
        return _withdrawn(step, into, happens)
    told = happens(replace(step, ticket=into, heard=child))
    both = {name: told[name] for name in _IN_BOTH if told.get(name) is not None}
    if into.restricted and not child.restricted:
        both = {}  # sealed since: who reads this one may not read that
    passed, changes = {**both, "passed_to": into.ticket_no}, {"updated_at": step.now}
    audience = audience_of(kind, passed)
    step.tickets.enter(connection, child, kind, changes, passed, by=step.by, now=step.now, audience=audience)
    return told


def _withdrawn(step: Step, into: AnyRow, happens: Happens) -> dict[str, Any]:
    """Of several customers one withdraws: that one's procedure ends today (3号令第十五条), and the others' goes on."""
    connection, child = step.connection, step.ticket
    check_allowed(State(into.state), EventType.WITHDRAW)
    parent = step.tickets.existing(connection, child.parent_ticket)
    let_go(step, parent, child, "客户撤回")
    told = happens(replace(step, ticket=step.tickets.existing(connection, child.ticket_no)))
    text = f"并入工单 {into.ticket_no} 的 {child.ticket_no} 已由客户撤回并结束；{into.ticket_no} 还有其他客户的反映，请继续办理。"
    tell_unit(step, into, text)
    return told
