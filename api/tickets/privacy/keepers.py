"""Other rooms that keep something of a person, as seen from here: each says how to read it, and how to end it.

A room adds its `Keeper` to the list at start (api/app.py). `export` and `wipe` run inside the transaction; what `wipe` returns is
awaited after the commit (files). A process that dies between the two leaves what no row names: the room must find that itself.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Subject:
    """A ticket with its conversation, if it has one; or a conversation alone."""

    ticket_no: str | None
    conversation_id: str | None


Afterwards = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Keeper:
    """Something that hangs on a ticket or a conversation. `name` is the heading in a person's export."""

    name: str
    export: Callable[[Connection, Subject], Any] | None = None
    wipe: Callable[[Connection, Subject], Afterwards | None] | None = None


class Talks(Protocol):
    """The room of conversations, which this one must not import."""

    def export(self, connection: Connection, conversation_id: str) -> dict[str, Any] | None:
        """Everything said; None when there is no such conversation or it was wiped."""

    def wipe(self, connection: Connection, conversation_id: str, now: datetime) -> bool:
        """Ends it, removes what was said; False when there was nothing left to remove."""

    def close(self, connection: Connection, conversation_id: str, now: datetime) -> None:
        """Takes no more messages; what was said stays."""

    def idle(self, connection: Connection, before: datetime, limit: int) -> list[str]:
        """Conversations with something in them, without a ticket that has its data, that have not changed since."""

    def of_phone(self, connection: Connection, phone: str) -> list[str]:
        """Conversations without a ticket in which this phone was told."""

    def of_tickets(self, connection: Connection, numbers: Collection[str], *, merged: bool = True) -> list[str]:
        """Those that led to these tickets or joined them, with `merged` also those of what was merged into them."""

    def tickets_of(self, connection: Connection, conversation_id: str) -> set[str]:
        """The tickets of a conversation, and those that these were merged into."""
