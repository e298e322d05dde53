"""What is watched: hosts, services on them, and what depends on what."""

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid

from strata_datamodel.inventory import DependencyKind, EntityStatus, Source
from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

hosts = Table(
    "hosts",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("name", Text, nullable=False),
    c.words("status", default="unknown"),
    c.words("environment", nullable=True),
    c.words("datacenter", nullable=True),
    c.words("region", nullable=True),
    c.words("agent_version", nullable=True),
    c.document("agent_config"),
    c.document("metadata"),
    c.document("tags"),
    c.words("source", default="manual"),
    c.instant("first_seen_at"),
    c.instant("last_seen_at"),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    c.organization_reference(),
    c.one_of("status", EntityStatus),
    c.one_of("source", Source),
    Index("ix_hosts_organization_id_status", "organization_id", "status"),
    Index("ix_hosts_organization_id_environment", "organization_id", "environment"),
    Index("ix_hosts_tags", "tags", postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"}),
)

services = Table(
    "services",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("host_id", Uuid, nullable=True),
    Column("name", Text, nullable=False),
    c.words("status", default="unknown"),
    c.words("environment", nullable=True),
    c.document("health_check", nullable=True),
    c.document("metadata"),
    c.document("tags"),
    c.words("source", default="manual"),
    c.instant("first_seen_at"),
    c.instant("last_seen_at"),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "host_id", "name", postgresql_nulls_not_distinct=True),
    c.organization_reference(),
    c.tenant_reference("host_id", "hosts", ondelete="CASCADE"),
    c.one_of("status", EntityStatus),
    c.one_of("source", Source),
    Index("ix_services_organization_id_name_id", "organization_id", "name", "id"),
)

service_dependencies = Table(
    "service_dependencies",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("service_id", Uuid, nullable=False),
    Column("depends_on_id", Uuid, nullable=False),
    c.words("kind", default="hard"),
    c.stamped("created_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "service_id", "depends_on_id"),
    c.tenant_reference("service_id", "services", ondelete="CASCADE"),
    c.tenant_reference("depends_on_id", "services", ondelete="CASCADE"),
    c.one_of("kind", DependencyKind),
    CheckConstraint("service_id <> depends_on_id", name="not_itself"),
    Index("ix_service_dependencies_organization_id_depends_on_id", "organization_id", "depends_on_id"),
)
