"""Promises in flight: what must happen after a write, which requests were answered, what a store refused."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

outbox = Table(
    "outbox",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    # Drawn when the row is written, so under the lock on its entity: ids are of the transaction's start, which two that
    # wait for one another may have had the other way round.
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("entity_kind", Text, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    c.document("payload"),
    c.words("state", default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    c.stamped("due_at"),
    c.words("claimed_by", nullable=True),
    c.instant("lease_until"),
    # Raised with each claim: a worker that lost its lease no longer matches, and can finish nothing.
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    # How often its holder never came back: what kills workers shows by this alone.
    Column("abandoned", Integer, nullable=False, server_default=text("0")),
    c.words("last_error", nullable=True),
    c.stamped("created_at"),
    c.instant("done_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.one_of("state", ("pending", "done", "parked")),
    # The relay looks over all organizations at once, by time and by a ring's id: these indexes do not start with one.
    Index("ix_outbox_due_at_id", "due_at", "id", postgresql_where=text("state = 'pending'")),
    Index("ix_outbox_pending_id", "id", postgresql_where=text("state = 'pending'")),
    # The clean-up does the same.
    Index("ix_outbox_done_at", "done_at", postgresql_where=text("state = 'done'")),
    # Each organization's line, in its order.
    Index(
        "ix_outbox_organization_id_pending",
        "organization_id",
        "due_at",
        "id",
        postgresql_where=text("state = 'pending'"),
    ),
    Index("ix_outbox_organization_id_parked", "organization_id", "id", postgresql_where=text("state = 'parked'")),
    Index("ix_outbox_organization_id_entity_id", "organization_id", "entity_id"),
    Index(
        "ix_outbox_organization_id_entity_pending",
        "organization_id",
        "entity_id",
        "entity_kind",
        "seq",
        postgresql_where=text("state = 'pending'"),
    ),
)

idempotency = Table(
    "idempotency",
    metadata,
    c.organization_id(),
    Column("principal", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", BYTEA, nullable=False),
    Column("status", SmallInteger, nullable=True),
    Column("response", BYTEA, nullable=True),
    c.document("headers"),
    c.stamped("created_at"),
    c.instant("expires_at", nullable=False),
    PrimaryKeyConstraint("organization_id", "principal", "route", "key"),
    # For the clean-up, which goes over all organizations.
    Index(None, "expires_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("signal", Text, nullable=False),
    Column("batch_id", Uuid, nullable=True),
    Column("store", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("content", BYTEA, nullable=False),
    Column("content_format", Text, nullable=False),
    c.words("state", default="open"),
    c.stamped("created_at"),
    c.instant("resolved_at"),
    c.instant("replay_until"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.one_of("state", ("open", "replaying", "replayed", "dropped")),
    Index("ix_dead_letters_organization_id_state_id", "organization_id", "state", "id"),
    Index("ix_dead_letters_organization_id_batch_id", "organization_id", "batch_id"),
    # Ingest looks over all organizations at once.
    Index("ix_dead_letters_replaying", "id", postgresql_where=text("state = 'replaying'")),
)
