"""The events that set a date anew or keep one: extension, complexity, review, contact."""

from collections.abc import Callable, Mapping
from typing import Any

from api.core.clock import BEIJING
from api.core.redaction import scrub
from api.core.security import Role
from api.tickets import repository
from api.tickets.accounts import repository as staff
from api.tickets.errors import EventInvalidError
from api.tickets.history import NewEntry
from api.tickets.lifecycle import EventType, PromiseKind
from api.tickets.promises import Promise
from api.tickets.recusal import RecusedError, aside_of
from api.tickets.step import Effect, Step, needed_reason, needed_text, revived
from contract.sla import Matter

_APPROVERS = (Role.SUPERVISOR, Role.ADMIN)
_COMPLEXITIES = {"simple": "简单", "complex": "复杂"}


def _extend(step: Step) -> Effect:
    """By approval and with notice to the customer (3号令); until that is given, it is a promise of ours."""
    event, ticket = step.event, step.ticket
    if event.days is None or event.approver is None:
        raise EventInvalidError("延期需要天数（days）、理由（reason）和批准人（approver）。")
    if ticket.due_at < step.now:
        raise EventInvalidError("答复时限已过，不能再延期；请尽快答复客户（resolve），并说明迟延的原因。")
    told: dict[str, Any] = {"days": event.days, "reason": needed_reason(step, "延期"), **_approved(step)}
    kept = _kept(step, told)
    _check_length(step, kept)
    notified = event.customer_notified or _notice_sent(step)
    if not notified:
        # The customer has to hear of it before the day that was told first.
        promise = Promise(PromiseKind.EXTENSION_NOTICE, ticket.due_at)
        repository.promise(step.connection, ticket.ticket_no, [promise], step.now)
    told |= {"customer_notified": notified, "due_at": {"from": ticket.due_at, "to": kept["due_at"]}}
    return {"extension_reason": told["reason"]}, told


def _approved(step: Step) -> dict[str, Any]:
    """A supervisor's account, or a senior manager who has none; never whoever asks."""
    name = (step.event.approver or "").strip()
    accounts = staff.accounts_named(step.connection, name)
    if not name or name in (step.by.id, step.by.name) or any(one.username == step.by.id for one in accounts):
        raise EventInvalidError("批准人（approver）不能是申请延期的人自己，请填写批准的上级。")
    out = aside_of(step.connection, step.ticket)
    if name in out.persons:
        raise _aside(name)
    if not accounts:
        return {"approver": name}
    able = [one for one in accounts if one.active and one.role in _APPROVERS]
    if any(one.username in out.persons for one in able):
        raise _aside(name)
    if not able:
        raise EventInvalidError(f"{name} 的账号已停用或没有批准延期的权限，请由主管批准。")
    return {"approver": name, "approver_account": able[0].username}


def _aside(name: str) -> RecusedError:
    return RecusedError(
        f"{name} 是被反映的人，或者属于被反映的部门，按回避要求不能批准延期；请由其他上级批准。",
        details={"recused": [name]},
    )


def _check_length(step: Step, kept: Mapping[str, Any]) -> None:
    sla, industry = step.tickets.playbook.sla, step.tickets.playbook.organisation.industry
    started = kept["clock_started_at"].astimezone(BEIJING).date()
    matter = Matter(industry=industry)
    once = sla.limit("decision", "extension", matter, started)
    if once is not None and (step.event.days or 0) > once:
        raise EventInvalidError(f"一次最多延期 {once} 日。")
    longest = sla.limit("decision", "max", matter, started)
    if longest is not None and (kept["due_at"].date() - started).days > longest:
        raise EventInvalidError(f"从登记（有新事实的从补充之日）到办结最长 {longest} 日，这次延期会超过。")


def _notice_sent(step: Step) -> bool:
    """In the customer's own window; False when there is nothing to say or nobody to say it to."""
    text = scrub(step.event.notice or "").strip()
    if not text:
        return False
    if banned := step.tickets.playbook.phrases.violations(text):
        raise EventInvalidError(f"客户会看到这段话，请不要用“{banned[0]}”这样的说法。", details={"phrases": banned})
    if not step.ticket.conversation_id:
        return False
    said = step.tickets.say(step.connection, step.ticket.conversation_id, text, step.now)
    if said is not None:
        step.said.append(said)
    return said is not None


def _classify(step: Step) -> Effect:
    """事实清楚、争议简单 or 复杂: by the back office, and in time; what was missed stays missed."""
    wanted, ticket = step.event.complexity, step.ticket
    if wanted is None:
        raise EventInvalidError("请给出复杂程度（complexity）：simple 简单，complex 复杂。")
    reason = needed_reason(step, "认定复杂程度")
    if wanted == ticket.complexity:
        raise EventInvalidError(f"这张工单已经认定为{_COMPLEXITIES[wanted]}。")
    if ticket.due_at < step.now:
        raise EventInvalidError("答复时限已过，不能再改复杂程度；请尽快答复客户（resolve），并说明迟延的原因。")
    told: dict[str, Any] = {"complexity": wanted, "reason": reason}
    return {"complexity": wanted}, {**told, "due_at": {"from": ticket.due_at, "to": _kept(step, told)["due_at"]}}


def _review(step: Step) -> Effect:
    """The customer does not accept the decision: it is owed again, by a clock of its own; telling it was a contact."""
    text, ticket = needed_text(step), step.ticket
    told: dict[str, Any] = {"text": text, "from_customer": step.event.from_customer or None, **revived(step)}
    told |= step.tickets.restart(step.connection, ticket, EventType.REVIEW, step.now)
    promise = Promise(PromiseKind.REVIEW, told["due_at"]["to"])
    repository.promise(step.connection, ticket.ticket_no, [promise], step.now)
    contact = {"first_contact_at": ticket.first_contact_at or ticket.resolved_at}
    return {**contact, "extension_reason": None, "review_requested_at": step.now}, told


def _contact(step: Step) -> Effect:
    """`customer_notified`: that the extension was told, too."""
    first = {} if step.ticket.first_contact_at else {"first_contact_at": step.now}
    kinds = [PromiseKind.CALLBACK, *([PromiseKind.EXTENSION_NOTICE] if step.event.customer_notified else [])]
    kept = [kind for kind in kinds if repository.keep_promise(step.connection, step.ticket.ticket_no, kind, step.now)]
    told = {"text": scrub(step.event.text or ""), "promise_met": kept[0] if kept else None}
    return first, {**told, "customer_notified": step.event.customer_notified or None}


def _kept(step: Step, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the row will keep of the clocks once the thread tells this."""
    entry = NewEntry(step.event.type, told, step.now)
    return step.tickets.time.columns(step.connection, step.ticket._asdict(), entry, now=step.now)


EFFECTS: Mapping[EventType, Callable[[Step], Effect]] = {
    EventType.EXTEND: _extend,
    EventType.CLASSIFY: _classify,
    EventType.REVIEW: _review,
    EventType.CONTACT: _contact,
}
