"""Filing a ticket exactly once: key, routing, clocks, repeat detection and outbox in one transaction."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from api.core.bus import Event
from api.core.context import Context
from api.core.models import AnyRow
from api.core.redaction import phones, restore_all, scrub
from api.core.security import Principal, Role
from api.core.sse import sse
from api.tickets import repository
from api.tickets.clocks import deadline
from api.tickets.errors import IdempotencyConflictError
from api.tickets.lifecycle import EventType, State
from api.tickets.numbers import ticket_number
from api.tickets.schemas import TicketIn
from contract.playbook import Playbook

_UNKNOWN_CAUSE = "C99"
_SUMMARY = 120  # characters; one line on the desk

# Gives the values behind a conversation's placeholders; set by the app, because this room does not know that one.
ValuesOf = Callable[[Connection, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Filed:
    """`replayed`: the key had been used for the same body before. `merged`: it joined an open ticket."""

    ticket: AnyRow
    replayed: bool
    merged: bool


@dataclass(frozen=True, slots=True)
class Tickets:
    """The ticket desk of one app."""

    ctx: Context
    playbook: Playbook
    values_of: ValuesOf

    async def file(self, body: TicketIn, *, key: str, by: Principal) -> Filed:
        try:
            filed = await self.ctx.db.write(lambda connection: self._file(connection, body, key=key, by=by))
        except IntegrityError:
            # Two processes filed under one key at once; the other one won, and now its ticket can be found.
            filed = await self.ctx.db.write(lambda connection: self._file(connection, body, key=key, by=by))
        outcome = "replayed" if filed.replayed else "merged" if filed.merged else "created"
        self.ctx.metrics.tickets.labels(outcome).inc()
        if not filed.replayed:
            self.announce(filed.ticket)
        return filed

    def phone_index(self, phone: str | None) -> str | None:
        return self.ctx.cipher.blind_index(phone) if phone else None

    def announce(self, ticket: AnyRow) -> None:
        """Tells the desk, and the customer's own window, that the ticket changed."""
        self.ctx.bus.publish("desk", Event())
        if ticket.conversation_id:
            event = sse("ticket", {"ticket_no": ticket.ticket_no, "state": ticket.state})
            self.ctx.bus.publish(f"conversation:{ticket.conversation_id}", Event(event))

    def _file(self, connection: Connection, body: TicketIn, *, key: str, by: Principal) -> Filed:
        fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        scope = by.id
        if (known := repository.find_key(connection, scope, key)) is not None:
            if known.request_hash != fingerprint:
                raise IdempotencyConflictError(details={"ticket_no": known.ticket_no})
            return Filed(self._existing(connection, known.ticket_no), replayed=True, merged=known.merged)
        now = self.ctx.clock.now()
        values = self._values(connection, body, by=by, now=now)
        same = self._same_matter(connection, values)
        ticket_no = (
            self._merge(connection, same, values, by, now) if same else self._create(connection, values, by, now)
        )
        repository.keep_key(
            connection,
            {
                "scope": scope,
                "key": key,
                "request_hash": fingerprint,
                "ticket_no": ticket_no,
                "merged": same is not None,
                "created_at": now,
            },
        )
        return Filed(self._existing(connection, ticket_no), replayed=False, merged=same is not None)

    @staticmethod
    def _existing(connection: Connection, ticket_no: str) -> AnyRow:
        found = repository.find(connection, ticket_no)
        if found is None:
            raise LookupError(f"ticket {ticket_no} vanished")
        return found

    def _values(self, connection: Connection, body: TicketIn, *, by: Principal, now: datetime) -> dict[str, Any]:
        """The row, with placeholders put back and full card or identity numbers masked."""
        draft = body.model_dump()
        if body.conversation_id is not None:
            vault = self.values_of(connection, body.conversation_id)
            draft = dict(restore_all(draft, vault))  # type: ignore[call-overload]  # a dict stays a dict
            if not (draft["card_tail"] or "").isdigit():
                draft["card_tail"] = _card_tail(body.narrative_raw, vault)
        for name in ("narrative_raw", "summary", "customer_quote", "staff_described"):
            draft[name] = scrub(draft[name]) if draft[name] else draft[name]
        cause = draft["cause_l1"] or (draft["cause_l2"] or "").rstrip("abcde") or _UNKNOWN_CAUSE
        known = self.playbook.taxonomy.cause(cause)
        draft["cause_l1"] = known.code if known else _UNKNOWN_CAUSE
        draft["level_peak"] = max(draft["level"], draft["level_peak"])
        draft["phone"] = plain_phone(draft["phone"])
        draft.pop("created_at")  # the bridge's clock counts, not the caller's
        return {
            **draft,
            **self._flow(draft, now),
            "summary": draft["summary"] or draft["narrative_raw"][:_SUMMARY],
            "special_group": list(draft["special_group"]),
            "tags": list(draft["tags"]),
            "trigger_phrases": list(draft["trigger_phrases"]),
            "script_ids_used": list(draft["script_ids_used"]),
            "phone_index": self.phone_index(draft["phone"]),
            "std_code": known.standard_reason if known else None,
            "classified_by": by.id,
            "operator_id": by.id,
            "state": State.NEW,
            "created_at": now,
            "updated_at": now,
            "repeat_count": 0,
            "extended_days": 0,
            "reopened": 0,
        }

    def is_restricted(self, cause: str, detail: str | None, now: datetime) -> bool:
        """By the matter alone: a tip about staff stays closed when anger sends it to another unit."""
        by_cause = self.playbook.routing.route(cause=cause, detail=detail, level=0, day=now.date())
        return by_cause is not None and by_cause.restricted

    def _flow(self, draft: dict[str, Any], now: datetime) -> dict[str, Any]:
        level, sla, routing = draft["level_peak"], self.playbook.sla, self.playbook.routing
        route = routing.route(cause=draft["cause_l1"], detail=draft["cause_l2"], level=level, day=now.date())
        first, decision = (deadline(sla, kind, start=now, level=level) for kind in ("first_contact", "decision"))
        return {
            "route": route.handler if route else routing.fallback,
            "copied": list(route.copied) if route else [],
            "restricted": self.is_restricted(draft["cause_l1"], draft["cause_l2"], now),
            "due_at": decision.at,
            "clock_basis": decision.basis,
            "first_contact_due_at": first.at,
            "first_contact_basis": first.basis,
        }

    def _same_matter(self, connection: Connection, values: dict[str, Any]) -> AnyRow | None:
        if values["phone_index"] is None:
            return None
        repository.one_at_a_time(connection, values["phone_index"])
        return repository.find_same_matter(
            connection, phone_index=values["phone_index"], cause_l1=values["cause_l1"], branch=values["branch"]
        )

    def _create(self, connection: Connection, values: dict[str, Any], by: Principal, now: datetime) -> str:
        number = repository.next_number(connection, f"ticket:{now:%Y%m%d}")
        ticket_no = ticket_number(now.date(), number)
        repository.add(connection, {**values, "ticket_no": ticket_no})
        told = {"route": values["route"], "copied": values["copied"], "level": values["level_peak"]}
        record(connection, ticket_no=ticket_no, kind=EventType.CREATE, by=by, data=told, now=now, ticket=values)
        return ticket_no

    def _merge(self, connection: Connection, same: AnyRow, values: dict[str, Any], by: Principal, now: datetime) -> str:
        """The same matter again: into the open ticket, whose clock runs on unchanged (3号令)."""
        ticket_no: str = same.ticket_no
        peak = max(same.level_peak, values["level_peak"])
        changed: dict[str, Any] = {"repeat_count": same.repeat_count + 1, "updated_at": now, "level_peak": peak}
        for name in ("branch", "branch_name", "event_time", "amount", "name", "request", "conversation_id"):
            if getattr(same, name) is None and values[name] is not None:
                changed[name] = values[name]
        repository.change(connection, ticket_no, changed)
        told = {"narrative_raw": values["narrative_raw"], "level": values["level_peak"]}
        record(connection, ticket_no=ticket_no, kind=EventType.MERGE, by=by, data=told, now=now, ticket=same._asdict())
        return ticket_no


