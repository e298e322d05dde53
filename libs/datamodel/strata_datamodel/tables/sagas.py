"""What crosses the stores: sagas, and their steps in order."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    text,
)

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

sagas = Table(
    "sagas",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    c.words("kind"),
    Column("definition_version", Integer, nullable=False),
    c.document("input"),
    c.words("started_by"),
    # One living saga of a kind under one key: two deletions of the same thing cannot run side by side.
    c.words("lock_key", nullable=True),
    c.words("state", default="pending"),
    c.words("parked_from", nullable=True),
    c.words("reason_code", nullable=True),
    c.words("reason", nullable=True),
    Column("is_cancelled", Boolean, nullable=False, server_default=text("false")),
    Column("pivot", Integer, nullable=True),
    # What a person asked for, until the runner has acted on it.
    c.words("request", nullable=True),
    c.words("requested_by", nullable=True),
    # Raised with each claim: a runner that lost its lease no longer matches, and can write nothing.
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    c.words("lease_owner", nullable=True),
    c.instant("lease_until"),
    # Null once nothing is to be done: when it has ended, and while it is parked.
    c.instant("due_at"),
    # Claims in a row after which nothing was written: what kills its process is stopped by them.
    Column("claims", Integer, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    c.instant("stuck_since"),
    c.instant("deadline_at", nullable=False),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    c.instant("ended_at"),
    # No reference to the organization: the saga that deletes it outlives it.
    PrimaryKeyConstraint("organization_id", "id"),
    c.one_of("state", ("pending", "running", "compensating", "done", "compensated", "cancelled", "parked")),
    c.one_of("request", ("retry", "compensate", "cancel")),
    Index(
        "uq_sagas_organization_id_kind_lock_key",
        "organization_id",
        "kind",
        "lock_key",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_sagas_organization_id_due_at", "organization_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index(
        "ix_sagas_organization_id_lease_until",
        "organization_id",
        "lease_until",
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
    # The figures look over all organizations at once.
    Index("ix_sagas_living", "state", "kind", postgresql_where=text("ended_at IS NULL")),
    # The clean-up does the same.
    Index("ix_sagas_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

saga_steps = Table(
    "saga_steps",
    metadata,
    c.organization_id(),
    Column("saga_id", Uuid, nullable=False),
    Column("seq", Integer, nullable=False),
    c.words("name"),
    c.words("kind"),
    c.words("state", default="pending"),
    # As written, where jsonb would sort keys and rewrite numbers: a later attempt must produce the same bytes.
    Column("intent", JSON(none_as_null=True), nullable=True),
    Column("output", JSON(none_as_null=True), nullable=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("undo_attempts", Integer, nullable=False, server_default=text("0")),
    c.words("last_error", nullable=True),
    c.instant("started_at"),
    c.instant("done_at"),
    c.instant("undone_at"),
    PrimaryKeyConstraint("organization_id", "saga_id", "seq"),
    ForeignKeyConstraint(["organization_id", "saga_id"], ["sagas.organization_id", "sagas.id"], ondelete="CASCADE"),
    c.one_of("kind", ("local", "put", "once")),
    c.one_of("state", ("pending", "intended", "unknown", "done", "undone")),
)
