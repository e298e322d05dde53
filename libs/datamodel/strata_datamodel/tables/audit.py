"""Who changed what, and who read what. Rows of the audit log are added and never touched again: grants and triggers
see to it. The sealer puts each on its organization's hash chain shortly after its commit.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

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

# A trigger puts each new row of audit_log here, in its transaction; the sealer takes it away.
audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    c.organization_id(),
    c.instant("at", nullable=False),
    Column("audit_id", Uuid, nullable=False),
    c.stamped("queued_at"),
    PrimaryKeyConstraint("organization_id", "at", "audit_id"),
)

audit_seals = Table(
    "audit_seals",
    metadata,
    c.organization_id(),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("audit_id", Uuid, nullable=False),
    Column("hash", BYTEA, nullable=False),
    c.stamped("sealed_at"),
    PrimaryKeyConstraint("organization_id", "seq"),
    UniqueConstraint("organization_id", "audit_id"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    c.organization_id(),
    Column("seq", BigInteger, nullable=False),
    Column("hash", BYTEA, nullable=False),
    c.stamped("sealed_at"),
    Column("anchored_seq", BigInteger, nullable=False, server_default=text("0")),
    c.instant("anchored_at"),
    PrimaryKeyConstraint("organization_id"),
)

# Reads of personal data and of the audit log, and queries. Addresses are sealed, and found again by their blind index.
user_access_logs = Table(
    "user_access_logs",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    c.stamped("at"),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Uuid, nullable=True),
    Column("actor_label", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    c.words("request_id", nullable=True),
    Column("address_sealed", BYTEA, nullable=True),
    Column("address_index", BYTEA, nullable=True),
    Column("times", Integer, nullable=False, server_default=text("1")),
    c.instant("last_at", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    Index("ix_user_access_logs_organization_id_at_id", "organization_id", "at", "id"),
    Index("ix_user_access_logs_organization_id_actor_id_at", "organization_id", "actor_id", "at"),
    Index("ix_user_access_logs_organization_id_address_index_at", "organization_id", "address_index", "at"),
)
