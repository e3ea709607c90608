"""Who may see a ticket: staff by its seal, customers by the last digits of their phone."""

from api.core.models import AnyRow
from api.core.security import Principal, Role, same_secret
from api.tickets.errors import PublicTicketNotFoundError

# Who still sees a closed ticket whose use is restricted: storing it is all that others may do with it.
KEEPERS = frozenset({Role.AUDITOR, Role.ADMIN})


def may_see(by: Principal, ticket: AnyRow) -> bool:
    """A sealed matter is its unit's and theirs who see everything, but never theirs whom it is about."""
    if ticket.processing_restricted_at is not None and ticket.closed_at is not None and by.role not in KEEPERS:
        return False
    if not ticket.restricted:
        return True
    return (by.sees_everything or ticket.route in by.units) and not is_recused(by, ticket)


def is_recused(by: Principal, ticket: AnyRow) -> bool:
    """回避: the complaint is about this caller or a unit of the caller's."""
    return by.id in ticket.recused_persons or not set(by.units).isdisjoint(ticket.recused_units)


def check_tail(phone: str | None, tail: str) -> None:
    """Raises PublicTicketNotFoundError unless the last four digits agree."""
    digits = "".join(char for char in tail if char.isdigit())[-4:]
    if len(digits) != 4 or not phone or not same_secret(digits, phone[-4:]):
        raise PublicTicketNotFoundError
