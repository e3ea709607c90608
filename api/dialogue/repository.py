"""SQL of conversations: a durable queue of one turn at a time per conversation.

A claim is a fencing number and a fixed set of messages. Accepting a message claims the conversation when it is free;
committing answers, state and "done" happens in one transaction that checks the fence, and claims the next messages when
some came in meanwhile. A claim that is not kept up runs out, and the sweeper gives the same messages to somebody else.
Statements are built once: compiling one costs more than running it.
"""

import time
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from api.core.clock import SKEW
from api.core.models import AnyRow, counters
from api.core.redaction import begins_with_number, ends_in_number, scrub_split
from api.core.security import new_id
from api.dialogue.errors import (
    BacklogFullError,
    ChoiceNotOfferedError,
    ConversationClosedError,
    ConversationNotFoundError,
)
from api.dialogue.models import alerts, conversations, messages
from api.dialogue.schemas import Accepted, Incoming, StoredMessage, Turn

# Longer than a call's deadline with its margin; each attempt renews it.
LEASE_SECONDS = 15.0
LONGEST_RETRY = 20.0  # seconds; more or less by a fifth
_SKEW = SKEW.total_seconds()
BRANCHES = "branches_version"
MESSAGES_PAGE = 500  # of 60 KB at the most: what one answer may weigh

_NUMBERED_CHANNEL = "wechat"
# Owners under which the bot answers.
BOT_ANSWERS = ("bot", "queued")

_c, _m = conversations.c, messages.c
_branches_version = (
    select(func.coalesce(func.max(counters.c.value), 0)).where(counters.c.name == BRANCHES).scalar_subquery()
)

_CONVERSATION = (
    select(
        _c.channel, _c.owner, _c.last_seq, _c.customer_seq, _c.processed_seq, _c.fence, _c.claim_until, _c.turn_upto,
        _c.attempts, _c.noticed, _c.state, _c.vault, _c.open_choices, _c.ticket_no, _c.handover_reason, _c.level_peak,
        _branches_version.label("branches_version"),
    )
    .where(_c.id == bindparam("id"))
    .with_for_update(of=conversations)
)  # fmt: skip
_SENT_BEFORE = select(_m.seq).where(_m.conversation_id == bindparam("id"), _m.client_id == bindparam("client_id"))
_WAITING = (
    select(_m.seq, _m.role, _m.text, _m.created_at, _m.client_id, _m.choice)
    .where(
        _m.conversation_id == bindparam("id"),
        _m.seq > bindparam("after"),
        _m.seq <= bindparam("upto"),
        _m.role == "customer",
        _m.attachments.is_(None),
    )
    .order_by(_m.seq)
)
# Enough for a card in groups of four, each a message of its own.
_LAST_SAID = (
    select(_m.seq, _m.text)
    .where(_m.conversation_id == bindparam("id"), _m.role == "customer")
    .order_by(_m.seq.desc())
    .limit(4)
)
_HIDE = update(messages).where(_m.conversation_id == bindparam("b_id"), _m.seq == bindparam("b_seq"))
_INSERT_MESSAGE = insert(messages)
_INSERT_ALERT = insert(alerts)
# The columns to set are the names of the parameters that come with the call.
_CHANGE = update(conversations).where(_c.id == bindparam("b_id"))
_CHANGE_OWN = _CHANGE.where(_c.fence == bindparam("b_fence"))
_DUE = (
    select(_c.id)
    .where(
        _c.processed_seq < _c.customer_seq,
        or_(_c.retry_at <= bindparam("now"), _c.retry_at > bindparam("retry_ahead")),
        or_(_c.claim_until.is_(None), _c.claim_until < bindparam("now"), _c.claim_until > bindparam("claim_ahead")),
        _c.owner.in_(BOT_ANSWERS),
    )
    .order_by(_c.retry_at)
    .limit(bindparam("limit"))
)


def accept(connection: Connection, conversation_id: str, incoming: Incoming, *, backlog: int) -> Accepted:
    """Stores a message once and claims the conversation when it is free."""
    row = connection.execute(_CONVERSATION, {"id": conversation_id}).one_or_none()
    if row is None:
        raise ConversationNotFoundError
    if (seq := sent_before(connection, conversation_id, incoming.client_id)) is not None:
        return Accepted(seq, None, None)
    if row.owner == "closed":
        raise ConversationClosedError
    if row.last_seq - row.processed_seq >= backlog:
        raise BacklogFullError
    text, payload, open_choices = _content(row, incoming)
    text = _hide_split(connection, conversation_id, text)
    seq = row.last_seq + 1
    stored = StoredMessage(seq, "customer", text, incoming.now, incoming.client_id, payload)
    connection.execute(_INSERT_MESSAGE, _message_row(conversation_id, stored))
    values = {
        "b_id": conversation_id,
        "last_seq": seq,
        "customer_seq": seq,
        "updated_at": incoming.now,
        "open_choices": open_choices,
    }
    if row.owner not in BOT_ANSWERS or _is_claimed(row):
        connection.execute(_CHANGE, values)
        return Accepted(seq, stored, None)
    turn = _next_turn(connection, conversation_id, row, upto=seq, newest=stored)
    claim = {"fence": turn.fence, "claim_until": time.time() + LEASE_SECONDS, "turn_upto": turn.upto}
    connection.execute(_CHANGE, {**values, **claim})
    return Accepted(seq, stored, turn)


