"""What people prove themselves with, and what is kept while they do: a person's, never a tenant's."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

TICKET_PURPOSES = ("second_factor", "passkey_registration", "passkey_sign_in", "password_reset", "oidc")


def _person() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE")


totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("secret_sealed", BYTEA, nullable=False),
    c.instant("confirmed_at"),
    # A code at or before this step was used, or is older than one that was: it works no more.
    Column("last_used_step", BigInteger, nullable=True),
    c.stamped("created_at"),
    PrimaryKeyConstraint("user_id"),
    _person(),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("code_hash", BYTEA, nullable=False),
    c.instant("used_at"),
    c.stamped("created_at"),
    PrimaryKeyConstraint("user_id", "code_hash"),
    _person(),
)

passkeys = Table(
    "passkeys",
    metadata,
    c.uuid_id(),
    Column("user_id", Uuid, nullable=False),
    Column("credential_id", BYTEA, nullable=False),
    Column("public_key", BYTEA, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_backed_up", Boolean, nullable=False, server_default=text("false")),
    c.stamped("created_at"),
    c.instant("last_used_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("credential_id"),
    _person(),
    Index(None, "user_id"),
)

sign_in_tickets = Table(
    "sign_in_tickets",
    metadata,
    c.uuid_id(),
    Column("token_hash", BYTEA, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("user_id", Uuid, nullable=True),
    c.document("payload"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    c.stamped("created_at"),
    c.instant("expires_at", nullable=False),
    c.instant("used_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("token_hash"),
    _person(),
    c.one_of("purpose", TICKET_PURPOSES),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    # A hash: whose account or address is counted must not be readable from here.
    Column("key_hash", BYTEA, nullable=False),
    Column("attempts", Integer, nullable=False),
    c.instant("window_ends_at", nullable=False),
    PrimaryKeyConstraint("key_hash"),
    Index(None, "window_ends_at"),
)

security_events = Table(
    "security_events",
    metadata,
    c.uuid_id(),
    Column("user_id", Uuid, nullable=False),
    c.stamped("at"),
    Column("action", Text, nullable=False),
    c.document("detail"),
    c.words("request_id", nullable=True),
    c.words("remote_addr", nullable=True),
    c.words("user_agent", nullable=True),
    PrimaryKeyConstraint("id"),
    _person(),
    Index(None, "user_id", "id"),
)
