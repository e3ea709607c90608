"""A conversation as personal data: read out whole for the person, closed, or emptied.

Emptied, it keeps when, through which channel, how long and how heated it was, and nothing that anybody said.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, select, update

from api.conversations import repository
from api.conversations.models import satisfaction
from api.core.clock import rfc3339
from api.core.redaction import phones
from api.dialogue.models import conversations, messages
from api.dialogue.repository import MESSAGES_PAGE, read_messages
from api.tickets.models import tickets

_c = conversations.c
_EMPTY = {
    **dict.fromkeys(("metadata", "state", "vault", "open_choices", "draft", "understanding")),
    "claim_until": None,
    "turn_upto": None,
    "owner": "closed",
}


class PersonalTalks:
    """`api.tickets.privacy.keepers.Talks`."""

    def export(self, connection: Connection, conversation_id: str) -> dict[str, Any] | None:
        row = connection.execute(select(conversations).where(_c.id == conversation_id)).one_or_none()
        if row is None:
            return None
        said, after = [], 0
        while page := read_messages(connection, conversation_id, after=after):
            said += [{"role": one.role, "text": one.text, "at": rfc3339(one.created_at)} for one in page]
            after = page[-1].seq
            if len(page) < MESSAGES_PAGE:
                break
        return {
            "channel": row.channel,
            "started_at": rfc3339(row.created_at),
            "ticket_no": row.ticket_no,
            "metadata": row.metadata,
            "messages": said,
        }

    def wipe(self, connection: Connection, conversation_id: str, now: datetime) -> bool:
        gone = connection.execute(delete(messages).where(messages.c.conversation_id == conversation_id)).rowcount
        rated = update(satisfaction).where(satisfaction.c.conversation_id == conversation_id)
        connection.execute(rated.values(comment=None))
        row = connection.execute(
            select(_c.customer_seq, _c.owner, _c.state, _c.vault, _c.draft).where(_c.id == conversation_id)
        ).one_or_none()
        if row is None:
            return False
        there = gone or any(value is not None for value in (row.state, row.vault, row.draft))
        if there or row.owner != "closed":
            done = {**_EMPTY, "processed_seq": row.customer_seq, "fence": _c.fence + 1}
            connection.execute(update(conversations).where(_c.id == conversation_id).values(done))
        return bool(there)

    def close(self, connection: Connection, conversation_id: str, now: datetime) -> None:
        values = {"owner": "closed", "processed_seq": _c.customer_seq, "fence": _c.fence + 1, "updated_at": now}
        connection.execute(update(conversations).where(_c.id == conversation_id).values(values))

    def idle(self, connection: Connection, before: datetime, limit: int) -> list[str]:
        something = exists().where(messages.c.conversation_id == _c.id)
        statement = (
            select(_c.id)
            .where(
                _c.updated_at < before,
                something | _c.vault.is_not(None) | _c.metadata.is_not(None),
                ~repository.belongs_to(tickets.c.anonymised_at.is_(None)),
            )
            .order_by(_c.updated_at)
            .limit(limit)
        )
        return list(connection.execute(statement).scalars())

    def of_phone(self, connection: Connection, phone: str) -> list[str]:
        """Reads every vault of conversations without a ticket: they are few, because they are not kept long."""
        statement = select(_c.id, _c.vault).where(_c.vault.is_not(None), ~repository.belongs_to())
        return [row.id for row in connection.execute(statement) if phone in _phones_in(row.vault)]

    def of_tickets(self, connection: Connection, numbers: Collection[str], *, merged: bool = True) -> list[str]:
        return repository.of_tickets(connection, numbers, merged=merged)

    def tickets_of(self, connection: Connection, conversation_id: str) -> set[str]:
        return repository.tickets_of(connection, [conversation_id]).get(conversation_id, set())


def _phones_in(vault: dict[str, str]) -> set[str]:
    return {number for value in vault.values() for _, _, number in phones(value)}
