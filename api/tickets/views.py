"""How a ticket row looks to whom: a line in lists, everything for staff, plain words for its owner."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.core.clock import BEIJING, rfc3339
from api.core.models import AnyRow
from api.core.redaction import masked_phone
from api.core.security import Principal
from api.tickets.access import may_handle, same_customer
from api.tickets.clocks import Clock
from api.tickets.lifecycle import LABELS, RUNNING_STATES, State, allowed_events, may, numbered
from api.tickets.schemas import wire
from api.tickets.similarity import Reason
from contract.playbook import Taxonomy
from contract.ticket import Nature

INSIDE = ("id", "phone_index", "next_check_at", "calendar_version")


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
    item = wire(row._asdict())
    for name in INSIDE:
        item.pop(name, None)
    return {**item, "phone": masked_phone(row.phone), **_names(row, now, taxonomy)}


def told_clocks(row: AnyRow, now: datetime) -> list[dict[str, Any]]:
    """The two that customers are told of, with the rule each comes from; `met_at` ends it."""
    decided = row.resolved_at or row.closed_at
    rows = (
        ("first_contact", row.first_contact_due_at, row.first_contact_basis, row.first_contact_at or decided),
        ("decision", row.due_at, row.clock_basis, decided),
    )
    return [
        wire({"kind": kind, "due_at": due, "basis": basis, "met_at": met, "overdue": (met or now) > due})
        for kind, due, basis, met in rows
    ]


def clock_item(clock: Clock, told: Sequence[AnyRow], now: datetime) -> dict[str, Any]:
    """One clock with everything that staff may ask about it."""
    stages = dict(clock.stages)
    mine = [one for one in told if (one.clock, one.run) == (clock.kind, clock.run)]
    return {
        **wire(
            {
                "kind": clock.kind,
                "due_at": clock.due_at,
                "basis": clock.basis,
                "met_at": clock.met_at,
                "overdue": clock.is_overdue(now),
                "state": clock.state,
                "started_at": clock.started_at,
                "run": clock.run,
                "provisional": clock.provisional,
                "level2_at": stages.get("level2"),
                "level3_at": stages.get("level3"),
            }
        ),
        "warn_at": [at and rfc3339(at) for at in clock.warn_at],
        "pauses": [{"from": rfc3339(begins), "to": ends and rfc3339(ends)} for begins, ends in clock.pauses],
        "told": [{"stage": one.kind, "at": rfc3339(one.created_at)} for one in mine],
    }


def promise_item(promise: AnyRow, ticket: AnyRow, now: datetime) -> dict[str, Any]:
    """Like a clock; the end of the ticket ends what was promised in it."""
    shown = {name: getattr(promise, name) for name in ("kind", "text", "due_at", "made_at", "met_at")}
    ended = promise.met_at or ticket.closed_at or now
    return wire({**shown, "overdue": promise.due_at is not None and ended > promise.due_at})


def detail(
    row: AnyRow,
    events: list[AnyRow],
    promises: list[AnyRow],
    clocks: Sequence[dict[str, Any]],
    *,
    now: datetime,
    principal: Principal,
    taxonomy: Taxonomy,
) -> dict[str, Any]:
    shown = {name: value for name, value in row._asdict().items() if name not in INSIDE}
    return {
        **wire(shown),
        "clock_started_at": rfc3339(row.clock_started_at or row.created_at),
        "contact": row.phone,
        **_names(row, now, taxonomy),
        **_other_guess(row, taxonomy),
        "clocks": clocks,
        "promises": [promise_item(promise, row, now) for promise in promises],
        "events": [event_item(event, seq) for seq, event in numbered(events)],
        "allowed_events": [
            kind
            for kind in allowed_events(State(row.state))
            if may(principal.role, kind) and may_handle(principal, row, kind)
        ],
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


def link_item(link: AnyRow, taxonomy: Taxonomy) -> dict[str, Any]:
    """Another ticket and why it is named here: a suggestion to look at, except for what was split off."""
    return {
        "ticket_no": link.ticket_no,
        "kind": link.kind,
        "state": link.state,
        "state_label": LABELS[State(link.state)],
        "cause_name": taxonomy.name(link.cause_l2 or link.cause_l1),
        "reasons": [Reason(reason).label for reason in link.reasons],
        "at": rfc3339(link.created_at),
    }


def merged_item(row: AnyRow) -> dict[str, Any]:
    """A ticket that was merged into this one; its whole thread stands at its own address."""
    return wire(row._asdict())


def filed(row: AnyRow, *, merged: bool, told: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What whoever files needs to tell the customer: number, the two dates, and whether they began again."""
    return wire(
        {
            "ticket_no": row.ticket_no,
            "state": row.state,
            "state_label": LABELS[State(row.state)],
            "nature": row.nature,
            "merged": merged,
            **told,
            "created_at": row.created_at,
            "route": row.route,
            "cause_l1": row.cause_l1,
            "level": row.level,
            "level_peak": row.level_peak,
            "first_contact_due_at": row.first_contact_due_at,
            "due_at": row.due_at,
            "clock_basis": row.clock_basis,
            "repeat_count": row.repeat_count,
            "clocks": told_clocks(row, now),
        }
    )


