"""Which build of a search index an organization is searched in, and how far stores are from what they should hold."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

search_generations = Table(
    "search_generations",
    metadata,
    c.organization_id(),
    Column("kind", Text, nullable=False),
    # Searched, and written to.
    Column("active", Integer, nullable=False, server_default=text("1")),
    # The greatest that was ever given out: none is filled twice.
    Column("newest", Integer, nullable=False, server_default=text("1")),
    # Written to beside it, while it is filled.
    Column("building", Integer, nullable=True),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "kind"),
    c.organization_reference(),
    CheckConstraint("building <> active", name="building"),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    c.organization_id(),
    Column("store", Text, nullable=False),
    Column("kind", Text, nullable=False),
    c.stamped("due_at"),
    c.words("claimed_by", nullable=True),
    c.instant("lease_until"),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    # What the newest pass found. All the rest is null until there was one.
    c.instant("passed_at"),
    Column("expected", BigInteger, nullable=True),
    Column("held", BigInteger, nullable=True),
    Column("missing", Integer, nullable=True),
    Column("stale", Integer, nullable=True),
    Column("ghosts", Integer, nullable=True),
    Column("ahead", Integer, nullable=True),
    c.instant("oldest_at"),
    Column("repairs", BigInteger, nullable=False, server_default=text("0")),
    c.words("last_error", nullable=True),
    # When all rows were last read, and the sum of their checksums if the store had the same; null while it has not.
    c.instant("full_at"),
    Column("checksum", BigInteger, nullable=True),
    PrimaryKeyConstraint("organization_id", "store", "kind"),
    c.organization_reference(),
    # The worker looks for due ones of all organizations at once.
    Index("ix_reconciliations_due_at", "due_at"),
)

divergences = Table(
    "divergences",
    metadata,
    c.organization_id(),
    Column("store", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    Column("problem", Text, nullable=False),
    Column("held_version", BigInteger, nullable=True),
    c.stamped("first_seen_at"),
    c.stamped("last_seen_at"),
    c.instant("repair_asked_at"),
    # Transactions below it had begun when it was first seen.
    Column("first_seen_xid", BigInteger, nullable=True),
    PrimaryKeyConstraint("organization_id", "store", "kind", "entity_id"),
    c.organization_reference(),
    c.one_of("problem", ("missing", "stale", "ghost", "ahead")),
)
