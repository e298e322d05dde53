"""What was done to the schema, when, and the SQL that undoes it. Filled by the migration run itself."""

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

schema_ledger = Table(
    "schema_ledger",
    metadata,
    Column("version", Text, nullable=False),
    Column("description", Text, nullable=False),
    c.stamped("applied_at"),
    Column("applied_by", Text, nullable=False),
    Column("rollback_sql", Text, nullable=False),
    PrimaryKeyConstraint("version"),
)