# {what} is the nature: a praise is not a complaint.
_PLAIN: Mapping[State, str] = {
    State.NEW: "您的{what}已登记，正在等待承办部门受理。",
    State.ACCEPTED: "您的{what}正在处理，承办部门已经受理。",
    State.INVESTIGATING: "您的{what}正在核查，核清后会告诉您结果。",
    State.WAITING_CUSTOMER: "您的{what}正在办理，想请您补充：{awaited}。在这里说，或者告诉联系您的工作人员，都可以。",
    State.WAITING_THIRD_PARTY: "您的{what}正在办理，我们在等有关方面的回复；答复您的日期不因此推迟。",
    State.PROPOSED: "您的{what}已经有了答复，工作人员会向您说明。",
    State.CLOSED_RESOLVED: "您的{what}已经办结。有新的情况，可以随时再告诉我们。",
    State.CLOSED_EXPLAINED: "您的{what}已经说明情况并办结。有新的情况，可以随时再告诉我们。",
    State.REJECTED_NOT_COMPLAINT: "您的{what}已经核实并结束办理，工作人员会向您说明理由；您不同意的，可以申请核查。",
    State.WITHDRAWN: "您已撤回这次{what}。有新的情况，可以随时再提出。",
    State.MERGED: "您的这次反映已并入您之前的工单一起办理。",
}
_PLAIN_FOR: Mapping[tuple[str, State], str] = {
    (Nature.COMPLAINT, State.PROPOSED): "您的投诉已经有了处理结果，工作人员会向您说明；不满意可以申请核查。",
    (Nature.COMPLAINT, State.CLOSED_RESOLVED): "您的投诉已经办结。不满意可以申请核查；有新的情况，可以随时再告诉我们。",
    (
        Nature.COMPLAINT,
        State.CLOSED_EXPLAINED,
    ): "您的投诉已经说明情况并办结。不满意可以申请核查；有新的情况，可以随时再告诉我们。",
    (
        Nature.COMPLAINT,
        State.REJECTED_NOT_COMPLAINT,
    ): "您反映的事没有按投诉办理，工作人员会向您说明理由；您不同意的，可以申请核查。",
    (Nature.PRAISE, State.NEW): "您的表扬已登记，会转达给有关部门和同事。",
    (Nature.PRAISE, State.ACCEPTED): "您的表扬已收到，有关部门正在转达。",
    (Nature.PRAISE, State.PROPOSED): "您的表扬已经转达，谢谢您。",
    (Nature.PRAISE, State.CLOSED_RESOLVED): "您的表扬已经转达，谢谢您。",
    (Nature.PRAISE, State.CLOSED_EXPLAINED): "您的表扬已经转达，谢谢您。",
}
_IN_REVIEW = "您的核查申请已收到，正在重新核查。"


def plain_state(row: AnyRow) -> str:
    state = State(row.state)
    if state in (State.ACCEPTED, State.INVESTIGATING) and row.review_requested_at is not None:
        return _IN_REVIEW
    awaited = (row.awaited or "").rstrip("。！!.；;")
    return _PLAIN_FOR.get((row.nature, state)) or _PLAIN[state].format(what=row.nature, awaited=awaited)


def public(row: AnyRow, now: datetime, living: AnyRow | None = None) -> dict[str, Any]:
    """Plain words and the next date; nothing that was told, and no name of anybody.

    `living`: the ticket itself, or the one that it was merged into, whose state and dates it shares; what is awaited there
    of another customer is not asked of this one.
    """
    there = living or row
    state, text, awaited = State(there.state), plain_state(there), there.awaited
    if there.ticket_no != row.ticket_no:
        if state is State.WAITING_CUSTOMER and not same_customer(row, there):
            state, text, awaited = State.INVESTIGATING, _PLAIN[State.INVESTIGATING].format(what=row.nature), None
        text = f"您的这次反映已并入相关工单一起办理。{text}"
    next_date, kind = None, None
    if state in RUNNING_STATES:
        contacted = there.first_contact_at is not None
        next_date, kind = (there.due_at, "decision") if contacted else (there.first_contact_due_at, "first_contact")
    return wire(
        {
            "ticket_no": row.ticket_no,
            "nature": row.nature,
            "state": state,
            "state_label": LABELS[state],
            "state_text": text,
            "created_at": row.created_at,
            "days": _days(row, there.closed_at or now),
            "next_date": next_date,
            "next_kind": kind,
            "due_at": there.due_at if state in RUNNING_STATES else None,
            "extended_days": there.extended_days,
            "extension_reason": there.extension_reason,
            "urged_count": there.urged_count,
            "parent_ticket": row.parent_ticket,
            "awaited": awaited if state is State.WAITING_CUSTOMER else None,
            "withdrawn_at": there.withdrawn_at,
        }
    )


def _days(row: AnyRow, until: datetime) -> int:
    """The day of receipt is the first."""
    return int((until.astimezone(BEIJING).date() - row.created_at.date()).days) + 1