def record(
    connection: Connection,
    *,
    ticket_no: str,
    kind: EventType,
    by: Principal,
    data: dict[str, Any],
    now: datetime,
    ticket: dict[str, Any],
    audience: str = "staff",
) -> None:
    """An entry of the thread and its row in the outbox, together with whatever else the transaction changes."""
    actor = by.id if by.role is not Role.INTERNAL else "bot"
    repository.add_event(
        connection,
        {
            "ticket_no": ticket_no,
            "type": kind,
            "actor": actor,
            "audience": audience,
            "data": data,
            "created_at": now,
        },
    )
    restricted_to = ticket["route"] if ticket["restricted"] else None
    repository.add_outbox(
        connection,
        {
            "ticket_no": ticket_no,
            "type": f"ticket.{kind}",
            "state": ticket["state"],
            "restricted_to": restricted_to,
            "created_at": now,
        },
    )


def plain_phone(phone: str | None) -> str | None:
    if not phone:
        return None
    found = phones(phone)
    return found[0][2] if found else phone.strip() or None


def _card_tail(narrative: str, vault: dict[str, str]) -> str | None:
    """The last four digits of a card the customer mentioned; the bot only saw its placeholder."""
    for name, value in vault.items():
        if name.startswith("<CARD_") and name in narrative:
            return value[-4:]
    return None
