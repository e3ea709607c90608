"""A message of files: kept and acknowledged without a turn, because the bot cannot look at pictures.

It takes no part in the queue of turns: what the bot asked stays asked, and the choices it offered stay open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.dialogue import repository
from api.dialogue.address import Form, addressed
from api.dialogue.errors import BacklogFullError, ConversationClosedError, ConversationNotFoundError
from api.dialogue.schemas import StoredMessage

# Given the conversation's ticket (None as long as it has none): the files as the customer sees them, and the line that thanks for
# them. Runs inside the transaction and may refuse.
Say = Callable[[Connection, str | None], tuple[list[dict[str, Any]], str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """`messages`: the customer's bubble and the answer; none when the same message had come before."""

    seq: int
    messages: tuple[StoredMessage, ...]


def keep(
    connection: Connection, conversation_id: str, client_id: str, say: Say, *, now: datetime, backlog: int, form: Form
) -> Kept:
    """Stores the message once."""
    row = repository.find(connection, conversation_id)
    if row is None:
        raise ConversationNotFoundError
    if (seq := repository.sent_before(connection, conversation_id, client_id)) is not None:
        return Kept(seq, ())
    if row.owner == "closed":
        raise ConversationClosedError
    if row.last_seq - row.processed_seq >= backlog:
        raise BacklogFullError
    items, thanks = say(connection, row.ticket_no)
    text = "［附件］" + "、".join(item["name"] for item in items)
    sent = StoredMessage(row.last_seq + 1, "customer", text, now, client_id, attachments=items)
    answer = StoredMessage(sent.seq + 1, "system", addressed(thanks, form), now)
    repository.add_messages(connection, conversation_id, [sent, answer])
    repository.change(connection, conversation_id, {"last_seq": answer.seq, "updated_at": now})
    return Kept(sent.seq, (sent, answer))
