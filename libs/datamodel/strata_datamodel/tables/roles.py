"""Roles that organizations make, and who holds which. Built-in roles are code: rows name them."""

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid, text

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

_BUILT_IN = ("admin", "devops", "developer", "read_only")

roles = Table(
    "roles",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("name", Text, nullable=False),
    c.words("description", default=""),
    Column("parent_id", Uuid, nullable=True),
    c.words("parent_built_in", nullable=True),
    Column("permissions", c.JSON_DOCUMENT, nullable=False, server_default=text("'[]'::jsonb")),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    c.organization_reference(),
    c.tenant_reference("parent_id", "roles", ondelete="NO ACTION"),
    c.one_of("parent_built_in", _BUILT_IN),
    CheckConstraint("parent_id IS NULL OR parent_built_in IS NULL", name="one_parent"),
    CheckConstraint("parent_id <> id", name="not_itself"),
    Index("ix_roles_organization_id_parent_id", "organization_id", "parent_id"),
)

role_assignments = Table(
    "role_assignments",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("user_id", Uuid, nullable=True),
    Column("team_id", Uuid, nullable=True),
    Column("service_account_id", Uuid, nullable=True),
    Column("role_id", Uuid, nullable=True),
    c.words("built_in", nullable=True),
    c.stamped("created_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint(
        "organization_id",
        "user_id",
        "team_id",
        "service_account_id",
        "role_id",
        "built_in",
        name="uq_role_assignments_once",
        postgresql_nulls_not_distinct=True,
    ),
    c.organization_reference(),
    c.member_reference(),
    c.tenant_reference("team_id", "teams", ondelete="CASCADE"),
    c.tenant_reference("service_account_id", "service_accounts", ondelete="CASCADE"),
    c.tenant_reference("role_id", "roles", ondelete="NO ACTION"),
    c.one_of("built_in", _BUILT_IN),
    CheckConstraint("num_nonnulls(user_id, team_id, service_account_id) = 1", name="one_subject"),
    CheckConstraint("num_nonnulls(role_id, built_in) = 1", name="one_role"),
    Index("ix_role_assignments_organization_id_role_id", "organization_id", "role_id"),
    Index("ix_role_assignments_organization_id_team_id", "organization_id", "team_id"),
    Index("ix_role_assignments_organization_id_service_account_id", "organization_id", "service_account_id"),
)
