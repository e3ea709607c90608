"""Who stands aside from a ticket, and how customers prove that one is theirs. What staff may see: repository.visible_to."""

from api.core.models import AnyRow
from api.core.security import Principal, Role, same_secret
from api.tickets.errors import PublicTicketNotFoundError


def is_in_use(ticket: AnyRow) -> bool:
    """repository.IN_USE for a row."""
    return ticket.processing_restricted_at is None or ticket.closed_at is None


def is_keeper(by: Principal) -> bool:
    """Who still sees a closed ticket whose use is restricted, at the desk: storing it is all that others may do with it."""
    return by.role in (Role.AUDITOR, Role.ADMIN) and not by.by_key


def is_recused(by: Principal, ticket: AnyRow) -> bool:
    """回避: the complaint is about this caller or a unit of the caller's."""
    return by.id in ticket.recused_persons or not set(by.units).isdisjoint(ticket.recused_units)


def check_tail(phone: str | None, tail: str) -> None:
    """Raises PublicTicketNotFoundError unless the last four digits agree."""
    digits = "".join(char for char in tail if char.isdigit())[-4:]
    if len(digits) != 4 or not phone or not same_secret(digits, phone[-4:]):
        raise PublicTicketNotFoundError
