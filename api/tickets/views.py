"""How a ticket row looks to whom: a line in lists, everything for staff, plain words for its owner."""

from datetime import datetime
from typing import Any

from api.core.clock import rfc3339
from api.core.models import AnyRow
from api.core.redaction import masked_phone
from api.core.security import Principal
from api.tickets.lifecycle import LABELS, RUNNING_STATES, State, allowed_events, may
from api.tickets.schemas import wire
from contract.playbook import Taxonomy

_INSIDE = ("id", "phone_index")


def is_overdue(row: AnyRow, now: datetime) -> bool:
    return row.state in RUNNING_STATES and row.due_at < now


def _names(row: AnyRow, now: datetime, taxonomy: Taxonomy) -> dict[str, Any]:
    """What a reader would otherwise have to look up."""
    label = LABELS[State(row.state)]
    cause = taxonomy.name(row.cause_l2 or row.cause_l1)
    return {"state_label": label, "state_text": label, "cause_name": cause, "overdue": is_overdue(row, now)}


def _other_guess(row: AnyRow, taxonomy: Taxonomy) -> dict[str, Any]:
    runner_up = taxonomy.name(row.cause_runner_up) if row.cause_runner_up else None
    return {"cause_runner_up_name": runner_up}


def list_item(row: AnyRow, now: datetime, taxonomy: Taxonomy) -> dict[str, Any]:
    """The phone masked; the name in full, because a 称谓 is all there is."""
    item = {name: value for name, value in row._asdict().items() if name not in _INSIDE}
    item["phone"] = masked_phone(row.phone)
    return wire({**item, **_names(row, now, taxonomy)})


def clocks(row: AnyRow, now: datetime) -> list[dict[str, Any]]:
    """Each deadline with the rule it comes from; `met_at` ends it."""
    decided = row.resolved_at or row.closed_at
    rows = (
        ("first_contact", row.first_contact_due_at, row.first_contact_basis, row.first_contact_at or decided),
        ("decision", row.due_at, row.clock_basis, decided),
    )
    return [
        wire({"kind": kind, "due_at": due, "basis": basis, "met_at": met, "overdue": (met or now) > due})
        for kind, due, basis, met in rows
    ]


def detail(
    row: AnyRow, events: list[AnyRow], now: datetime, principal: Principal, taxonomy: Taxonomy
) -> dict[str, Any]:
    shown = {name: value for name, value in row._asdict().items() if name not in _INSIDE}
    return {
        **wire(shown),
        "contact": row.phone,
        **_names(row, now, taxonomy),
        **_other_guess(row, taxonomy),
        "clocks": clocks(row, now),
        "events": [event_item(event, seq) for seq, event in enumerate(events, start=1)],
        "allowed_events": [kind for kind in allowed_events(State(row.state)) if may(principal.role, kind)],
    }


def event_item(event: AnyRow, seq: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "type": event.type,
        "actor": event.actor,
        "audience": event.audience,
        "at": rfc3339(event.created_at),
        "data": {name: value for name, value in event.data.items() if value is not None},
    }


def filed(row: AnyRow, *, merged: bool, now: datetime) -> dict[str, Any]:
    """What whoever files needs to tell the customer: number and the two dates."""
    return wire(
        {
            "ticket_no": row.ticket_no,
            "state": row.state,
            "state_label": LABELS[State(row.state)],
            "merged": merged,
            "created_at": row.created_at,
            "route": row.route,
            "cause_l1": row.cause_l1,
            "level": row.level,
            "level_peak": row.level_peak,
            "first_contact_due_at": row.first_contact_due_at,
            "due_at": row.due_at,
            "clock_basis": row.clock_basis,
            "repeat_count": row.repeat_count,
            "clocks": clocks(row, now),
        }
    )


_PLAIN = {
    State.NEW: "您的投诉已登记，正在等待承办部门受理。",
    State.ACCEPTED: "您的投诉正在处理，承办部门已经受理。",
    State.RESOLVED: "您的投诉已经有了处理结果，工作人员会向您说明；不满意可以申请复核。",
    State.CLOSED: "您的投诉已经办结。有新的情况，可以随时再告诉我们。",
    State.WITHDRAWN: "您已撤回这次投诉。有新的情况，可以随时再提出。",
    State.MERGED: "您的这次反映已并入您之前的工单一起办理。",
}


def public(row: AnyRow) -> dict[str, Any]:
    """Plain words and the next date; nothing that was told, and no name of anybody."""
    state = State(row.state)
    next_date, kind = None, None
    if state in RUNNING_STATES:
        contacted = row.first_contact_at is not None
        next_date, kind = (row.due_at, "decision") if contacted else (row.first_contact_due_at, "first_contact")
    return wire(
        {
            "ticket_no": row.ticket_no,
            "state": state,
            "state_label": LABELS[state],
            "state_text": _PLAIN[state],
            "created_at": row.created_at,
            "next_date": next_date,
            "next_kind": kind,
            "due_at": row.due_at if state in RUNNING_STATES else None,
            "parent_ticket": row.parent_ticket,
            "withdrawn_at": row.withdrawn_at,
        }
    )
