"""An organization's identity provider, and whom it knows under which name."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE identity_providers (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret_sealed BYTEA NOT NULL,
    group_claim TEXT NOT NULL,
    role_by_group JSONB DEFAULT '{}'::jsonb NOT NULL,
    is_enabled BOOLEAN DEFAULT true NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_identity_providers PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_identity_providers_organization_id UNIQUE (organization_id),
    CONSTRAINT fk_identity_providers_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE external_identities (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_sign_in_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_external_identities PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_external_identities_organization_id_issuer_subject UNIQUE (organization_id, issuer, subject),
    CONSTRAINT fk_external_identities_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_external_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_external_identities_organization_id_user_id ON external_identities (organization_id, user_id);
"""
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""
GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON identity_providers TO strata_app, strata_worker;
GRANT SELECT, INSERT, UPDATE ON external_identities TO strata_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON external_identities TO strata_worker;
-- Somebody who is about to sign in knows the organization's slug, and nothing else is known yet.
CREATE POLICY named ON organizations FOR SELECT TO strata_app, strata_worker USING (slug = (SELECT app.credential()));
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in ("identity_providers", "external_identities"):
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP POLICY named ON organizations")
    op.execute("DROP TABLE identity_providers, external_identities")
