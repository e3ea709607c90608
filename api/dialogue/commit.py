"""What a turn's answer changes: all of it in one transaction, or nothing."""

from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection

from api.core.bus import Event
from api.core.redaction import restore, restore_all
from api.core.security import new_id
from api.dialogue import repository
from api.dialogue.address import Form, addressed, addressed_card, told_in
from api.dialogue.schemas import Committed, StoredMessage, Turn
from contract.turn import BotMessage, TurnAnswer

NOTICE = "您的话我们已经完整记下。系统这会儿有点慢，恢复后会马上回复您，请不用重复发送。"
BOT_ERROR = "bot_error"

# The end of every turn: nobody holds the claim, nothing failed, nothing was said about a delay.
_AT_REST = {"claim_until": None, "turn_upto": None, "attempts": 0, "retry_at": 0.0, "noticed": False}


class LostClaimError(Exception):
    """Somebody else took the conversation over; this answer is thrown away and theirs counts."""


def commit_turn(connection: Connection, turn: Turn, answer: TurnAnswer, now: datetime, form: Form) -> Committed:
    """Answers, state, draft, owner and "done" together. Raises LostClaimError when the fence has moved on."""
    row = repository.locked(connection, turn.conversation_id)
    if row.fence != turn.fence:
        raise LostClaimError
    added, open_choices = _bubbles(answer.messages, turn, first_seq=row.last_seq + 1, now=now, form=form)
    repository.add_messages(connection, turn.conversation_id, added)
    owner, reason = _owner_after(row.owner, row.handover_reason, answer)
    peak = max(row.level_peak, answer.draft.level_peak, answer.draft.level)
    finished = {
        **_AT_REST,
        "owner": owner,
        "handover_reason": reason,
        "updated_at": now,
        "last_seq": added[-1].seq,
        "processed_seq": turn.upto,
        "fence": turn.fence,
        "state": to_json(answer.state),
        # A click that came in while this turn ran was checked then; choices of newer answers replace older ones.
        "open_choices": open_choices or None,
        "draft": restore_all(answer.draft.model_dump(mode="json", exclude_none=True), turn.vault),
        "understanding": answer.understanding.model_dump(mode="json") if answer.understanding else None,
        "cause_l1": answer.draft.cause_l1,
        "level": answer.draft.level,
        "level_peak": peak,
        "ticket_no": answer.ticket_no or row.ticket_no,
    }
    repository.change(connection, turn.conversation_id, finished)
    alert = _page_somebody(connection, turn, answer, peak, now)
    new_ticket = answer.ticket_no if answer.ticket_no != row.ticket_no else None
    committed = Committed(added, owner, owner != row.owner, new_ticket, alert)
    if row.customer_seq > turn.upto and owner in repository.BOT_ANSWERS:
        committed.next_turn = repository.claim(connection, turn.conversation_id)
    return committed


def _bubbles(
    said: tuple[BotMessage, ...], turn: Turn, *, first_seq: int, now: datetime, form: Form
) -> tuple[list[StoredMessage], dict[str, dict[str, str]]]:
    """Rows for the bot's messages with values instead of placeholders, and the choices they offer by opaque id."""
    added, offered = [], {}
    for seq, message in enumerate(said, start=first_seq):
        shown = []
        for choice in message.choices:
            choice_id = new_id()
            label = addressed(choice.label, form)
            offered[choice_id] = {"label": label, "payload": choice.payload}
            shown.append({"choice_id": choice_id, "label": label})
        card: Any = None
        if message.card is not None:
            card = restore_all(addressed_card(message.card, form).model_dump(mode="json"), turn.vault)
        text = restore(addressed(message.text, form, own=told_in(message.card)), turn.vault)
        added.append(StoredMessage(seq, "bot", text, now, choices=shown or None, card=card, asks=message.asks))
    return added, offered


def _owner_after(owner: str, reason: str | None, answer: TurnAnswer) -> tuple[str, str | None]:
    if answer.handover is not None and owner == "bot":
        return "queued", answer.handover.reason
    if owner == "queued" and reason == BOT_ERROR and answer.handover is None:
        return "bot", None  # the bot is back, and it was the only reason to wait for a human
    return owner, reason


def _page_somebody(connection: Connection, turn: Turn, answer: TurnAnswer, level: int, now: datetime) -> bool:
    if answer.handover is None:
        return False
    values = {
        "conversation_id": turn.conversation_id,
        "reason": answer.handover.reason,
        "level": level,
        "urgent": answer.handover.alert,
        "created_at": now,
    }
    repository.add_alert(connection, values)
    return True


def tell_about_delay(connection: Connection, turn: Turn, now: datetime, form: Form) -> StoredMessage | None:
    """One honest line to the customer; None when it was said already or the claim is lost."""
    row = repository.locked(connection, turn.conversation_id)
    if row.noticed or row.fence != turn.fence:
        return None
    notice = StoredMessage(row.last_seq + 1, "system", addressed(NOTICE, form), now)
    repository.add_messages(connection, turn.conversation_id, [notice])
    changed = {"last_seq": notice.seq, "noticed": True, "updated_at": now}
    repository.change(connection, turn.conversation_id, changed)
    return notice


def say_once(
    connection: Connection, conversation_id: str, text: str, now: datetime, *, form: Form, asks: str | None = None
) -> Event | None:
    """One line that no turn produced, as the bot's; `asks` as in a turn, so that the window offers the rating."""
    row = repository.find(connection, conversation_id)
    if row is None or row.owner == "closed":
        return None
    said = StoredMessage(row.last_seq + 1, "bot", addressed(text, form), now, asks=asks)
    repository.add_messages(connection, conversation_id, [said])
    repository.change(connection, conversation_id, {"last_seq": said.seq, "updated_at": now})
    return said.event()


def queue_for_human(connection: Connection, turn: Turn, now: datetime) -> bool:
    """After several failures in a row a human gets the conversation; the bot goes on trying. True when newly queued."""
    row = repository.locked(connection, turn.conversation_id)
    if row.owner != "bot":
        return False
    repository.change(connection, turn.conversation_id, {"owner": "queued", "handover_reason": BOT_ERROR})
    values = {
        "conversation_id": turn.conversation_id,
        "reason": BOT_ERROR,
        "level": row.level_peak,
        "urgent": False,
        "created_at": now,
    }
    repository.add_alert(connection, values)
    return True
