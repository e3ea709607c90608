"""The tables that belong to no trade: numbers that only grow, jobs, staff, their sessions, the audit chain."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.types import TypeDecorator

from api.core.clock import BEIJING
from api.core.crypto import EncryptedBytes, EncryptedText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A row whose columns the statement knows better than its type.
AnyRow = Row[*tuple[Any, ...]]

# SQLite only numbers rows by itself for its own INTEGER type.
BigId = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """A moment: stored in UTC (SQLite knows no zones), read in Beijing time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(BEIJING)


counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
)

# Which job ran when, and who runs it now (real time: the business clock may be shifted).
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(32)),
    Column("lease_until", Float(53), nullable=False),
    Column("done_at", Float(53), nullable=False),
)

# Which master keys have been in use. `proof` is a blob that only its own key opens; `retired_at`: nothing is left of it.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("proof", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),
)

# Keys that must outlive a change of the master key: random, and encrypted like every other value.
kept_secrets = Table(
    "kept_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", EncryptedBytes("kept_secrets.value"), nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("display_name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("unit", String(64)),
    Column("password_hash", String(255), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    # Every unit the account belongs to; empty: only `unit`, which is the first of them.
    Column("units", JSON),
    # Given by an administrator, to be changed at the first login.
    Column("password_temporary", Boolean, nullable=False, server_default=false()),
    # Wrong passwords since `failing_since`, and until when browsers that never logged in here are refused.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failing_since", Instant),
    Column("locked_until", Instant),
    # Who this is at the identity provider; empty: logs in with a password.
    Column("oidc_subject", String(255)),
)
Index("uq_staff_oidc_subject", staff.c.oidc_subject, unique=True)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    # What its owner tells it by.
    Column("address", String(64)),
    Column("browser", String(200)),
    # What the identity provider needs to end its own session.
    Column("id_token", EncryptedText("staff_sessions.id_token")),
)

# Keys of other systems. `prefix` is shown, of the key itself only the hash is kept.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("key_hash", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("units", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("expires_at", Instant),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
)

# Logins that went to the identity provider and are not back yet; taken out when they come.
oidc_logins = Table(
    "oidc_logins",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Triggers refuse UPDATE and DELETE here, and any removal of the head (migration of the same name).
audit = Table(
    "audit",
    metadata,
    Column("seq", BigId, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("reason", Text),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
for _name in ("who", "action", "subject", "at"):
    Index(f"ix_audit_{_name}_seq", audit.c[_name], audit.c.seq)

# One row.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigId, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)
