"""What was deleted for good: organizations that are no more, what is to be forgotten, and the receipts of both."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

# Never deleted: a spool of whatever age may still hold telemetry of the organization. A slug that is taken again stands
# for another id.
tombstones = Table(
    "tombstones",
    metadata,
    c.organization_id(),
    Column("slug", Text, nullable=False),
    c.stamped("stood_at"),
    # When all of it was gone. What turns up later is swept.
    c.instant("deleted_at"),
    Column("saga_id", Uuid, nullable=False),
    # Looks since then that found nothing in a row, and when to look again.
    Column("clean_looks", Integer, nullable=False, server_default=text("0")),
    c.stamped("look_due_at"),
    PrimaryKeyConstraint("organization_id"),
    # Every process asks for those that are new to it, each second.
    Index("ix_tombstones_stood_at", "stood_at"),
)

# Outlives the organization: no reference.
receipts = Table(
    "receipts",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    c.words("kind"),
    # The bytes that were signed, as they were signed.
    Column("content", BYTEA, nullable=False),
    c.words("public_key"),
    Column("signature", BYTEA, nullable=False),
    c.stamped("created_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.one_of("kind", ("organization_deletion", "erasure")),
)

erasures = Table(
    "erasures",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    c.words("kind"),
    # Null once it is done: what was to be forgotten must not be remembered here.
    c.document("selector", nullable=True),
    c.words("reason"),
    c.words("requested_by"),
    Column("saga_id", Uuid, nullable=False),
    Column("receipt_id", Uuid, nullable=True),
    c.stamped("created_at"),
    c.instant("done_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.organization_reference(),
    c.one_of("kind", ("person", "host", "label")),
)
