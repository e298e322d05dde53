"""Alert rules, where each of their series stands, and the alerts that came of it."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

_SEVERITIES = ("info", "warning", "error", "critical")

alert_rules = Table(
    "alert_rules",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("name", Text, nullable=False),
    c.words("description", default=""),
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),
    Column("severity", Text, nullable=False),
    Column("condition", c.JSON_DOCUMENT, nullable=False),
    c.document("labels"),
    Column("for_s", Integer, nullable=False, server_default=text("0")),
    Column("interval_s", Integer, nullable=False, server_default=text("60")),
    c.stamped("next_due_at"),
    c.instant("last_evaluated_at"),
    c.words("last_result", nullable=True),
    c.words("last_error", nullable=True),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    c.organization_reference(),
    c.one_of("severity", _SEVERITIES),
    c.one_of("last_result", ("ok", "firing", "no_data", "error")),
    CheckConstraint("for_s >= 0", name="for_s"),
    CheckConstraint("interval_s > 0", name="interval_s"),
    # The evaluator looks for due rules of all organizations at once.
    Index("ix_alert_rules_next_due_at", "next_due_at", postgresql_where=text("is_enabled")),
    # And then for the first few of each.
    Index(
        "ix_alert_rules_organization_id_next_due_at",
        "organization_id",
        "next_due_at",
        postgresql_where=text("is_enabled"),
    ),
)

alert_states = Table(
    "alert_states",
    metadata,
    c.organization_id(),
    Column("rule_id", Uuid, nullable=False),
    Column("fingerprint", Text, nullable=False),
    c.document("labels"),
    Column("state", Text, nullable=False),
    c.instant("pending_since"),
    c.instant("firing_since"),
    Column("alert_id", Uuid, nullable=True),
    c.instant("last_evaluated_at"),
    Column("last_value", Double, nullable=True),
    PrimaryKeyConstraint("organization_id", "rule_id", "fingerprint"),
    c.tenant_reference("rule_id", "alert_rules", ondelete="CASCADE"),
    c.one_of("state", ("ok", "pending", "firing", "no_data", "error")),
)

alerts = Table(
    "alerts",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    # Of BUCKETS. Stored: row security keeps an index of the expression from being used.
    Column("bucket", Integer, Computed("get_byte(uuid_send(id), 15)", persisted=True), nullable=False),
    Column("rule_id", Uuid, nullable=True),
    Column("fingerprint", Text, nullable=False),
    c.document("labels"),
    Column("severity", Text, nullable=False),
    c.words("status", default="firing"),
    c.words("summary", default=""),
    c.words("description", default=""),
    Column("value", Double, nullable=True),
    Column("threshold", Double, nullable=True),
    c.stamped("started_at"),
    c.instant("acknowledged_at"),
    c.words("acknowledged_by", nullable=True),
    c.instant("resolved_at"),
    c.words("resolved_by", nullable=True),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    c.organization_reference(),
    # Only the column, or PostgreSQL would null the organization with it.
    c.tenant_reference("rule_id", "alert_rules", ondelete="SET NULL (rule_id)"),
    c.one_of("severity", _SEVERITIES),
    c.one_of("status", ("firing", "acknowledged", "resolved")),
    Index(
        "uq_alerts_open_episode",
        "organization_id",
        "rule_id",
        "fingerprint",
        unique=True,
        postgresql_where=text("status <> 'resolved'"),
    ),
    Index("ix_alerts_organization_id_status_started_at_id", "organization_id", "status", "started_at", "id"),
    Index("ix_alerts_organization_id_started_at_id", "organization_id", "started_at", "id"),
    # For the reconciler, which reads the ids of those buckets that differ.
    Index("ix_alerts_organization_id_bucket_id", "organization_id", "bucket", "id"),
    # For searches, which look at what changed in the last seconds.
    Index("ix_alerts_organization_id_updated_at", "organization_id", "updated_at"),
)
