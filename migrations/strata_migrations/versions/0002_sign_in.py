"""What people prove themselves with: second factors, tickets, limits of attempts, and a place for people's secrets."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Not an organization: stands for people, who exist apart from any.
PEOPLE = "00000000-0000-7000-8000-000000000001"

TABLES = """
CREATE TABLE totp_secrets (
    user_id UUID NOT NULL,
    secret_sealed BYTEA NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    last_used_step BIGINT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_totp_secrets PRIMARY KEY (user_id),
    CONSTRAINT fk_totp_secrets_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE recovery_codes (
    user_id UUID NOT NULL,
    code_hash BYTEA NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (user_id, code_hash),
    CONSTRAINT fk_recovery_codes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE passkeys (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID NOT NULL,
    credential_id BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    sign_count BIGINT NOT NULL,
    name TEXT NOT NULL,
    is_backed_up BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_passkeys PRIMARY KEY (id),
    CONSTRAINT uq_passkeys_credential_id UNIQUE (credential_id),
    CONSTRAINT fk_passkeys_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_passkeys_user_id ON passkeys (user_id);
CREATE TABLE sign_in_tickets (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    token_hash BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    user_id UUID,
    payload JSONB DEFAULT '{}'::jsonb NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_sign_in_tickets PRIMARY KEY (id),
    CONSTRAINT uq_sign_in_tickets_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_sign_in_tickets_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_sign_in_tickets_purpose CHECK (purpose IN ('second_factor', 'passkey_registration', 'passkey_sign_in', 'password_reset', 'oidc'))
);
CREATE INDEX ix_sign_in_tickets_expires_at ON sign_in_tickets (expires_at);
CREATE INDEX ix_sign_in_tickets_user_id ON sign_in_tickets (user_id);
CREATE TABLE sign_in_attempts (
    key_hash BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    window_ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sign_in_attempts PRIMARY KEY (key_hash)
);
CREATE INDEX ix_sign_in_attempts_window_ends_at ON sign_in_attempts (window_ends_at);
CREATE TABLE security_events (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    action TEXT NOT NULL,
    detail JSONB DEFAULT '{}'::jsonb NOT NULL,
    request_id TEXT,
    remote_addr TEXT,
    user_agent TEXT,
    CONSTRAINT pk_security_events PRIMARY KEY (id),
    CONSTRAINT fk_security_events_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_security_events_user_id_id ON security_events (user_id, id);

ALTER TABLE sessions
    ADD authenticated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    ADD has_second_factor BOOLEAN DEFAULT false NOT NULL,
    ADD confined_to UUID,
    ADD CONSTRAINT fk_sessions_confined_to FOREIGN KEY(confined_to) REFERENCES organizations (id) ON DELETE CASCADE;
-- A session that began before is as old as it is: its person confirms who they are before changing factors.
UPDATE sessions SET authenticated_at = created_at;
"""

# Keys of people's own secrets stand under PEOPLE, which is no organization: the reference goes over to a column that is
# null for them, so that an organization's keys still go with it.
PEOPLES_KEYS = f"""
ALTER TABLE data_keys
    ADD owner_id UUID GENERATED ALWAYS AS (NULLIF(organization_id, '{PEOPLE}'::uuid)) STORED,
    DROP CONSTRAINT fk_data_keys_organization_id,
    ADD CONSTRAINT fk_data_keys_owner_id FOREIGN KEY(owner_id) REFERENCES organizations (id) ON DELETE CASCADE;
"""
BACK = f"""
DELETE FROM data_keys WHERE organization_id = '{PEOPLE}';
ALTER TABLE data_keys
    DROP COLUMN owner_id,
    ADD CONSTRAINT fk_data_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE;
ALTER TABLE sessions DROP COLUMN authenticated_at, DROP COLUMN has_second_factor, DROP COLUMN confined_to;
DROP TABLE totp_secrets, recovery_codes, passkeys, sign_in_tickets, sign_in_attempts, security_events;
"""

PERSONAL = ("totp_secrets", "recovery_codes", "passkeys", "sign_in_tickets", "security_events")
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""
OWN = """
CREATE POLICY own ON {table} TO strata_app, strata_worker
    USING (user_id = (SELECT app.user_id())) WITH CHECK (user_id = (SELECT app.user_id()));
"""
PRESENTED = """
CREATE POLICY presented ON passkeys FOR SELECT TO strata_app, strata_worker
    USING (encode(credential_id, 'hex') = (SELECT app.credential()));
-- Whoever holds a ticket may use it up; one made so is nobody's yet.
CREATE POLICY presented ON sign_in_tickets TO strata_app, strata_worker
    USING (encode(token_hash, 'hex') = (SELECT app.credential()))
    WITH CHECK (encode(token_hash, 'hex') = (SELECT app.credential()) AND user_id IS NULL);
-- An attempt is counted under several keys at once.
CREATE POLICY presented ON sign_in_attempts TO strata_app, strata_worker
    USING (encode(key_hash, 'hex') = ANY (string_to_array((SELECT app.credential()), ' ')))
    WITH CHECK (encode(key_hash, 'hex') = ANY (string_to_array((SELECT app.credential()), ' ')));
"""
GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_secrets, recovery_codes, passkeys TO strata_app;
GRANT SELECT, INSERT, UPDATE ON sign_in_tickets, sign_in_attempts TO strata_app;
GRANT SELECT, INSERT ON security_events TO strata_app, strata_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_secrets, recovery_codes, passkeys, sign_in_tickets, sign_in_attempts TO strata_worker;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(PEOPLES_KEYS)
    for table in (*PERSONAL, "sign_in_attempts"):
        op.execute(WALL.format(table=table))
    for table in PERSONAL:
        op.execute(OWN.format(table=table))
    op.execute(PRESENTED)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(BACK)
