"""Who changed what. Rows are added and never touched again: grants and a trigger see to it."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, Uuid

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

audit_log = Table(
    "audit_log",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    c.stamped("at"),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Uuid, nullable=True),
    Column("actor_label", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    c.document("before", nullable=True),
    c.document("after", nullable=True),
    c.words("request_id", nullable=True),
    c.words("remote_addr", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    c.one_of("actor_kind", ("user", "api_key", "system")),
    Index("ix_audit_log_organization_id_at_id", "organization_id", "at", "id"),
    Index("ix_audit_log_organization_id_actor_id_at", "organization_id", "actor_id", "at"),
    Index("ix_audit_log_organization_id_target", "organization_id", "target_kind", "target_id", "at"),
)
