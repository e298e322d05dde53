"""Teams, and which members are in them."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

teams = Table(
    "teams",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("name", Text, nullable=False),
    c.words("description", default=""),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    c.organization_reference(),
)

team_members = Table(
    "team_members",
    metadata,
    c.organization_id(),
    Column("team_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    c.stamped("created_at"),
    PrimaryKeyConstraint("organization_id", "team_id", "user_id"),
    c.tenant_reference("team_id", "teams", ondelete="CASCADE"),
    c.member_reference(),
    Index("ix_team_members_organization_id_user_id", "organization_id", "user_id"),
)
