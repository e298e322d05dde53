"""Hashes of passwords where only their person reaches them, and rights that nobody needs taken back."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Row security binds the owner as well: it is off for the move, in this transaction, which nobody else can look into.
UP = """
CREATE TABLE password_hashes (
    user_id UUID NOT NULL,
    password_hash TEXT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_password_hashes PRIMARY KEY (user_id),
    CONSTRAINT fk_password_hashes_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
INSERT INTO password_hashes (user_id, password_hash, changed_at)
    SELECT id, password_hash, updated_at FROM users WHERE password_hash IS NOT NULL;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
ALTER TABLE users DROP COLUMN password_hash;

ALTER TABLE password_hashes ENABLE ROW LEVEL SECURITY;
ALTER TABLE password_hashes FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON password_hashes TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
-- Unlike people themselves, never for colleagues.
CREATE POLICY own ON password_hashes TO strata_app, strata_worker
    USING (user_id = (SELECT app.user_id())) WITH CHECK (user_id = (SELECT app.user_id()));
CREATE POLICY presented ON password_hashes FOR SELECT TO strata_app, strata_worker
    USING (EXISTS (SELECT FROM users u WHERE u.id = password_hashes.user_id AND u.email = (SELECT app.credential())));
GRANT SELECT, INSERT, UPDATE ON password_hashes TO strata_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON password_hashes TO strata_worker;

-- What people are on, and how organizations stand, is for operators, who act as the worker.
REVOKE INSERT, UPDATE ON organizations, users FROM strata_app;
GRANT UPDATE (name, billing_reference, settings, version, updated_at) ON organizations TO strata_app;
GRANT INSERT (id, email, email_verified_at, name, avatar_url, created_at, updated_at) ON users TO strata_app;
GRANT UPDATE (email, email_verified_at, name, avatar_url, last_login_at, login_count, failed_login_count, version, updated_at)
    ON users TO strata_app;

-- What is watched and who is told is the organization's own: a worker keeps times and results, and seals secrets anew.
REVOKE INSERT, UPDATE, DELETE ON alert_rules, webhooks FROM strata_worker;
GRANT UPDATE (next_due_at, last_evaluated_at, last_result, last_error) ON alert_rules TO strata_worker;
GRANT UPDATE (secret_sealed) ON webhooks TO strata_worker;
"""
DOWN = """
REVOKE UPDATE (secret_sealed) ON webhooks FROM strata_worker;
REVOKE UPDATE (next_due_at, last_evaluated_at, last_result, last_error) ON alert_rules FROM strata_worker;
GRANT INSERT, UPDATE, DELETE ON alert_rules, webhooks TO strata_worker;
REVOKE UPDATE (email, email_verified_at, name, avatar_url, last_login_at, login_count, failed_login_count, version, updated_at)
    ON users FROM strata_app;
REVOKE INSERT (id, email, email_verified_at, name, avatar_url, created_at, updated_at) ON users FROM strata_app;
REVOKE UPDATE (name, billing_reference, settings, version, updated_at) ON organizations FROM strata_app;
GRANT INSERT, UPDATE ON organizations, users TO strata_app;

ALTER TABLE users ADD COLUMN password_hash TEXT;
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE password_hashes NO FORCE ROW LEVEL SECURITY;
UPDATE users SET password_hash = p.password_hash FROM password_hashes p WHERE p.user_id = users.id;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
DROP TABLE password_hashes;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
