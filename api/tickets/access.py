"""Who stands aside from a ticket, and how customers prove that one is theirs. What staff may see: repository.visible_to."""

from api.core.errors import ForbiddenError
from api.core.models import AnyRow
from api.core.security import Principal, Role, same_secret
from api.tickets.errors import PublicTicketNotFoundError
from api.tickets.lifecycle import EVENT_LABELS, EventType

# Who answers for a ticket until another unit has accepted it still says by when, and who gets it instead.
_ANSWERING = frozenset({EventType.ASSIGN, EventType.EXTEND, EventType.CLASSIFY})
# 首问负责: what nobody does for another unit. Hearing, noting and joining what customers say is everybody's.
_OF_THE_UNIT = _ANSWERING | {
    EventType.ACCEPT, EventType.REJECT, EventType.INVESTIGATE, EventType.WAIT, EventType.RESUME, EventType.RESOLVE,
    EventType.CLOSE, EventType.NOT_COMPLAINT,
}  # fmt: skip


class OtherUnitError(ForbiddenError):
    """The ticket is another unit's to handle; `details.route` names it."""

    code = "other_unit"


def is_in_use(ticket: AnyRow) -> bool:
    """repository.IN_USE for a row."""
    return ticket.processing_restricted_at is None or ticket.closed_at is None


def is_keeper(by: Principal) -> bool:
    """Who still sees a closed ticket whose use is restricted, at the desk: storing it is all that others may do with it."""
    return by.role in (Role.AUDITOR, Role.ADMIN) and not by.by_key


def is_recused(by: Principal, ticket: AnyRow) -> bool:
    """回避: the complaint is about this caller or a unit of the caller's."""
    return by.id in ticket.recused_persons or not set(by.units).isdisjoint(ticket.recused_units)


def serves_all(by: Principal) -> bool:
    """Administrators, and accounts and keys of no unit in particular."""
    return by.role is Role.ADMIN or not by.units


def may_handle(by: Principal, ticket: AnyRow, event: EventType) -> bool:
    """Whoever sees a ticket may not yet act for the unit that has it."""
    return (
        event not in _OF_THE_UNIT
        or serves_all(by)
        or ticket.route in by.units
        or ticket.owner == by.id
        or (event in _ANSWERING and by.role is Role.SUPERVISOR and ticket.responsible in by.units)
    )


def check_unit(by: Principal, ticket: AnyRow, event: EventType) -> None:
    """Raises OtherUnitError when the caller acts for a unit that is not theirs."""
    if not may_handle(by, ticket, event):
        raise OtherUnitError(
            f"这张工单现在由{ticket.route}承办，不能由{'、'.join(by.units)}的人{EVENT_LABELS[event]}；"
            f"请联系{ticket.route}办理，或请其转派给您的部门。您可以先写备注。",
            details={"route": ticket.route, "units": list(by.units)},
        )


def check_tail(phone: str | None, tail: str) -> None:
    """Raises PublicTicketNotFoundError unless the last four digits agree."""
    digits = "".join(char for char in tail if char.isdigit())[-4:]
    if len(digits) != 4 or not phone or not same_secret(digits, phone[-4:]):
        raise PublicTicketNotFoundError


def same_customer(one: AnyRow, other: AnyRow) -> bool:
    """As far as anybody can tell: who gave no phone and has no conversation is nobody else."""
    talk: str | None = one.conversation_id
    return bool((one.phone and one.phone == other.phone) or (talk and talk == other.conversation_id))
