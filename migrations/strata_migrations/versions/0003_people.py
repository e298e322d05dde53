"""Invitations, changes of address, mails on their way, and where the users of older systems went."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE invitations (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    invited_by TEXT NOT NULL,
    sent_count INTEGER DEFAULT 1 NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE,
    accepted_by UUID,
    revoked_at TIMESTAMP WITH TIME ZONE,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_invitations_organization_id FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_invitations_email_folded CHECK (email = lower(email))
);
CREATE UNIQUE INDEX uq_invitations_open ON invitations (organization_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE TABLE email_changes (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID NOT NULL,
    email TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_email_changes PRIMARY KEY (id),
    CONSTRAINT uq_email_changes_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_email_changes_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_email_changes_email_folded CHECK (email = lower(email))
);
CREATE INDEX ix_email_changes_user_id ON email_changes (user_id);
CREATE TABLE legacy_users (
    organization_id UUID NOT NULL,
    source TEXT NOT NULL,
    legacy_id BIGINT NOT NULL,
    user_id UUID NOT NULL,
    columns JSONB DEFAULT '{}'::jsonb NOT NULL,
    secrets_sealed BYTEA,
    imported_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_legacy_users PRIMARY KEY (organization_id, source, legacy_id),
    CONSTRAINT uq_legacy_users_organization_id_source_user_id UNIQUE (organization_id, source, user_id),
    CONSTRAINT fk_legacy_users_organization_id FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_legacy_users_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE mails (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    organization_id UUID,
    user_id UUID,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    parameters JSONB DEFAULT '{}'::jsonb NOT NULL,
    state TEXT DEFAULT 'planned' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    deadline_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_reason TEXT,
    last_detail TEXT,
    sent_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_mails PRIMARY KEY (id),
    CONSTRAINT fk_mails_organization_id FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_mails_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_mails_state CHECK (state IN ('planned', 'sending', 'sent', 'failed', 'unknown')),
    CONSTRAINT ck_mails_has_sender CHECK (organization_id IS NOT NULL OR user_id IS NOT NULL)
);
CREATE INDEX ix_mails_created_at ON mails (created_at);
CREATE INDEX ix_mails_due_at ON mails (due_at) WHERE state IN ('planned', 'sending', 'unknown');
CREATE INDEX ix_mails_organization_id ON mails (organization_id);
CREATE INDEX ix_mails_user_id ON mails (user_id);
"""

TENANT_TABLES = ("invitations", "legacy_users", "mails")
TENANT_POLICY = """
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
"""
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""
OTHER_POLICIES = """
CREATE POLICY presented ON invitations FOR SELECT TO strata_app, strata_worker
    USING (encode(token_hash, 'hex') = (SELECT app.credential()));

CREATE POLICY own ON email_changes TO strata_app, strata_worker
    USING (user_id = (SELECT app.user_id())) WITH CHECK (user_id = (SELECT app.user_id()));

-- Queueing is all the app may do with mails: what they say is between a worker and their receiver.
CREATE POLICY personal ON mails FOR INSERT TO strata_app, strata_worker
    WITH CHECK (organization_id IS NULL AND user_id = (SELECT app.user_id()));
"""
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON invitations, email_changes TO strata_app;
GRANT INSERT ON mails TO strata_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations, email_changes, legacy_users, mails TO strata_worker;
GRANT SELECT (organization_id, id, email, role, invited_by, sent_count, sent_at, expires_at, accepted_at, accepted_by, revoked_at, created_at)
    ON invitations TO strata_readonly;
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in TENANT_TABLES:
        op.execute(TENANT_POLICY.format(table=table))
    for table in (*TENANT_TABLES, "email_changes"):
        op.execute(WALL.format(table=table))
    op.execute(OTHER_POLICIES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE invitations, email_changes, legacy_users, mails")
