"""Data keys, each wrapped by a key that is not in the database."""

from sqlalchemy import Column, Computed, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import BYTEA

from strata_datamodel.ids import PEOPLE
from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

data_keys = Table(
    "data_keys",
    metadata,
    c.organization_id(),
    Column("version", Integer, nullable=False),
    Column("wrapped", BYTEA, nullable=False),
    Column("wrapping_key_id", Text, nullable=False),
    c.stamped("created_at"),
    c.instant("retired_at"),
    # Keys go with their organization, but for those of people's own secrets, who stand in no organization.
    Column("owner_id", Uuid, Computed(f"NULLIF(organization_id, '{PEOPLE}'::uuid)", persisted=True)),
    PrimaryKeyConstraint("organization_id", "version"),
    ForeignKeyConstraint(["owner_id"], ["organizations.id"], ondelete="CASCADE"),
)
