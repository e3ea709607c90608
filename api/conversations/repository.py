"""SQL of what staff see of conversations, and of satisfaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from api.conversations.models import satisfaction
from api.core.models import AnyRow
from api.dialogue.models import alerts, conversations


def page(connection: Connection, *, owner: str | None, before: tuple[datetime, str] | None, limit: int) -> list[AnyRow]:
    """Newest first, by last change."""
    c = conversations.c
    statement = select(
        c.id, c.channel, c.owner, c.handover_reason, c.cause_l1, c.level, c.level_peak, c.ticket_no, c.last_seq,
        c.created_at, c.updated_at,
    )  # fmt: skip
    if owner is not None:
        statement = statement.where(c.owner == owner)
    if before is not None:
        moment, last_id = before
        statement = statement.where((c.updated_at < moment) | ((c.updated_at == moment) & (c.id < last_id)))
    return list(connection.execute(statement.order_by(c.updated_at.desc(), c.id.desc()).limit(limit)))


def open_alerts(connection: Connection, conversation_ids: list[str]) -> list[AnyRow]:
    statement = select(alerts).where(alerts.c.conversation_id.in_(conversation_ids), alerts.c.acknowledged_at.is_(None))
    return list(connection.execute(statement.order_by(alerts.c.id)))


def newest_alert(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(alerts.c.id), 0))).scalar_one())


def alerts_after(connection: Connection, alert_id: int) -> list[AnyRow]:
    return list(connection.execute(select(alerts).where(alerts.c.id > alert_id).order_by(alerts.c.id).limit(100)))


def acknowledge(connection: Connection, alert_id: int, *, who: str, now: datetime) -> bool:
    """False when there is no such open alert."""
    statement = (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=who)
    )
    return connection.execute(statement).rowcount == 1


def rate(connection: Connection, values: dict[str, Any]) -> None:
    """A second opinion replaces the first."""
    connection.execute(delete(satisfaction).where(satisfaction.c.conversation_id == values["conversation_id"]))
    connection.execute(insert(satisfaction), values)
