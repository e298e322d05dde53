"""Dashboards, and every version of each."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

dashboards = Table(
    "dashboards",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("title", Text, nullable=False),
    c.words("folder", default=""),
    Column("tags", c.JSON_DOCUMENT, nullable=False, server_default=text("'[]'::jsonb")),
    c.document("labels"),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.organization_reference(),
    Index("ix_dashboards_organization_id_title_id", "organization_id", "title", "id"),
)

dashboard_versions = Table(
    "dashboard_versions",
    metadata,
    c.organization_id(),
    Column("dashboard_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    c.words("message", default=""),
    # By id: what a person is called is theirs to change, and goes with them.
    Column("saved_by_kind", Text, nullable=False),
    Column("saved_by_id", Uuid, nullable=True),
    c.stamped("saved_at"),
    # Text and not jsonb, which keeps neither the order of keys nor the spelling of numbers.
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("organization_id", "dashboard_id", "version"),
    ForeignKeyConstraint(
        ["organization_id", "dashboard_id"], ["dashboards.organization_id", "dashboards.id"], ondelete="CASCADE"
    ),
    c.one_of("saved_by_kind", ("user", "api_key", "system")),
    CheckConstraint("version > 0", name="version"),
)
