"""Who else vouches for people: an organization's identity provider, and whom it knows under which name."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
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

identity_providers = Table(
    "identity_providers",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("issuer", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("client_secret_sealed", BYTEA, nullable=False),
    Column("group_claim", Text, nullable=False),
    c.document("role_by_group"),
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id"),
    c.organization_reference(),
)

external_identities = Table(
    "external_identities",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    c.stamped("created_at"),
    c.instant("last_sign_in_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "issuer", "subject"),
    c.organization_reference(),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    Index(None, "organization_id", "user_id"),
)
