"""Tickets, their events and promises. Field names are those of domain.md 6.2."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    literal_column,
)

from api.core.crypto import EncryptedJson, EncryptedText
from api.core.models import BigId, Instant, metadata
from api.tickets.lifecycle import (
    CLOSED_STATES,
    DECIDED_STATES,
    EXPLAINED,
    HANDLED_STATES,
    RUNNING_STATES,
    WAITING_STATES,
    PromiseKind,
    State,
)


def is_one_of(states: Iterable[State]) -> ColumnElement[bool]:
    """The states as part of the statement: made ready once, and the planner sees which partial index they allow."""
    return tickets.c.state.in_([literal_column(f"'{state}'") for state in states])


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


tickets = Table(
    "tickets",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("ticket_no", String(32), nullable=False, unique=True),
    Column("state", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("conversation_id", String(64), index=True),
    Column("parent_ticket", String(32)),
    Column("repeat_count", Integer, nullable=False),
    # Source
    Column("intake_channel", String(16), nullable=False),
    Column("source", String(16)),
    Column("operator_id", String(80), nullable=False),
    # Person. `phone_index` finds a phone without reading it.
    Column("name", EncryptedText("tickets.name")),
    Column("phone", EncryptedText("tickets.phone")),
    Column("phone_index", String(64), info={"blind_index_of": "phone"}),
    Column("card_tail", EncryptedText("tickets.card_tail")),
    Column("customer_type", String(8)),
    Column("anonymous", Boolean, nullable=False),
    Column("is_agent", Boolean, nullable=False),
    Column("agent_kind", String(8)),
    Column("authorization", String(16)),
    Column("representative_count", Integer),
    Column("special_group", JSON, nullable=False, info={"personal": True}),
    Column("consent_at", Instant),
    # Matter
    Column("nature", String(8), nullable=False),
    Column("business_category", String(64)),
    Column("business_channel", String(64)),
    Column("branch", String(64)),
    Column("branch_name", String(64), info={"personal": True}),
    Column("event_time", String(64), info={"personal": True}),
    Column("event_time_text", EncryptedText("tickets.event_time_text")),
    Column("product", String(128), info={"personal": True}),
    Column("amount", String(32)),
    Column("staff_described", EncryptedText("tickets.staff_described")),
    Column("narrative_raw", EncryptedText("tickets.narrative_raw"), nullable=False),
    Column("summary", EncryptedText("tickets.summary"), nullable=False),
    # Cause
    Column("cause_l1", String(8), nullable=False),
    Column("cause_l2", String(8)),
    Column("cause_secondary", String(8)),
    Column("cause_confidence", Float),
    Column("cause_runner_up", String(8)),
    Column("std_code", String(64)),
    Column("classified_by", String(80), nullable=False),
    # Want
    Column("request", String(16)),
    Column("customer_quote", EncryptedText("tickets.customer_quote")),
    Column("callback_wanted", Boolean, nullable=False),
    # Emotion
    Column("level", Integer, nullable=False),
    Column("level_peak", Integer, nullable=False),
    Column("level_course", JSON, nullable=False),
    Column("tags", JSON, nullable=False, info={"personal": True}),
    Column("trigger_phrases", EncryptedJson("tickets.trigger_phrases"), nullable=False),
    Column("script_ids_used", JSON, nullable=False),
    Column("explanation_levels", JSON, nullable=False),
    Column("accepted_explanation", String(8), nullable=False),
    Column("hours_fault", Boolean, nullable=False),
    # How the draft came about
    Column("missing_fields", JSON, nullable=False),
    Column("sources", JSON, nullable=False),
    # Flow
    Column("route", String(64), nullable=False),
    Column("copied", JSON, nullable=False),
    Column("restricted", Boolean, nullable=False),
    Column("owner", String(80)),
    # 首问负责: the unit that took the complaint, who answers for it now, and who sent it to `route`.
    Column("intake_owner", String(80)),
    Column("responsible", String(80)),
    Column("sent_by", String(80)),
    Column("refused_count", Integer, nullable=False),
    # 回避: accounts and units that the complaint is about.
    Column("recused_persons", JSON, nullable=False),
    Column("recused_units", JSON, nullable=False),
    Column("incident_id", String(32)),
    Column("due_at", Instant, nullable=False),
    Column("first_contact_due_at", Instant, nullable=False),
    Column("clock_basis", String(255), nullable=False),
    Column("first_contact_basis", String(255), nullable=False),
    # Since when the decision clock runs; empty in tickets older than this column: since `created_at`.
    Column("clock_started_at", Instant),
    # What the clocks were counted by, and what they come to (timekeeping.py); the thread alone decides.
    Column("policy_version", Integer),
    Column("calendar_version", String(16), info={"untold": True}),
    Column("complexity", String(8), nullable=False, server_default="simple"),
    Column("service_due_at", Instant),
    Column("next_check_at", Instant, info={"untold": True}),
    Column("provisional", Boolean, nullable=False, server_default=false()),
    Column("extended_days", Integer, nullable=False),
    Column("extension_reason", EncryptedText("tickets.extension_reason")),
    Column("urged_count", Integer, nullable=False),
    Column("review_requested_at", Instant),
    # What a waiting ticket waits for; of the customer in the words the customer reads.
    Column("awaited", EncryptedText("tickets.awaited")),
    Column("first_contact_at", Instant),
    Column("accepted_at", Instant),
    Column("resolved_at", Instant),
    Column("closed_at", Instant),
    Column("withdrawn_at", Instant),
    Column("outcome", String(16)),
    Column("validity", String(8)),
    Column("root_cause", EncryptedText("tickets.root_cause")),
    Column("corrective_action", EncryptedText("tickets.corrective_action")),
    Column("reopened", Integer, nullable=False),
    Column("satisfaction", EncryptedJson("tickets.satisfaction")),
    # Retention: set when it ends, cleared when it is opened again. A hold keeps it from being anonymised; where use is
    # restricted (个人信息保护法第四十七条) the closed ticket shows to auditors and administrators alone.
    Column("retention_until", Instant, index=True),
    Column("anonymised_at", Instant),
    Column("legal_hold_at", Instant),
    Column("legal_hold_by", String(80)),
    Column("legal_hold_reason", EncryptedText("tickets.legal_hold_reason")),
    Column("processing_restricted_at", Instant),
    CheckConstraint("level between 0 and 4 and level_peak between level and 4", name="level"),
    CheckConstraint(f"state in ({_listed(State)})", name="state"),
    # The combinations that lifecycle.moments never makes.
    CheckConstraint("(state = 'withdrawn') = (withdrawn_at is not null)", name="withdrawn"),
    CheckConstraint(f"(state in ({_listed(CLOSED_STATES)})) = (closed_at is not null)", name="closed"),
    CheckConstraint(f"(state in ({_listed(WAITING_STATES)})) = (awaited is not null)", name="awaited"),
    CheckConstraint(
        f"not (state = 'new' and accepted_at is not null or state in ({_listed(HANDLED_STATES)}) and accepted_at is null)",
        name="accepted",
    ),
    CheckConstraint(
        f"not (state in ({_listed(RUNNING_STATES)}) and resolved_at is not null"
        f" or state in ({_listed(DECIDED_STATES)}) and (resolved_at is null or outcome is null))",
        name="resolved",
    ),
    CheckConstraint(
        f"not (state = 'closed_explained' and outcome not in ({_listed(EXPLAINED)})"
        f" or state = 'closed_resolved' and outcome in ({_listed(EXPLAINED)}))",
        name="outcome",
    ),
    CheckConstraint("state <> 'merged' or parent_ticket is not null", name="merged"),
)
_t = tickets.c


def _index_where(name: str, condition: ColumnElement[bool], *columns: ColumnElement[Any]) -> None:
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


Index("ix_tickets_repeat", tickets.c.phone_index, tickets.c.cause_l1)
Index("ix_tickets_created_at", tickets.c.created_at)
Index("ix_tickets_owner_state", tickets.c.owner, tickets.c.state)
Index("ix_tickets_state_due", tickets.c.state, tickets.c.due_at)
# Pages of the queue: each filter with the newest first, and beside them what is filtered at the same time, so that a row is
# only fetched when it is shown (`make bench-tickets`).
Index("ix_tickets_by_state", _t.state, _t.id, _t.route, _t.cause_l1, _t.level_peak)
Index("ix_tickets_by_route", _t.route, _t.id, _t.state, _t.cause_l1, _t.level_peak)
Index("ix_tickets_by_cause", _t.cause_l1, _t.id, _t.state, _t.route, _t.level_peak)
Index("ix_tickets_by_detail", _t.cause_l2, _t.id)
Index("ix_tickets_by_owner", _t.owner, _t.id, _t.state)
_index_where(
    "ix_tickets_hot", _t.level_peak >= literal_column("3"), _t.id, _t.level_peak, _t.route, _t.cause_l1, _t.state
)
_index_where("ix_tickets_running", is_one_of(RUNNING_STATES), _t.id, _t.due_at, _t.route, _t.cause_l1, _t.level_peak)
# Few have one; among all of them SQLite would take the index for worthless.
_index_where("ix_tickets_merged_into", _t.parent_ticket.is_not(None), _t.parent_ticket)
_index_where("ix_tickets_next_check", _t.next_check_at.is_not(None), _t.next_check_at, _t.id)

# For each unit and person the tickets that visible_to looks at for them; triggers of the database keep it (migration 0024), so
# that no process forgets. It decides nothing: it only spares a unit with few tickets a search through everybody's.
ticket_reach = Table(
    "ticket_reach",
    metadata,
    Column("who", String(80), primary_key=True),
    Column("ticket_id", BigId, primary_key=True),
    sqlite_with_rowid=False,
)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("ticket_no", ForeignKey("tickets.ticket_no"), nullable=False),
    # The entry's number in its ticket, from 1; only a process of the version before writes none.
    Column("seq", Integer),
    Column("type", String(16), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("audience", String(16), nullable=False),
    Column("data", EncryptedJson("ticket_events.data"), nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("audience in ('staff', 'customer')", name="audience"),
)
Index("uq_ticket_events_ticket_no_seq", ticket_events.c.ticket_no, ticket_events.c.seq, unique=True)

# What the bank owes by word, beside its clocks; one without `due_at` is the customer's to keep.
promises = Table(
    "promises",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("ticket_no", ForeignKey("tickets.ticket_no"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("text", EncryptedText("promises.text"), nullable=False),
    Column("due_at", Instant),
    Column("made_at", Instant, nullable=False),
    Column("met_at", Instant),
    CheckConstraint(f"kind in ({_listed(PromiseKind)})", name="kind"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("scope", String(80), nullable=False),
    Column("key", String(255), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("ticket_no", String(32), nullable=False),
    Column("merged", Boolean, nullable=False),
    # What the answer said beside the ticket itself, for whoever tries again.
    Column("told", JSON),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("scope", "key"),
)

# Only read, by `traces.adopt`; new readings are in the audit chain.
read_audit = Table(
    "read_audit",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("who", String(80), nullable=False),
    Column("ticket_no", String(32), nullable=False, index=True),
    Column("what", String(32), nullable=False),
    Column("created_at", Instant, nullable=False),
)
