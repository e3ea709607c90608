"""Merging and splitting: nothing of either thread is lost, and what was merged wrongly goes back to where it was.

The merged ticket keeps its number, its thread and its dates; the one it went into shows it. A ticket that took others in does
not go into a third (there are no chains), so what belongs together is always one step away.
"""

from typing import Any

from sqlalchemy import Connection

from api.core.clock import rfc3339
from api.core.errors import ApiError
from api.core.models import AnyRow
from api.core.redaction import scrub
from api.tickets import repository
from api.tickets.errors import EventInvalidError
from api.tickets.history import told_of
from api.tickets.lifecycle import PASSED_ON, RUNNING_STATES, WAITING_STATES, EventType, State, moments, state_of
from api.tickets.links import repository as links
from api.tickets.notices import repository as notices
from api.tickets.numbers import normal_number
from api.tickets.recusal import check_actor
from api.tickets.schemas import EventIn, RecusedIn, TicketIn
from api.tickets.step import Effect, Step, needed_reason

# Of the ticket that a repeat had joined, what holds for the repeat as well: it is the same customer.
_PERSON = (
    "name", "phone", "customer_type", "anonymous", "is_agent", "agent_kind", "authorization", "consent_at", "nature",
    "cause_l1", "cause_l2", "branch", "branch_name", "product", "intake_channel",
)  # fmt: skip


class MergeRefusedError(ApiError):
    """Both tickets exist, and still they cannot become one."""

    status, code = 409, "merge_refused"


class SplitRefusedError(ApiError):
    """There is nothing, or nothing any more, to take out here."""

    status, code = 409, "split_refused"


def concerned(connection: Connection, ticket_no: str, event: EventIn) -> set[str]:
    """All tickets that an event may change: whoever applies it locks them in the order of their numbers, so that A into B and
    B into A at the same moment wait for each other and do not block each other.
    """
    other = normal_number(event.into or event.ticket_no or "")
    family = links.family(connection, ticket_no) if event.type in PASSED_ON else {ticket_no}
    return family | ({other} if other else set())


def merge(step: Step) -> Effect:
    """The earliest dates of both hold from now on (history.run_of), of every clock: of the service clock with the hours that
    were worked before there was the other ticket. Promises are owed in the other ticket.
    """
    connection, ticket = step.connection, step.ticket
    into = _target(step)
    told = {
        "from": ticket.ticket_no,
        "received": rfc3339(ticket.clock_started_at or ticket.created_at),
        "created": rfc3339(ticket.created_at),
        "extended_days": ticket.extended_days,
        "first_contact_at": ticket.first_contact_at and rfc3339(ticket.first_contact_at),
        "first_contact_due_at": rfc3339(ticket.first_contact_due_at),
        "earlier": told_of(step.tickets.time.history(connection, ticket._asdict())),
        "level": ticket.level_peak,
        "promises": repository.move_promises(connection, ticket.ticket_no, into.ticket_no),
        "text": scrub(step.event.text or "") or None,
    }
    peak = max(into.level_peak, ticket.level_peak)
    counted = {"repeat_count": into.repeat_count + 1, "level_peak": peak, "updated_at": step.now}
    step.tickets.enter(connection, into, EventType.MERGE, counted, told, by=step.by, now=step.now)
    step.tickets.stand_aside(
        connection,
        step.tickets.existing(connection, into.ticket_no),
        persons=ticket.recused_persons,
        units=ticket.recused_units,
        by=step.by,
        now=step.now,
    )
    return {"parent_ticket": into.ticket_no}, {"into": into.ticket_no}


def split(step: Step) -> Effect:
    """A merged ticket (`ticket_no`) goes on where it was; a joined repeat (`entry`) becomes a ticket of its own."""
    reason, parent = needed_reason(step, "拆出"), step.ticket
    if (step.event.ticket_no is None) == (step.event.entry is None):
        raise EventInvalidError("请给出要拆出的工单号（ticket_no），或者经过的序号（entry），二选一。")
    if step.event.ticket_no is not None:
        number = normal_number(step.event.ticket_no) or ""
        child = repository.find(step.connection, number, lock=True, seen_by=step.by)
        if child is None or child.parent_ticket != parent.ticket_no or child.state != State.MERGED:
            raise SplitRefusedError("这张工单没有并入本工单，请核对工单号。")
        told = _restored(step, parent, child, reason)
    else:
        told = _taken_out(step, step.event.entry or 0)
    return {"repeat_count": max(0, parent.repeat_count - 1)}, {**told, "reason": reason}


