"""The clocks of stored tickets: by the policies that this database knows, and today's calendar."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import Connection

from api.tickets import repository
from api.tickets.calendar import WorkCalendar
from api.tickets.clocks import Clock, Told, clocks_of, next_check
from api.tickets.history import History, NewEntry, history_of
from api.tickets.lifecycle import Entry
from api.tickets.sla import repository as sla
from contract.playbook import Playbook
from contract.sla import Sla

_AFTER_FAILURE = 600.0  # seconds


@dataclass(slots=True)
class Timekeeper:
    """`version` is the policy of whatever is filed or starts anew in this process; set once at start by `register`."""

    playbook: Playbook
    calendar: WorkCalendar
    version: int = 0
    _policies: dict[int, Sla] = field(default_factory=dict)
    _put_off: dict[str, float] = field(default_factory=dict)

    def register(self, connection: Connection, now: datetime) -> None:
        """Stores the policy of this playbook, if it is a new one. What is stored never changes."""
        policy = self.playbook.sla.model_dump(mode="json", exclude={"figures"})
        content = {"sla": policy, "calendar": self.calendar.version}
        told = json.dumps(content, sort_keys=True, ensure_ascii=False)
        hashed = hashlib.sha256(told.encode()).hexdigest()
        self.version = sla.register(connection, content_hash=hashed, content=content, now=now)

    def clocks(
        self, connection: Connection, ticket: Mapping[str, Any], entries: Sequence[Entry], now: datetime
    ) -> list[Clock]:
        """Of a row (stored or about to be) and its thread. Raises LookupError when a policy is missing."""
        history = self.history(connection, ticket, entries)
        wanted = {history.policy, *(entry.data["policy"] for entry in entries if "policy" in entry.data)}
        policies = {version: self._policy(connection, version) for version in wanted}
        return clocks_of(policies, self.calendar, history, now)

    def history(
        self, connection: Connection, ticket: Mapping[str, Any], entries: Sequence[Entry] | None = None
    ) -> History:
        known = repository.events_of(connection, ticket["ticket_no"]) if entries is None else entries
        return history_of(ticket, known, self.playbook.organisation.industry)

    def columns(
        self, connection: Connection, ticket: Mapping[str, Any], *new: NewEntry, now: datetime
    ) -> dict[str, Any]:
        """What the row of a stored ticket keeps of its clocks, as if `new` stood in its thread."""
        entries: list[Entry] = [*repository.events_of(connection, ticket["ticket_no"]), *new]
        told = sla.keys(sla.told(connection, ticket["ticket_no"]))
        return self.kept(self.clocks(connection, ticket, entries, now), told)

    def filed(self, connection: Connection, ticket: Mapping[str, Any], entry: NewEntry) -> dict[str, Any]:
        """The same for a ticket that is being filed."""
        return self.kept(self.clocks(connection, ticket, [entry], entry.created_at), frozenset())

    def kept(self, clocks: Sequence[Clock], told: Told) -> dict[str, Any]:
        by_kind = {clock.kind: clock for clock in clocks}
        first, decision, service = by_kind["first_contact"], by_kind["decision"], by_kind.get("service")
        return {
            "first_contact_due_at": first.due_at,
            "first_contact_basis": first.basis,
            "due_at": decision.due_at,
            "clock_basis": decision.basis,
            "clock_started_at": decision.started_at,
            "extended_days": decision.extended_days,
            "service_due_at": service.due_at if service else None,
            "provisional": any(clock.provisional and clock.met_at is None for clock in clocks),
            "next_check_at": next_check(clocks, told),
            "calendar_version": self.calendar.version,
        }

    def put_off(self, ticket_no: str) -> None:
        """What could not be computed is not tried again at every look; a wall clock that jumps makes this no longer."""
        self._put_off[ticket_no] = monotonic() + _AFTER_FAILURE

    def is_put_off(self, ticket_no: str) -> bool:
        until = self._put_off.get(ticket_no)
        if until is not None and until <= monotonic():
            del self._put_off[ticket_no]
            return False
        return until is not None

    def _policy(self, connection: Connection, version: int) -> Sla:
        """Of another process, too: one that was started with a newer file."""
        if version not in self._policies:
            content = sla.policy(connection, version)
            if content is None:
                raise LookupError(f"sla_policies has no version {version}")
            self._policies[version] = Sla.model_validate(content["sla"])
        return self._policies[version]
