"""Every setting of the bridge, from the environment or `.env` (api.md, Settings)."""

import os
import re
import secrets
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.core.keyring import KeyRing, parse, read_file, ring_of
from api.core.security import STAFF_ROLES

ROOT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Works with nothing set: secrets are made at first use and kept in the data directory, mode 600."""

    model_config = SettingsConfigDict(env_file=".env", env_prefix="TINGSU_", extra="ignore", frozen=True)

    port: int = 8000
    data_dir: Path = Path("var")
    playbook: Path = Path("playbook")
    web_dist: Path = ROOT / "web" / "dist"
    database_url: str | None = Field(default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    redis_url: str | None = Field(default=None, validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    redis_prefix: str = "{tingsu}:"
    bot_url: str = "http://127.0.0.1:8001"
    actions_url: str = "http://127.0.0.1:8002"
    admin_password: SecretStr | None = None
    api_keys: Annotated[tuple[str, ...], NoDecode] = ()
    internal_secret: SecretStr | None = None
    # `number:key`, or a key alone, which is number 1; the old ones only read, until a rotation has replaced them.
    pii_key: SecretStr | None = None
    pii_keys_old: SecretStr | None = None
    clock: str | None = None
    clock_started: float | None = None
    widget_origins: Annotated[tuple[str, ...], NoDecode] = ()
    cookie_secure: bool = False
    # Reverse proxies in front of this server, addresses or networks: only their X-Forwarded-For and -Proto are believed.
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    # Single sign-on; the first three together. Roles: group=role by comma.
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_redirect_uri: str | None = None
    oidc_scopes: str = "openid profile email"
    oidc_username_claim: str = "preferred_username"
    oidc_role_claim: str = "groups"
    oidc_units_claim: str | None = None
    oidc_roles: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    oidc_provision: bool = False
    # Evidence: scanned by clamd at `host:port` or at a socket's path; kept in the data directory, or in a bucket.
    clamav: str | None = None
    evidence_s3_url: str | None = None
    evidence_s3_bucket: str | None = None
    evidence_s3_key: str | None = None
    evidence_s3_secret: SecretStr | None = None
    evidence_s3_region: str = "us-east-1"

    # p95 of a full turn is tens of milliseconds; ten seconds only pass when the bot hangs.
    bot_deadline: timedelta = timedelta(seconds=10)
    # How long a silent customer is left waiting before being told that the words are kept.
    notice_after: timedelta = timedelta(seconds=4)
    session_idle: timedelta = timedelta(minutes=30)
    session_longest: timedelta = timedelta(hours=12)
    conversations_per_minute: int = 1200
    # Per caller and process; a person cannot click as fast, another system may file hundreds a second.
    staff_calls_per_minute: int = 1200
    key_calls_per_minute: int = 60_000
    exports_per_minute: int = 30
    backlog_limit: int = 200
    # An upload that stops, or takes longer than 20 MB at 0.5 Mbit/s.
    upload_idle: timedelta = timedelta(seconds=20)
    upload_longest: timedelta = timedelta(minutes=6)
    uploads_per_minute: int = 60

    # The hand-off's Redis stream: everybody with that Redis reads it, and it is not encrypted there.
    handoff_stream_length: int = Field(default=100_000, ge=1)
    handoff_stream_personal: Literal["none", "masked", "full"] = "none"
    handoff_stream_sealed_units: Annotated[tuple[str, ...], NoDecode] = ()

    # Webhooks: hosts and networks inside the bank that may be sent to (webhooks/targets.py), and a CA file for their certificates.
    webhook_allow: Annotated[tuple[str, ...], NoDecode] = ()
    webhook_ca_file: Path | None = None
    webhook_timeout: float = Field(default=20.0, gt=0)
    # Seconds before each further try (Standard Webhooks' example), made up to a tenth longer by chance.
    webhook_retries: Annotated[tuple[float, ...], NoDecode, Field(min_length=1)] = (
        5,
        300,
        1800,
        7200,
        18000,
        36000,
        50400,
        72000,
        86400,
    )
    webhook_jitter: float = Field(default=0.1, ge=0)

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _mapped(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
        if any(not group or role not in STAFF_ROLES for group, _, role in pairs):
            raise ValueError(f"TINGSU_OIDC_ROLES 的每一项应为 组=角色，角色为 {'、'.join(sorted(STAFF_ROLES))}")
        return {group: role for group, _, role in pairs}

    @field_validator(
        "api_keys", "widget_origins", "trusted_proxies", "handoff_stream_sealed_units", "webhook_allow", "webhook_retries",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """uvicorn takes what it cannot read for a name that nobody has; and `*` would let every caller choose an address."""
        try:
            for one in value:
                ip_network(one)
        except ValueError:
            raise ValueError("TINGSU_TRUSTED_PROXIES 的每一项应为地址或网段，例如 127.0.0.1 或 10.0.0.0/24") from None
        return value

    @field_validator("clamav")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if not value or value.startswith(("/", "unix:")) or re.fullmatch(r"[^\s:/]+:\d{1,5}", value):
            return value or None
        raise ValueError("TINGSU_CLAMAV 应为 主机:端口（例如 127.0.0.1:3310）或 clamd 的套接字路径")

    @model_validator(mode="after")
    def _whole_bucket(self) -> Self:
        """Half a configuration would only show when a customer sends a photo."""
        parts = (self.evidence_s3_bucket, self.evidence_s3_key, self.evidence_s3_secret)
        if self.evidence_s3_url and not all(parts):
            raise ValueError("设置了 TINGSU_EVIDENCE_S3_URL，还需要 TINGSU_EVIDENCE_S3_BUCKET、_KEY 和 _SECRET")
        return self

    @property
    def sql_url(self) -> str:
        """The database's address in SQLAlchemy's spelling, SQLite in the data directory when none is set."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.resolve() / 'tingsu.sqlite3'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else self.database_url

    @property
    def exports_dir(self) -> Path:
        """Where spreadsheets are put together."""
        return self.data_dir / "exports"

    @property
    def key_file(self) -> Path:
        """Where a rotation keeps more than one key; before the first one the only key stands in `pii-key`."""
        return self.data_dir / "pii-keys.json"

    @property
    def has_key(self) -> bool:
        """Whether `key_ring` finds one; otherwise it makes one, which never fits data that is there already."""
        return self.pii_key is not None or self.key_file.exists() or (self.data_dir / "pii-key").exists()

    def key_ring(self) -> KeyRing:
        """Raises ValueError with a sentence for the operator."""
        old = self.pii_keys_old.get_secret_value() if self.pii_keys_old else ""
        others = [parse(part.strip()) for part in old.split(",") if part.strip()]
        if self.pii_key is not None:
            return ring_of(parse(self.pii_key.get_secret_value()), others)
        kept = read_file(self.key_file) or KeyRing({1: self._kept("pii-key").encode()}, 1)
        return ring_of((kept.current, kept.keys[kept.current]), [*kept.keys.items(), *others])

    def internal_bearer(self) -> str:
        return self.internal_secret.get_secret_value() if self.internal_secret else self._kept("internal-secret")

    def _kept(self, name: str) -> str:
        """A random secret that is made at first use; a second process finds the first one's."""
        path = self.data_dir / name
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret := secrets.token_urlsafe(32))
        return secret
