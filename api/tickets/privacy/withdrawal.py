"""What follows when a customer takes their consent back.

Without consent what the law obliges goes on (个人信息保护法第十三条第三项): an open ticket is handled to its end, a closed one is kept
for its years. Everything that stands on consent alone ends at once: the conversation takes no more messages, and one that
led to no ticket is emptied (第四十七条).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core import audit
from api.core.clock import rfc3339
from api.core.models import AnyRow
from api.core.security import Principal
from api.tickets.lifecycle import OPEN_STATES, EventType
from api.tickets.privacy import repository
from api.tickets.privacy.errors import NoConsentError
from api.tickets.privacy.keepers import Talks
from api.tickets.thread import record

WITHDRAWN = "客户撤回了个人信息处理的同意。依法须办结的事项继续办理，不再用于其他目的。"


def withdraw(
    connection: Connection,
    talks: Talks,
    *,
    ticket_no: str | None,
    conversation_id: str | None,
    by: Principal,
    reason: str | None,
    now: datetime,
    tickets: list[AnyRow],
) -> dict[str, Any]:
    """Raises NoConsentError when none is in force. What goes on is told with its reason."""
    found = repository.consents_of(connection, ticket_no=ticket_no, conversation_id=conversation_id)
    valid = [row for row in found if row.withdrawn_at is None]
    if not valid:
        raise NoConsentError
    repository.withdraw(connection, [row.id for row in valid], by=by.id, reason=reason, now=now)
    talk_ids = {row.conversation_id for row in valid if row.conversation_id}
    emptied = False
    for talk in talk_ids:
        if tickets:
            talks.close(connection, talk, now)
        else:
            emptied = talks.wipe(connection, talk, now) or emptied
            repository.forget_reasons(connection, talk)
    goes_on = [_goes_on(connection, ticket, by, now) for ticket in tickets]
    told = audit.digest(connection, "reason", reason) if reason else None
    for subject in [ticket.ticket_no for ticket in tickets] or ["conversation"]:
        audit.note(connection, who=by.id, action="consent.withdraw", subject=subject, now=now, reason=told)
    return {"withdrawn_at": rfc3339(now), "conversation_removed": emptied, "goes_on": goes_on}


def _goes_on(connection: Connection, ticket: AnyRow, by: Principal, now: datetime) -> dict[str, str]:
    told = {"text": WITHDRAWN, "from_customer": True, "consent_withdrawn": True}
    number: str = ticket.ticket_no
    record(connection, ticket_no=number, kind=EventType.COMMENT, by=by, data=told, now=now)
    why = "依法须在期限内办结并答复" if ticket.state in OPEN_STATES else "依法须在保存期限内留存投诉档案"
    return {"ticket_no": number, "why": why}
