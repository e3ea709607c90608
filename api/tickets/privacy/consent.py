"""What a customer agreed to: which words, when, through which channel."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.clock import rfc3339
from api.core.models import AnyRow
from api.tickets.privacy import repository
from api.tickets.privacy.errors import ConsentVersionError
from contract.privacy import Consent, Notice


def notice_out(notice: Notice) -> dict[str, Any]:
    return {"version": notice.version, "text": notice.text, "purposes": list(notice.purposes)}


def give(
    connection: Connection,
    consent: Consent,
    *,
    channel: str,
    now: datetime,
    conversation_id: str | None = None,
    ticket_no: str | None = None,
    version: str | None = None,
) -> None:
    """Raises ConsentVersionError when the caller showed another version than the one in force."""
    notice = consent.on(now.date())
    if version is not None and version != notice.version:
        raise ConsentVersionError(details=notice_out(notice))
    values = {
        "conversation_id": conversation_id,
        "ticket_no": ticket_no,
        "channel": channel,
        "version": notice.version,
        "text_hash": hashlib.sha256(notice.text.encode()).hexdigest(),
        "purposes": list(notice.purposes),
        "given_at": now,
    }
    repository.add_consent(connection, values)


def given_at(connection: Connection, conversation_id: str | None) -> datetime | None:
    """When the person of this conversation agreed; the first time counts."""
    found = repository.consents_of(connection, ticket_no=None, conversation_id=conversation_id)
    return found[0].given_at if found else None


def consent_out(row: AnyRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "channel": row.channel,
        "purposes": row.purposes,
        "given_at": rfc3339(row.given_at),
        "withdrawn_at": rfc3339(row.withdrawn_at) if row.withdrawn_at else None,
    }


def shown(connection: Connection, ticket: AnyRow) -> list[dict[str, Any]]:
    """For the ticket's page."""
    found = repository.consents_of(connection, ticket_no=ticket.ticket_no, conversation_id=ticket.conversation_id)
    return [consent_out(row) for row in found]
