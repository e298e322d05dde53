"""Mails on their way. A row written with a change is the promise that its mail is sent."""

from sqlalchemy import (
    CheckConstraint,
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

mails = Table(
    "mails",
    metadata,
    c.uuid_id(),
    # Of an organization, or of a person: somebody who forgot a password may belong to no organization, or to many.
    Column("organization_id", Uuid, nullable=True),
    Column("user_id", Uuid, nullable=True),
    c.words("kind"),
    c.words("recipient"),
    c.document("parameters"),
    c.words("state", default="planned"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    c.stamped("due_at"),
    c.instant("deadline_at"),
    c.instant("expires_at"),
    c.words("last_reason", nullable=True),
    c.words("last_detail", nullable=True),
    c.instant("sent_at"),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("id"),
    c.organization_reference(),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    c.one_of("state", ("planned", "sending", "sent", "failed", "unknown")),
    CheckConstraint("organization_id IS NOT NULL OR user_id IS NOT NULL", name="has_sender"),
    # For the worker, which goes over all organizations.
    Index("ix_mails_due_at", "due_at", postgresql_where=text("state IN ('planned', 'sending', 'unknown')")),
    Index("ix_mails_created_at", "created_at"),
    Index(None, "organization_id"),
    Index(None, "user_id"),
)
