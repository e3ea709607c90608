"""Shapes of reconciliations on the wire."""

from datetime import datetime
from typing import Any

from contract.base import Frozen


class ReconciliationOut(Frozen):
    """`missing` of the time `since`–`until` had not left or arrived, and all dead letters, however old; `healed` of these are
    on their way again, under their old ids.
    """

    id: int
    created_at: datetime
    since: datetime
    until: datetime
    missing: int
    healed: int
    threads: dict[str, Any]
    relay: dict[str, Any]
    webhooks: list[dict[str, Any]]
    stream: dict[str, Any] | None
    consumers: list[dict[str, Any]]


class ReconciliationPage(Frozen):
    """The newest first."""

    reconciliations: list[ReconciliationOut]
    next_cursor: str | None
