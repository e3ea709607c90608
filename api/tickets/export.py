"""Tickets as CSV, page by page, so that a year of them needs no more memory than one page."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement

from api.core.db import Database
from api.tickets import repository
from api.tickets.views import list_item
from contract.playbook import Taxonomy

_PAGE = 200
_COLUMNS = {
    "ticket_no": "工单号", "state_label": "状态", "created_at": "登记时间", "intake_channel": "渠道", "nature": "性质",
    "cause_l1": "一级原因", "cause_name": "原因", "cause_l2": "二级原因", "cause_secondary": "次要原因", "level": "等级", "level_peak": "最高等级",
    "branch": "网点代码", "branch_name": "网点", "request": "诉求", "amount": "金额", "phone": "电话", "route": "承办部门",
    "owner": "经办人", "due_at": "办理期限", "overdue": "已超期", "repeat_count": "重复次数",
}  # fmt: skip


async def csv_chunks(
    db: Database, conditions: list[ColumnElement[bool]], now: datetime, taxonomy: Taxonomy
) -> AsyncIterator[bytes]:
    """A byte order mark first: without it Excel reads Chinese wrongly."""
    yield "\ufeff".encode() + _lines([list(_COLUMNS.values())])
    before: int | None = None
    while True:
        rows = await db.read(partial(repository.page, conditions=conditions, before=before, limit=_PAGE))
        if not rows:
            return
        yield _lines([_cells(list_item(row, now, taxonomy)) for row in rows])
        before = rows[-1].id


def _cells(item: dict[str, Any]) -> list[str]:
    return [_harmless(item[name]) for name in _COLUMNS]


def _harmless(value: Any) -> str:
    """A cell that a spreadsheet would run as a formula gets an apostrophe."""
    text = "" if value is None else "是" if value is True else "否" if value is False else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _lines(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
