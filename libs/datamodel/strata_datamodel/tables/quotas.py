"""What an operator allows an organization instead of the defaults."""

from sqlalchemy import BigInteger, CheckConstraint, Column, PrimaryKeyConstraint, Table, Text

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

quotas = Table(
    "quotas",
    metadata,
    c.organization_id(),
    Column("name", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "name"),
    c.organization_reference(),
    CheckConstraint("value > 0", name="value"),
)