def let_go(step: Step, parent: AnyRow, child: AnyRow, reason: str) -> None:
    """Splits off what another customer's withdrawal must not end, or must not be ended with."""
    told = {**_restored(step, parent, child, reason), "reason": reason}
    changes = {"repeat_count": max(0, parent.repeat_count - 1), "updated_at": step.now}
    step.tickets.enter(step.connection, parent, EventType.SPLIT, changes, told, by=step.by, now=step.now)


def tell_unit(step: Step, ticket: AnyRow, text: str) -> None:
    notices.add(
        step.connection,
        kind="withdrawn",
        text=text,
        level=2,
        unique_key=f"withdrawn:{ticket.ticket_no}:{step.ticket.ticket_no}:{step.ticket.version}",
        now=step.now,
        ticket_no=ticket.ticket_no,
        to_unit=ticket.route,
        restricted_to=ticket.route if ticket.restricted else None,
    )


def _target(step: Step) -> AnyRow:
    ticket = step.ticket
    into = repository.find(step.connection, normal_number(step.event.into or "") or "", lock=True, seen_by=step.by)
    if into is None or into.ticket_no == ticket.ticket_no:
        raise EventInvalidError("请给出要并入的另一张工单号（into）。")
    check_actor(step.by, into, EventType.MERGE)
    if into.state not in RUNNING_STATES:
        raise MergeRefusedError("要并入的工单已经答复或结束，请选一张办理中的工单，否则这张工单没有人答复。")
    if into.restricted != ticket.restricted:
        raise EventInvalidError("保密的工单不能和不保密的合并：那样会让不该知道的人知道。")
    if links.merged_into(step.connection, ticket.ticket_no):
        raise MergeRefusedError("这张工单里已经并入了其他工单，请先拆出，或者把对方并入这一张。")
    return into


def _restored(step: Step, into: AnyRow, child: AnyRow, reason: str) -> dict[str, Any]:
    """The state that the merged ticket had; its clock follows from its own thread and has run on since its receipt.

    How heated its customer has been since then counts from now on.
    """
    connection, parent = step.connection, into.ticket_no
    thread = repository.events_of(connection, child.ticket_no)
    merged = max(place for place, entry in enumerate(thread) if entry.data.get("into") == parent)
    state = state_of(thread[:merged])
    changes = {**moments(child, state, step.now), "state": state, "parent_ticket": None, "updated_at": step.now}
    changes["level_peak"] = max(child.level_peak, *(entry.data.get("level") or 0 for entry in thread))
    if state in WAITING_STATES:
        changes["awaited"] = [entry.data["reason"] for entry in thread[:merged] if entry.type == EventType.WAIT][-1]
    told = {"from": parent, "restored": state, "reason": reason}
    step.tickets.enter(connection, child, EventType.SPLIT, changes, told, by=step.by, now=step.now)
    entries = repository.events_of(connection, parent)
    promised = [entry.data.get("promises") or [] for entry in entries if entry.data.get("from") == child.ticket_no]
    repository.return_promises(connection, promised[-1] if promised else [], parent, child.ticket_no)
    return {"ticket_no": child.ticket_no}


def _taken_out(step: Step, seq: int) -> dict[str, Any]:
    """Filed as of the day on which it was told: the term is the one it would have had."""
    thread = repository.events_of(step.connection, step.ticket.ticket_no)
    entry = next((entry for entry in thread if entry.seq == seq), None)
    if entry is None or entry.type != EventType.MERGE or "narrative_raw" not in entry.data:
        raise SplitRefusedError("这条经过不是并入的反映，不能拆出；请核对序号。")
    if any(other.type == EventType.SPLIT and other.data.get("entry") == seq for other in thread):
        raise SplitRefusedError("这条反映已经拆出，成了单独的工单。")
    number = step.tickets.file_apart(step.connection, _draft(step.ticket, entry), entry, by=step.by, now=step.now)
    links.link(step.connection, number, step.ticket.ticket_no, kind="split", now=step.now)
    return {"entry": seq, "ticket_no": number}


def _draft(ticket: AnyRow, entry: AnyRow) -> TicketIn:
    """As it was filed; entries of before that was kept have the words, the level and what was new."""
    filed = entry.data.get("filed") or entry.data.get("facts") or {}
    person = {name: getattr(ticket, name) for name in _PERSON}
    words = {"narrative_raw": entry.data["narrative_raw"], "level": entry.data.get("level") or 0}
    known = {
        name: value for name, value in filed.items() if name in TicketIn.model_fields and name != "conversation_id"
    }
    draft = TicketIn.model_validate({**person, **known, **words})
    # Whom it is about was told of the ticket as a whole, perhaps of more people than one filing may name.
    about = RecusedIn.model_construct(persons=tuple(ticket.recused_persons), units=tuple(ticket.recused_units))
    return draft.model_copy(update={"recused": about})
