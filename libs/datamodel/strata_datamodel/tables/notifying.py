"""Where alerts are sent, and what became of each sending."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

webhooks = Table(
    "webhooks",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret_sealed", BYTEA, nullable=False),
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),
    Column("event_kinds", ARRAY(Text), nullable=False),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    c.organization_reference(),
)

notifications = Table(
    "notifications",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("outbox_id", Uuid, nullable=False),
    Column("alert_id", Uuid, nullable=True),
    Column("webhook_id", Uuid, nullable=False),
    Column("event_kind", Text, nullable=False),
    c.words("state", default="planned"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    c.stamped("due_at"),
    c.instant("deadline_at"),
    c.words("last_reason", nullable=True),
    c.words("last_detail", nullable=True),
    Column("http_status", SmallInteger, nullable=True),
    c.instant("sent_at"),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "outbox_id", "webhook_id"),
    c.tenant_reference("webhook_id", "webhooks", ondelete="CASCADE"),
    c.one_of("state", ("planned", "sending", "sent", "failed", "unknown")),
    Index("ix_notifications_organization_id_alert_id", "organization_id", "alert_id"),
    # The sender's scan over all organizations.
    Index("ix_notifications_due_at", "due_at", postgresql_where=text("state IN ('planned', 'sending', 'unknown')")),
    # The clean-up does the same.
    Index("ix_notifications_finished_at", "updated_at", postgresql_where=text("state IN ('sent', 'failed')")),
)
