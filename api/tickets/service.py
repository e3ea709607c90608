"""Filing a ticket exactly once: key, routing, clocks, repeat detection and outbox in one transaction."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from api.core.bus import Event
from api.core.context import Context
from api.core.models import AnyRow
from api.core.redaction import card_tail, plain_phone, restore_all, scrub
from api.core.security import BOT, SYSTEM, Principal, Role
from api.core.sse import sse
from api.tickets import joining, repository, traces
from api.tickets.columns import Columns
from api.tickets.errors import ConversationUnknownError, IdempotencyConflictError
from api.tickets.history import NewEntry
from api.tickets.joining import Found
from api.tickets.lifecycle import RUNNING_STATES, EventType, State, after, moments
from api.tickets.links import repository as links
from api.tickets.numbers import ticket_number
from api.tickets.paging import page_filed, page_guess, page_risen
from api.tickets.placing import guess_would_seal, placed
from api.tickets.privacy import consent
from api.tickets.promises import promised_at_filing
from api.tickets.recusal import aside_of, stand_aside
from api.tickets.rising import peak_when_stopped, risen
from api.tickets.schemas import TicketIn
from api.tickets.thread import adopt_evidence, begin, record
from api.tickets.timekeeping import Timekeeper
from contract.playbook import Playbook

_UNKNOWN_CAUSE = "C99"
# What a repeat tells of itself beside its words, so that it can be taken out again.
_FILED = (
    "cause_l1", "cause_l2", "cause_secondary", "branch", "branch_name", "product", "amount", "event_time", "event_time_text", "request",
    "staff_described", "nature", "intake_channel", "conversation_id",
)  # fmt: skip
_SUMMARY = 120  # characters; one line on the desk

# Gives the values behind a conversation's placeholders; set by the app, because this room does not know that one.
ValuesOf = Callable[[Connection, str], dict[str, str]]
# Whether somebody may read a conversation.
MayRead = Callable[[Connection, Principal, str], bool]
# Says something in a conversation; the event for whoever watches, None when it is closed or gone.
Say = Callable[[Connection, str, str, datetime], Event | None]


@dataclass(frozen=True, slots=True)
class Filed:
    """`replayed`: the key had been used for the same body before. `merged`: it joined an open ticket. `told`: what was new."""

    ticket: AnyRow
    replayed: bool
    merged: bool
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tickets:
    """The ticket desk of one app."""

    ctx: Context
    playbook: Playbook
    time: Timekeeper
    columns: Columns
    values_of: ValuesOf
    may_read: MayRead
    ask_rating: Say
    say: Say

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
        """None for words instead of a number ("没有"): people without a phone are not one person."""
        return self.ctx.cipher.blind_index(phone) if phone and any(map(str.isdigit, phone)) else None

    def announce(self, ticket: AnyRow, *said: Event) -> None:
        """Tells the desk, and the customer's own window, that the ticket changed; and what was said there."""
        self.ctx.bus.publish("desk", Event())
        if ticket.conversation_id:
            event = Event(sse("ticket", {"ticket_no": ticket.ticket_no, "state": ticket.state}))
            topic = f"conversation:{ticket.conversation_id}"
            self.ctx.bus.publish(topic, *said, event)

    def _file(self, connection: Connection, body: TicketIn, *, key: str, by: Principal) -> Filed:
        # Without defaults: a field that a later version adds does not make a repeated call another one.
        fingerprint = hashlib.sha256(body.model_dump_json(exclude_defaults=True).encode()).hexdigest()
        scope = by.id
        if (known := repository.find_key(connection, scope, key)) is not None:
            if known.request_hash != fingerprint:
                raise IdempotencyConflictError(details={"ticket_no": known.ticket_no})
            ticket = self.existing(connection, known.ticket_no)
            return Filed(ticket, replayed=True, merged=known.merged, told=joining.answer(known.told))
        self._check_conversation(connection, body.conversation_id, by)
        now = self.ctx.clock.now()
        values = self._values(connection, body, by=by, now=now)
        found = self._same_matter(connection, values, by)
        same = links.joinable(connection, found.same, by, sealed=values["restricted"]) if found.same else None
        if same is None:
            ticket = self._create(connection, values, body.recused.units, by, now)
            told = joining.answer(None)
            for other_no, reasons in found.related:
                links.link(connection, ticket.ticket_no, other_no, kind="similar", reasons=reasons, now=now)
        else:
            told = joining.answer(self._merge(connection, same, values, body.recused.units, by, now))
            ticket = self.existing(connection, same.ticket_no)
        if body.conversation_id is not None:
            links.keep_talk(connection, ticket.ticket_no, body.conversation_id)
            adopt_evidence(connection, body.conversation_id, ticket.ticket_no, by, now)
            ticket = self.existing(connection, ticket.ticket_no)
        self._ask_to_check(connection, ticket, values, now)
        used = {"scope": scope, "key": key, "request_hash": fingerprint, "ticket_no": ticket.ticket_no}
        repository.keep_key(connection, {**used, "merged": same is not None, "told": told, "created_at": now})
        return Filed(ticket, replayed=False, merged=same is not None, told=told)

    def _check_conversation(self, connection: Connection, conversation_id: str | None, by: Principal) -> None:
        """A ticket takes a conversation's evidence, and shows what is said there to those who see it."""
        if conversation_id is None or by.role is Role.INTERNAL:
            return
        if not self.may_read(connection, by, conversation_id):
            raise ConversationUnknownError

    @staticmethod
    def existing(connection: Connection, ticket_no: str) -> AnyRow:
        found = repository.find(connection, ticket_no)
        if found is None:
            raise LookupError(f"ticket {ticket_no} vanished")
        return found

    def _values(
        self, connection: Connection, body: TicketIn, *, by: Principal, now: datetime, classified_by: str | None = None
    ) -> dict[str, Any]:
        """The row, with placeholders put back and full card or identity numbers masked."""
        draft = body.model_dump()
        if body.conversation_id is not None and by.role is Role.INTERNAL:  # nobody else is ever given a placeholder
            vault = self.values_of(connection, body.conversation_id)
            draft = dict(restore_all(draft, vault))  # type: ignore[call-overload]  # a dict stays a dict
            if not (draft["card_tail"] or "").isdigit():
                draft["card_tail"] = card_tail(body.narrative_raw, vault)
        for name in ("narrative_raw", "summary", "customer_quote", "staff_described"):
            draft[name] = scrub(draft[name]) if draft[name] else draft[name]
        cause = draft["cause_l1"] or (draft["cause_l2"] or "").rstrip("abcde") or _UNKNOWN_CAUSE
        known = self.playbook.taxonomy.cause(cause)
        draft["cause_l1"] = known.code if known else _UNKNOWN_CAUSE
        draft["level_peak"] = max(draft["level"], draft["level_peak"])
        draft["phone"] = plain_phone(draft["phone"])
        draft["classified_by"] = classified_by or by.id
        draft["consent_at"] = consent.given_at(connection, body.conversation_id) or draft["consent_at"]
        draft.pop("created_at")  # the bridge's clock counts, not the caller's
        named = draft.pop("recused")
        row = {
            **draft,
            **placed(connection, self.playbook, draft, named, by, now),
            "summary": draft["summary"] or draft["narrative_raw"][:_SUMMARY],
            "special_group": list(draft["special_group"]),
            "tags": list(draft["tags"]),
            "trigger_phrases": list(draft["trigger_phrases"]),
            "script_ids_used": list(draft["script_ids_used"]),
            "level_course": list(draft["level_course"]),
            "missing_fields": list(draft["missing_fields"]),
            "phone_index": self.phone_index(draft["phone"]),
            "std_code": known.standard_reason if known else None,
            "operator_id": by.id,
            "state": State.NEW,
            "created_at": now,
            "updated_at": now,
            "repeat_count": 0,
            "urged_count": 0,
            "reopened": 0,
            "version": 1,  # its first entry
            "policy_version": self.time.version,
            "complexity": "simple",
        }
        told = {"level": row["level_peak"], "policy": self.time.version}
        return {**row, **self.time.filed(connection, row, NewEntry(EventType.CREATE, told, now))}

    def join(
        self,
        connection: Connection,
        ticket: AnyRow,
        values: dict[str, Any],
        now: datetime,
        *,
        more: tuple[str, ...] = (),
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What changes in the ticket, and what the thread tells of it; `more` is new beside joining.FACTS.

        New facts start the decision clock again inside its term (3号令): what was missed before they came stays missed. An
        answer that did not know them decides nothing about them: an answered ticket is accepted again, as after a review,
        so that whoever has the file owes that decision, too, and nobody closes it over the customer's head.
        """
        changes = joining.filled(ticket, values)
        changes["missing_fields"] = joining.still_missing(ticket.missing_fields, changes)
        new = [*joining.new_facts(ticket, values), *more]
        if not new:
            return changes, {}
        told: dict[str, Any] = {"new_facts": new, "facts": joining.told_of(new, values)}
        answered = ticket.state == State.PROPOSED
        if answered or (ticket.state in RUNNING_STATES and now <= ticket.due_at):
            told |= self.restart(connection, ticket, EventType.COMMENT, now)
            changes["extension_reason"] = None
        if answered:
            state = after(State.PROPOSED, EventType.COMMENT, told)
            changes |= {**moments(ticket, state, now), "state": state}
            changes["first_contact_at"] = ticket.first_contact_at or ticket.resolved_at
        return changes, told

    def restart(self, connection: Connection, ticket: AnyRow, kind: EventType, now: datetime) -> dict[str, Any]:
        """What the entry tells by which the decision is owed from now on, under the policy of today."""
        told = {"clock_restarted": True, "policy": self.time.version}
        kept = self.time.columns(connection, ticket._asdict(), NewEntry(kind, told, now), now=now)
        return {**told, "due_at": {"from": ticket.due_at, "to": kept["due_at"]}}

    def _same_matter(self, connection: Connection, values: dict[str, Any], by: Principal) -> Found:
        """Whoever gave no phone and has no conversation cannot be recognised again. What `by` may not join is only linked:
        those who may see both find it, and whoever is complained of neither hears of the ticket nor writes into it.
        """
        phones = self.ctx.cipher.blind_indexes(values["phone"]) if values["phone"] else ()
        talk: str | None = values["conversation_id"]
        if not phones and not talk:
            return Found(None, [])
        links.one_at_a_time(connection, phones, talk)
        natures = joining.joinable(values["nature"])
        rows = links.candidates(connection, phones, talk, natures=natures, sealed=values["restricted"])
        apart = links.closed_to(connection, [row.ticket_no for row in rows], by)
        return joining.found(rows, values, phones, apart)

    def file_apart(
        self, connection: Connection, draft: TicketIn, entry: AnyRow, *, by: Principal, now: datetime
    ) -> str:
        """A repeat that had joined a ticket, as one of its own: received when its entry was made, with the dates of that day."""
        guessed_by = (
            BOT if entry.actor == traces.ACTOR_BOT else None
        )  # whoever takes it out has not looked at the causes
        values = self._values(connection, draft, by=by, now=entry.created_at, classified_by=guessed_by)
        talk = (entry.data.get("filed") or {}).get("conversation_id")
        ticket = self._create(connection, {**values, "conversation_id": talk}, draft.recused.units, by, now)
        self._ask_to_check(connection, ticket, values, now)
        return str(ticket.ticket_no)

    def _create(
        self, connection: Connection, values: dict[str, Any], named: Iterable[str], by: Principal, now: datetime
    ) -> AnyRow:
        number = repository.next_number(connection, f"ticket:{now:%Y%m%d}")
        ticket_no = ticket_number(now.date(), number)
        told = {
            "route": values["route"],
            "copied": values["copied"],
            "level": values["level_peak"],
            "policy": self.time.version,
            "named": list(named),
        }
        ticket = repository.add(connection, {**values, "ticket_no": ticket_no})
        if values["conversation_id"] is None and values["consent_at"] is not None:
            channel, notices = values["intake_channel"], self.playbook.consent
            consent.give(connection, notices, channel=channel, now=values["consent_at"], ticket_no=ticket_no)
        begin(connection, ticket, by=by, data=told, now=now)
        repository.promise(connection, ticket_no, promised_at_filing(values), now)
        page_filed(connection, ticket, now)
        return ticket

    def _ask_to_check(self, connection: Connection, ticket: AnyRow, values: dict[str, Any], now: datetime) -> None:
        if not ticket.restricted and guess_would_seal(self.playbook, values, values["level_peak"], now):
            page_guess(connection, self.playbook.routing, ticket, values["cause_secondary"], now)

    def _merge(
        self,
        connection: Connection,
        same: AnyRow,
        values: dict[str, Any],
        named: Iterable[str],
        by: Principal,
        now: datetime,
    ) -> dict[str, Any]:
        """The same matter again, into the open ticket; what its thread tells. Nothing new: the clock runs on unchanged."""
        ticket_no: str = same.ticket_no
        peak = max(same.level_peak, values["level_peak"])
        changes, new = self.join(connection, same, values, now)
        counted = {"repeat_count": same.repeat_count + 1, "level_peak": peak, "updated_at": now}
        wanted = {"callback_wanted": same.callback_wanted or values["callback_wanted"]}
        filed = {name: values[name] for name in _FILED if values[name] is not None}
        told = {"narrative_raw": values["narrative_raw"], "level": values["level_peak"], "filed": filed, **new}
        told["named"] = list(named) or None
        repository.promise(connection, ticket_no, promised_at_filing(values), now)
        self.enter(connection, same, EventType.MERGE, {**changes, **counted, **wanted}, told, by=by, now=now)
        if new:
            self.resume_for_customer(connection, self.existing(connection, ticket_no), by, now)
        self.stand_aside(
            connection,
            self.existing(connection, ticket_no),
            persons=values["recused_persons"],
            units=values["recused_units"],
            by=by,
            now=now,
        )
        return told

    def stand_aside(
        self,
        connection: Connection,
        ticket: AnyRow,
        *,
        persons: list[str],
        units: list[str],
        by: Principal,
        now: datetime,
    ) -> None:
        """What joins a ticket may name whom it is about for the first time."""
        if set(persons) <= set(ticket.recused_persons) and set(units) <= set(ticket.recused_units):
            return
        changes, told = stand_aside(self.playbook, connection, ticket, persons=persons, units=units, now=now)
        self._follow(connection, ticket, EventType.RECUSE, changes, told, by=by, now=now)

    def _rise(self, connection: Connection, ticket: AnyRow, before: int, now: datetime) -> None:
        """The system hands on; whoever told of the higher level may not even be allowed to."""
        found = risen(self.playbook, ticket, before, now, aside_of(connection, ticket).units)
        if found is None:
            return
        self._follow(connection, ticket, EventType.ASSIGN, found.changes, found.told, by=SYSTEM, now=now)
        page_risen(connection, ticket, found, now)

    def _follow(
        self,
        connection: Connection,
        ticket: AnyRow,
        kind: EventType,
        changes: dict[str, Any],
        told: dict[str, Any],
        *,
        by: Principal,
        now: datetime,
    ) -> None:
        """What follows from an event without anybody asking for it, as an entry of its own."""
        state = after(State(ticket.state), kind, told)
        changes = {**moments(ticket, state, now), **changes, "state": state, "updated_at": now}
        self.enter(connection, ticket, kind, changes, told, by=by, now=now)

    def resume_for_customer(self, connection: Connection, ticket: AnyRow, by: Principal, now: datetime) -> None:
        """What was awaited of the customer has come: the work goes on, and nobody has to remember to say so."""
        if ticket.state != State.WAITING_CUSTOMER:
            return
        self._follow(connection, ticket, EventType.RESUME, {}, {"reason": "客户已回复"}, by=by, now=now)

    def enter(
        self,
        connection: Connection,
        ticket: AnyRow,
        kind: EventType,
        changes: dict[str, Any],
        told: dict[str, Any],
        *,
        by: Principal,
        now: datetime,
        audience: str = "staff",
    ) -> None:
        """An entry of a ticket's thread with what it changes in the row, the dates that follow from it included; where the
        level rises, or rose while nothing was owed, whom the ticket goes to then is the next entry (`rising`): `ticket` is an
        old sight of it afterwards.
        """
        row = {**ticket._asdict(), **changes}
        kept = self.time.columns(connection, row, NewEntry(kind, told, now), now=now)
        repository.change(connection, ticket.ticket_no, {**changes, **kept})
        changed = record(
            connection, ticket_no=ticket.ticket_no, kind=kind, by=by, data=told, now=now, audience=audience
        )
        before = ticket.level_peak
        if ticket.state not in RUNNING_STATES and changed.state in RUNNING_STATES:
            before = peak_when_stopped(repository.events_of(connection, ticket.ticket_no))
        if changed.level_peak > before:
            self._rise(connection, changed, before, now)
