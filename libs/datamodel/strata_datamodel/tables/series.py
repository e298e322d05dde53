"""The catalogue of metric series: answers label look-ups and holds each organization's cardinality quota."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

metric_series = Table(
    "metric_series",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("fingerprint", BYTEA, nullable=False),
    Column("measurement", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("field_class", Text, nullable=False),
    c.document("tags"),
    c.stamped("first_seen_at"),
    c.stamped("last_seen_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "fingerprint"),
    c.one_of("field_class", ("number", "string", "boolean")),
    Index("ix_metric_series_organization_id_measurement_field", "organization_id", "measurement", "field"),
)

series_counts = Table(
    "series_counts",
    metadata,
    c.organization_id(),
    Column("total", BigInteger, nullable=False),
    c.instant("hour", nullable=False),
    Column("new_in_hour", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id"),
    c.organization_reference(),
)
"""Held by whoever adds to the catalogue, while they do."""
