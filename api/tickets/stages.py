"""The events that take a ticket from one state to another: what each changes in the row, and what the thread tells of it."""

from collections.abc import Callable, Mapping

from api.core.redaction import scrub
from api.tickets import merging, repository
from api.tickets.access import same_customer
from api.tickets.errors import EventInvalidError
from api.tickets.lifecycle import EventType, PromiseKind
from api.tickets.links import repository as links
from api.tickets.step import Effect, Step, needed_reason, revived
from contract.ticket import Nature


def _investigate(step: Step) -> Effect:
    return {}, {"text": scrub(step.event.text or "") or None}


def _wait(step: Step) -> Effect:
    """What is awaited; of the customer it is told to them in these words, so it must not say what nobody may say."""
    reason, waits_for = needed_reason(step, "等待"), step.event.waits_for
    if waits_for is None:
        raise EventInvalidError("请说明等谁（for）：customer 客户，third_party 有关方面。")
    if waits_for == "customer" and (banned := step.tickets.playbook.phrases.violations(reason)):
        raise EventInvalidError(f"客户会看到这句话，请不要用“{banned[0]}”这样的说法。", details={"phrases": banned})
    return {"awaited": reason}, {"for": waits_for, "reason": reason}


def _resume(step: Step) -> Effect:
    return {}, {"reason": scrub(step.event.reason or step.event.text or "") or None}


def _assess(step: Step) -> Effect:
    """有效、无效、特殊: by the back office, whenever it knows; it may think again."""
    validity = step.event.validity
    if validity is None:
        raise EventInvalidError("请给出认定结果（validity）：有效、无效或特殊。")
    told = {"from": step.ticket.validity, "to": validity}
    return {"validity": validity}, {"validity": told, "reason": scrub(step.event.reason or "") or None}


def _resolve(step: Step) -> Effect:
    if step.event.outcome is None:
        raise EventInvalidError("请选择处理结果（outcome）。")
    repository.keep_promise(step.connection, step.ticket.ticket_no, PromiseKind.REVIEW, step.now)
    changes = {name: getattr(step.event, name) for name in ("outcome", "root_cause", "corrective_action")}
    return changes, {**changes, "text": scrub(step.event.text or "")}


def _close(step: Step) -> Effect:
    return {}, {"text": scrub(step.event.text or ""), "outcome": step.ticket.outcome}


def _not_complaint(step: Step) -> Effect:
    if step.ticket.nature != Nature.COMPLAINT:
        raise EventInvalidError(f"这张工单登记的是{step.ticket.nature}，本来就不按投诉办理；办完请用答复（resolve）。")
    return {}, {"reason": needed_reason(step, "不按投诉办理")}


def _reopen(step: Step) -> Effect:
    return {"reopened": step.ticket.reopened + 1}, {"reason": needed_reason(step, "重新打开"), **revived(step)}


def _withdraw(step: Step) -> Effect:
    """The procedure ends the day the withdrawal is received (3号令第十五条); what other customers said goes on by itself."""
    connection, ticket, count = step.connection, step.ticket, step.ticket.repeat_count
    for row in links.merged_into(connection, ticket.ticket_no):
        child = step.tickets.existing(connection, row.ticket_no)
        if same_customer(child, step.heard or ticket):
            continue
        merging.let_go(step, ticket, child, "并入的工单由客户撤回")
        text = f"{ticket.ticket_no} 已由客户撤回；并入的 {child.ticket_no} 是另一位客户的反映，已恢复单独办理。"
        merging.tell_unit(step, child, text)
        count = max(0, count - 1)
    return {"repeat_count": count}, {"reason": step.event.reason}


EFFECTS: Mapping[EventType, Callable[[Step], Effect]] = {
    EventType.INVESTIGATE: _investigate,
    EventType.WAIT: _wait,
    EventType.RESUME: _resume,
    EventType.ASSESS: _assess,
    EventType.RESOLVE: _resolve,
    EventType.CLOSE: _close,
    EventType.NOT_COMPLAINT: _not_complaint,
    EventType.REOPEN: _reopen,
    EventType.WITHDRAW: _withdraw,
}
