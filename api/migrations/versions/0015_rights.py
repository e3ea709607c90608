"""Units, lock-out and temporary passwords of accounts; API keys with scopes; logins under way at an identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STAFF = ("units", "password_temporary", "failures", "failing_since", "locked_until", "oidc_subject")
_SESSIONS = ("address", "browser", "id_token")


def upgrade() -> None:
    op.add_column("staff", sa.Column("units", sa.JSON(), nullable=True))
    op.add_column("staff", sa.Column("password_temporary", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("staff", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("staff", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("staff", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("staff", sa.Column("oidc_subject", sa.String(length=255), nullable=True))
    # An index, not a constraint: for that SQLite would copy the table, which the sessions that refer to it forbid.
    op.create_index("uq_staff_oidc_subject", "staff", ["oidc_subject"], unique=True)
    op.add_column("staff_sessions", sa.Column("address", sa.String(length=64), nullable=True))
    op.add_column("staff_sessions", sa.Column("browser", sa.String(length=200), nullable=True))
    op.add_column("staff_sessions", sa.Column("id_token", sa.LargeBinary(), nullable=True))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("units", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_table(
        "oidc_logins",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oidc_logins")),
    )


def downgrade() -> None:
    op.drop_table("oidc_logins")
    op.drop_table("api_keys")
    for name in _SESSIONS:
        op.drop_column("staff_sessions", name)
    op.drop_index("uq_staff_oidc_subject", "staff")
    for name in _STAFF:
        op.drop_column("staff", name)