def _hide_split(connection: Connection, conversation_id: str, text: str) -> str:
    """A card or identity number that was sent in pieces: its middle is hidden in the pieces before, too."""
    if not begins_with_number(text):
        return text
    found = list(connection.execute(_LAST_SAID, {"id": conversation_id}))
    before = list(reversed(list(takewhile(lambda row: ends_in_number(row.text), found))))
    *hidden, text = scrub_split([row.text for row in before], text)
    for row, changed in zip(before, hidden, strict=True):
        if changed != row.text:
            connection.execute(_HIDE, {"b_id": conversation_id, "b_seq": row.seq, "text": changed})
    return text


def _content(row: AnyRow, incoming: Incoming) -> tuple[str, str | None, Any]:
    """Text, payload and the choices still open afterwards; one click closes all choices that were offered together."""
    if incoming.choice_id is None:
        choice = _typed_choice(row, incoming.text or "")
        if choice is None:
            return incoming.text or "", None, row.open_choices
        return choice["label"], choice["payload"], None
    choice = (row.open_choices or {}).get(incoming.choice_id)
    if choice is None:
        raise ChoiceNotOfferedError
    return choice["label"], choice["payload"], None


def _typed_choice(row: AnyRow, text: str) -> dict[str, str] | None:
    """WeChat has no buttons: there a number alone picks the choice that was shown with it."""
    if row.channel != _NUMBERED_CHANNEL or not text.strip().isdecimal():
        return None
    choices = list((row.open_choices or {}).values())
    number = int(text)
    return choices[number - 1] if 0 < number <= len(choices) else None


def _next_turn(
    connection: Connection, conversation_id: str, row: AnyRow, *, upto: int, newest: StoredMessage | None = None
) -> Turn:
    """The waiting messages up to the first choice, or again the set that a lost or failed turn had taken."""
    fixed = row.turn_upto if row.turn_upto is not None and row.turn_upto > row.processed_seq else None
    if newest is not None and fixed is None and row.customer_seq == row.processed_seq:
        waiting = [newest]
    else:
        params = {"id": conversation_id, "after": row.processed_seq, "upto": fixed or upto}
        waiting = [StoredMessage(*found) for found in connection.execute(_WAITING, params)]
    taken = waiting if fixed else _until_choice(waiting)
    return Turn(
        conversation_id=conversation_id,
        channel=row.channel,
        fence=row.fence + 1,
        attempts=row.attempts,
        noticed=row.noticed,
        upto=taken[-1].seq,
        messages=tuple(taken),
        state=row.state,
        vault=row.vault or {},
        branches_version=row.branches_version,
    )


def _until_choice(waiting: list[StoredMessage]) -> list[StoredMessage]:
    """Texts are taken together; a picked choice is a turn of its own."""
    if waiting[0].choice is not None:
        return waiting[:1]
    first_choice = next((place for place, message in enumerate(waiting) if message.choice is not None), len(waiting))
    return waiting[:first_choice]


def claim(connection: Connection, conversation_id: str) -> Turn | None:
    """The next turn of a conversation whose claim ran out or whose retry is due; None when somebody was faster."""
    row = connection.execute(_CONVERSATION, {"id": conversation_id}).one_or_none()
    if row is None or row.owner not in BOT_ANSWERS or row.processed_seq >= row.customer_seq:
        return None
    if _is_claimed(row):
        return None
    turn = _next_turn(connection, conversation_id, row, upto=row.customer_seq)
    take(connection, turn)
    return turn


def _is_claimed(row: AnyRow) -> bool:
    """Not by a claim of a clock that was hours ahead."""
    return row.claim_until is not None and 0 < row.claim_until - time.time() <= LEASE_SECONDS + _SKEW


def take(connection: Connection, turn: Turn) -> None:
    until = time.time() + LEASE_SECONDS
    params = {"b_id": turn.conversation_id, "fence": turn.fence, "claim_until": until, "turn_upto": turn.upto}
    connection.execute(_CHANGE, params)


def renew(connection: Connection, turn: Turn) -> bool:
    """False when the claim belongs to somebody else by now."""
    params = {"b_id": turn.conversation_id, "b_fence": turn.fence, "claim_until": time.time() + LEASE_SECONDS}
    return connection.execute(_CHANGE_OWN, params).rowcount == 1


