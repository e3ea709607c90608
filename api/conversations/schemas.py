"""Shapes of the staff's view of conversations."""

from pydantic import BaseModel

from api.core.clock import rfc3339
from api.core.models import AnyRow


class AlertOut(BaseModel):
    """`urgent` pages the duty manager (level 4)."""

    alert_id: int
    reason: str
    level: int
    urgent: bool
    created_at: str


class ConversationOut(BaseModel):
    """One line of the desk's list; what was said is not in it."""

    conversation_id: str
    channel: str
    owner: str
    handover_reason: str | None
    cause_l1: str | None
    level: int
    level_peak: int
    ticket_no: str | None
    message_count: int
    created_at: str
    updated_at: str
    alerts: list[AlertOut]


class ConversationPage(BaseModel):
    """`next_cursor` is null on the last page."""

    conversations: list[ConversationOut]
    next_cursor: str | None


def alert_out(row: AnyRow) -> AlertOut:
    return AlertOut(
        alert_id=row.id, reason=row.reason, level=row.level, urgent=row.urgent, created_at=rfc3339(row.created_at)
    )


def conversation_out(row: AnyRow, alerts: list[AlertOut]) -> ConversationOut:
    return ConversationOut(
        conversation_id=row.id,
        channel=row.channel,
        owner=row.owner,
        handover_reason=row.handover_reason,
        cause_l1=row.cause_l1,
        level=row.level,
        level_peak=row.level_peak,
        ticket_no=row.ticket_no,
        message_count=row.last_seq,
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        alerts=alerts,
    )
