"""Keys that programs present, and the accounts that programs act as."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

service_accounts = Table(
    "service_accounts",
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

api_keys = Table(
    "api_keys",
    metadata,
    c.organization_id(),
    c.uuid_id(),
    Column("key_id", Text, nullable=False),
    Column("secret_hash", BYTEA, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    c.words("environment", nullable=True),
    c.instant("expires_at"),
    c.instant("revoked_at"),
    c.instant("last_used_at"),
    Column("allowed_networks", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("created_by", Uuid, nullable=True),
    # Null for a key of the organization itself, whose scopes are all that bounds it.
    Column("service_account_id", Uuid, nullable=True),
    c.version(),
    c.stamped("created_at"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "id"),
    # The part of the token that is looked up before the organization is known, hence unique over all of them.
    UniqueConstraint("key_id"),
    c.organization_reference(),
    c.tenant_reference("service_account_id", "service_accounts", ondelete="CASCADE"),
    Index("ix_api_keys_organization_id_service_account_id", "organization_id", "service_account_id"),
)
