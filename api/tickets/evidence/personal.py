"""Evidence as personal data: listed for the person, and ended with their ticket or conversation."""

from functools import partial
from typing import Any

from sqlalchemy import Connection

from api.core.clock import rfc3339
from api.tickets.evidence import repository
from api.tickets.evidence.upkeep import Upkeep
from api.tickets.privacy.keepers import Afterwards, Keeper, Subject


def evidence_keeper(upkeep: Upkeep | None) -> Keeper:
    """Without `upkeep` the bytes stay until its next `tidy`, which finds that no row names them."""

    def wipe(connection: Connection, subject: Subject) -> Afterwards | None:
        gone = repository.delete_of(connection, subject.ticket_no) if subject.ticket_no else []
        if subject.ticket_no is None and subject.conversation_id:
            gone = repository.delete_of_conversation(connection, subject.conversation_id)
        return partial(upkeep.forget, gone) if upkeep and gone else None

    return Keeper("attachments", export=_export, wipe=wipe)


def _export(connection: Connection, subject: Subject) -> list[dict[str, Any]]:
    rows = repository.of_ticket(connection, subject.ticket_no) if subject.ticket_no else []
    if subject.ticket_no is None and subject.conversation_id:
        rows = repository.of_conversation(connection, subject.conversation_id)
    return [
        {"ticket_no": subject.ticket_no, "name": row.name, "size": row.size, "at": rfc3339(row.created_at)}
        for row in rows
    ]
