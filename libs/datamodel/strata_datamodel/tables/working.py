"""Which workers live, which of them does what only one may do, and how far spools are. Of no organization."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text, Uuid, text

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

spool_reports = Table(
    "spool_reports",
    metadata,
    Column("spool_id", Uuid, nullable=False),
    Column("store", Text, nullable=False),
    Column("acknowledged", BigInteger, nullable=False),
    # The newest record that the store says it holds, where it keeps count: it never goes back by itself.
    Column("committed", BigInteger, nullable=True),
    # Accepted, and not in the store yet.
    Column("waiting", Integer, nullable=False),
    c.instant("waiting_since"),
    # By how much the store went back, in all, and when it did last.
    Column("lost", BigInteger, nullable=False, server_default=text("0")),
    c.instant("lost_at"),
    c.stamped("reported_at"),
    PrimaryKeyConstraint("spool_id"),
)
