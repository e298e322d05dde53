"""Organizations, who belongs to them, and their settings."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

organizations = Table(
    "organizations",
    metadata,
    c.uuid_id(),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    c.words("plan", default="free"),
    c.words("billing_reference", nullable=True),
    c.document("settings"),
    c.words("status", default="active"),
    c.words("cell", default="default"),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("slug"),
    c.one_of("status", ("provisioning", "active", "suspended", "deleting")),
)

memberships = Table(
    "memberships",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("user_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "user_id"),
    c.organization_reference(),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    c.one_of("role", ("owner", "admin", "devops", "developer", "read_only", "custom")),
    Index(None, "user_id"),
)

settings = Table(
    "settings",
    metadata,
    c.organization_id(),
    Column("key", Text, nullable=False),
    Column("value", c.JSON_DOCUMENT, nullable=False),
    c.version(),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "key"),
    c.organization_reference(),
)
