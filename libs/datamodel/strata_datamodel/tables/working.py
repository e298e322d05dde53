"""Which workers live, and which of them does what only one may do. Of no organization."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text, text

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

leases = Table(
    "leases",
    metadata,
    Column("name", Text, nullable=False),
    Column("holder", Text, nullable=False),
    # Raised whenever another holder takes it: who was overtaken no longer matches, and can write nothing under it.
    Column("epoch", BigInteger, nullable=False, server_default=text("1")),
    c.instant("lease_until", nullable=False),
    PrimaryKeyConstraint("name"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, nullable=False),
    c.stamped("started_at"),
    c.stamped("seen_at"),
    # Loop → what it says of itself. One row a worker, since it is written every few seconds.
    c.document("loops"),
    PrimaryKeyConstraint("name"),
)
