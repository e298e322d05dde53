"""People, who exist apart from any organization, and their sessions."""

from sqlalchemy import (
    Boolean,
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

users = Table(
    "users",
    metadata,
    c.uuid_id(),
    Column("email", Text, nullable=False),
    c.instant("email_verified_at"),
    c.words("name", default=""),
    c.words("avatar_url", nullable=True),
    c.words("plan", default="free"),
    c.instant("last_login_at"),
    Column("login_count", Integer, nullable=False, server_default=text("0")),
    Column("failed_login_count", Integer, nullable=False, server_default=text("0")),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("email"),
    CheckConstraint("email = lower(email)", name="email_folded"),
)

# Apart from the people, whom colleagues may see.
password_hashes = Table(
    "password_hashes",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("password_hash", Text, nullable=False),
    c.stamped("changed_at"),
    PrimaryKeyConstraint("user_id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)

sessions = Table(
    "sessions",
    metadata,
    c.uuid_id(),
    Column("user_id", Uuid, nullable=False),
    Column("token_hash", BYTEA, nullable=False),
    c.stamped("created_at"),
    c.stamped("last_seen_at"),
    c.instant("idle_expires_at", nullable=False),
    c.instant("expires_at", nullable=False),
    c.instant("revoked_at"),
    c.words("user_agent", nullable=True),
    c.words("remote_addr", nullable=True),
    c.stamped("authenticated_at"),
    Column("has_second_factor", Boolean, nullable=False, server_default=text("false")),
    # The organization whose identity provider vouched for the person: it can vouch for nothing beyond itself.
    Column("confined_to", Uuid, nullable=True),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("token_hash"),
    ForeignKeyConstraint(["confined_to"], ["organizations.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