def release(connection: Connection, turn: Turn, *, attempts: int, retry_at: float) -> bool:
    """Gives up this attempt; the sweeper takes the same messages again when `retry_at` has come."""
    params = {
        "b_id": turn.conversation_id,
        "b_fence": turn.fence,
        "claim_until": None,
        "attempts": attempts,
        "retry_at": retry_at,
    }
    return connection.execute(_CHANGE_OWN, params).rowcount == 1


def forget_claims(connection: Connection) -> None:
    """On SQLite only one process serves a file, so claims found at its start belong to the dead."""
    connection.execute(update(conversations).where(_c.claim_until.is_not(None)).values(claim_until=None, retry_at=0.0))


def due(connection: Connection, limit: int) -> list[str]:
    now = time.time()
    ahead = {"retry_ahead": now + LONGEST_RETRY + _SKEW, "claim_ahead": now + LEASE_SECONDS + _SKEW}
    return list(connection.execute(_DUE, {"now": now, "limit": limit, **ahead}).scalars())


def keep_values(connection: Connection, conversation_id: str, vault: dict[str, str]) -> None:
    """The values behind placeholders, before the bot can use one in a ticket."""
    connection.execute(_CHANGE, {"b_id": conversation_id, "vault": vault})


def values_of(connection: Connection, conversation_id: str) -> dict[str, str]:
    found = connection.execute(select(_c.vault).where(_c.id == conversation_id)).scalar_one_or_none()
    return found or {}


def locked(connection: Connection, conversation_id: str) -> AnyRow:
    """The conversation for a change; other writers wait until this transaction ends."""
    return connection.execute(_CONVERSATION, {"id": conversation_id}).one()


def find(connection: Connection, conversation_id: str) -> AnyRow | None:
    """As `locked`, for an id that somebody else gave."""
    return connection.execute(_CONVERSATION, {"id": conversation_id}).one_or_none()


def sent_before(connection: Connection, conversation_id: str, client_id: str) -> int | None:
    """The sequence number of the message with this `client_id`."""
    params = {"id": conversation_id, "client_id": client_id}
    return connection.execute(_SENT_BEFORE, params).scalar_one_or_none()


def change(connection: Connection, conversation_id: str, values: dict[str, Any]) -> None:
    connection.execute(_CHANGE, {"b_id": conversation_id, **values})


def add_messages(connection: Connection, conversation_id: str, added: list[StoredMessage]) -> None:
    connection.execute(_INSERT_MESSAGE, [_message_row(conversation_id, message) for message in added])


def add_alert(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(_INSERT_ALERT, values)


def _message_row(conversation_id: str, message: StoredMessage) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "seq": message.seq,
        "role": message.role,
        "client_id": message.client_id,
        "text": message.text,
        "choice": message.choice,
        "choices": message.choices,
        "card": message.card,
        "asks": message.asks,
        "attachments": message.attachments,
        "created_at": message.created_at,
    }


def create(connection: Connection, *, channel: str, metadata: Any, now: Any) -> str:
    conversation_id = new_id()
    connection.execute(
        insert(conversations),
        {
            "id": conversation_id, "channel": channel, "owner": "bot", "created_at": now, "updated_at": now,
            "consent_at": now, "metadata": metadata, "last_seq": 0, "customer_seq": 0, "processed_seq": 0, "fence": 0,
            "attempts": 0, "retry_at": 0.0, "noticed": False, "level": 0, "level_peak": 0,
        },
    )  # fmt: skip
    return conversation_id


_READ = (
    select(
        _m.seq, _m.role, _m.text, _m.created_at, _m.client_id, _m.choice, _m.choices, _m.card, _m.asks, _m.attachments
    )
    .where(_m.conversation_id == bindparam("id"), _m.seq > bindparam("after"))
    .order_by(_m.seq)
    .limit(bindparam("limit"))
)
_HEAD = select(_c.owner, _c.ticket_no, _c.processed_seq, _c.customer_seq, _c.claim_until).where(
    _c.id == bindparam("id")
)


def branches_version(connection: Connection) -> int:
    return int(connection.execute(select(_branches_version)).scalar_one())


def read_messages(connection: Connection, conversation_id: str, *, after: int) -> list[StoredMessage]:
    """At most MESSAGES_PAGE of them; a full page may have more behind it."""
    params = {"id": conversation_id, "after": after, "limit": MESSAGES_PAGE}
    return [StoredMessage(**row._mapping) for row in connection.execute(_READ, params)]


def head(connection: Connection, conversation_id: str) -> AnyRow:
    """Owner and ticket as they now stand."""
    row = connection.execute(_HEAD, {"id": conversation_id}).one_or_none()
    if row is None:
        raise ConversationNotFoundError
    return row
