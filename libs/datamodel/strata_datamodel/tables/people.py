"""How people come to an organization and change their address, and where those of older systems went."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
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

invitations = Table(
    "invitations",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", BYTEA, nullable=False),
    c.words("invited_by"),
    Column("sent_count", Integer, nullable=False, server_default=text("1")),
    c.stamped("sent_at"),
    c.instant("expires_at", nullable=False),
    c.instant("accepted_at"),
    Column("accepted_by", Uuid, nullable=True),
    c.instant("revoked_at"),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    # Looked up before its organization is known.
    UniqueConstraint("token_hash"),
    c.organization_reference(),
    CheckConstraint("email = lower(email)", name="email_folded"),
    Index(
        "uq_invitations_open",
        "organization_id",
        "email",
        unique=True,
        postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
    ),
)

email_changes = Table(
    "email_changes",
    metadata,
    c.uuid_id(),
    Column("user_id", Uuid, nullable=False),
    Column("email", Text, nullable=False),
    Column("token_hash", BYTEA, nullable=False),
    c.instant("expires_at", nullable=False),
    c.instant("used_at"),
    c.stamped("created_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("token_hash"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    CheckConstraint("email = lower(email)", name="email_folded"),
    Index(None, "user_id"),
)

legacy_users = Table(
    "legacy_users",
    metadata,
    c.organization_id(),
    Column("source", Text, nullable=False),
    Column("legacy_id", BigInteger, nullable=False),
    Column("user_id", Uuid, nullable=False),
    c.document("columns"),
    # Columns that look like secrets, sealed.
    Column("secrets_sealed", BYTEA, nullable=True),
    c.stamped("imported_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "source", "legacy_id"),
    UniqueConstraint("organization_id", "source", "user_id"),
    c.organization_reference(),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)
