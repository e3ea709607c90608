"""How an attachment looks to whom."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from api.core.clock import rfc3339
from api.core.models import AnyRow


class AttachmentOut(BaseModel):
    """An upload that was taken; `name` and `size` as they are kept, which may differ from what was sent."""

    attachment_id: str
    name: str
    size: int
    media_type: str


def sender_item(row: AnyRow) -> dict[str, Any]:
    """For whoever sent it."""
    return {"attachment_id": row.id, "name": row.name, "size": row.size, "media_type": row.media_type}


def staff_item(row: AnyRow) -> dict[str, Any]:
    return {
        **sender_item(row),
        "sha256": row.sha256,
        "added_by": row.added_by,
        "from_customer": row.from_customer,
        "at": rfc3339(row.created_at),
        "scan": row.scan,
    }


def thread_item(rows: Iterable[AnyRow], *, from_customer: bool) -> dict[str, Any]:
    """For the thread and the hand-off: no names, which may hold somebody's data and could not be deleted there."""
    shown = [{"attachment_id": row.id, "size": row.size, "media_type": row.media_type} for row in rows]
    return {"attachments": shown, "from_customer": from_customer or None}
