"""Data keys, each wrapped by a key that is not in the database."""

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import BYTEA

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
    PrimaryKeyConstraint("organization_id", "version"),
    c.organization_reference(),
)
