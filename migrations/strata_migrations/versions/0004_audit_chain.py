"""The audit log's hash chain, the log of reads, and narrower grants on alert configuration and audit."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE audit_heads (
    organization_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    anchored_seq BIGINT DEFAULT 0 NOT NULL,
    anchored_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_audit_heads PRIMARY KEY (organization_id)
);
CREATE TABLE audit_seals (
    organization_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    audit_id UUID NOT NULL,
    hash BYTEA NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_audit_seals PRIMARY KEY (organization_id, seq),
    CONSTRAINT uq_audit_seals_organization_id_audit_id UNIQUE (organization_id, audit_id)
);
CREATE TABLE audit_unsealed (
    organization_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    audit_id UUID NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_audit_unsealed PRIMARY KEY (organization_id, at, audit_id)
);
CREATE TABLE user_access_logs (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    actor_label TEXT NOT NULL,
    operation TEXT NOT NULL,
    purpose TEXT NOT NULL,
    request_id TEXT,
    address_sealed BYTEA,
    address_index BYTEA,
    CONSTRAINT pk_user_access_logs PRIMARY KEY (organization_id, id)
);
CREATE INDEX ix_user_access_logs_organization_id_actor_id_at ON user_access_logs (organization_id, actor_id, at);
CREATE INDEX ix_user_access_logs_organization_id_address_index_at ON user_access_logs (organization_id, address_index, at);
CREATE INDEX ix_user_access_logs_organization_id_at_id ON user_access_logs (organization_id, at, id);
"""

WALLED = ("audit_heads", "audit_seals", "audit_unsealed", "user_access_logs")
WALL = """
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""

# What was written before has to be sealed too. Row security binds the owner as well: it is off in this transaction,
# which nobody else can look into. Before the walls go up on the queue, for the same reason.
QUEUE = """
ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_unsealed (organization_id, at, audit_id) SELECT organization_id, at, id FROM audit_log;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
"""

TRIGGERS = """
CREATE FUNCTION app.queue_for_sealing() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN
        INSERT INTO public.audit_unsealed (organization_id, at, audit_id) VALUES (NEW.organization_id, NEW.at, NEW.id);
        RETURN NULL;
    END $$;
CREATE TRIGGER audit_log_is_sealed AFTER INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION app.queue_for_sealing();
CREATE TRIGGER audit_seals_rows_stay BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER audit_seals_stay BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
"""

# The auditor reads all but addresses, which are personal data that no audit question needs.
AUDIT_COLUMNS = "organization_id, id, at, actor_kind, actor_id, actor_label, action, target_kind, target_id, before, after, request_id"
READ_COLUMNS = "organization_id, id, at, actor_kind, actor_id, actor_label, operation, purpose, request_id"
# Of a notification, the last answer's text may hold what the receiver sent; a webhook's URL is often its credential.
NOTIFICATION_COLUMNS = (
    "organization_id, id, outbox_id, alert_id, webhook_id, event_kind, state, attempts, due_at, deadline_at,"
    " last_reason, http_status, sent_at, created_at, updated_at"
)
GRANTS = f"""
GRANT INSERT ON audit_unsealed TO strata_app;
GRANT SELECT, INSERT ON user_access_logs TO strata_app;
GRANT SELECT, INSERT ON audit_seals TO strata_worker;
GRANT SELECT, INSERT, UPDATE ON audit_heads TO strata_worker;
GRANT SELECT, INSERT, DELETE ON audit_unsealed TO strata_worker;
GRANT SELECT, INSERT, DELETE, UPDATE (address_sealed) ON user_access_logs TO strata_worker;
GRANT SELECT ON audit_seals, audit_heads, audit_unsealed TO strata_auditor;
GRANT SELECT ({READ_COLUMNS}) ON user_access_logs TO strata_auditor;
REVOKE SELECT ON audit_log FROM strata_auditor;
GRANT SELECT ({AUDIT_COLUMNS}) ON audit_log TO strata_auditor;

REVOKE DELETE ON alerts, notifications FROM strata_worker;
REVOKE SELECT (url) ON webhooks FROM strata_readonly;
REVOKE SELECT ON notifications FROM strata_readonly;
GRANT SELECT ({NOTIFICATION_COLUMNS}) ON notifications TO strata_readonly;
"""

UNDO = f"""
REVOKE SELECT ({NOTIFICATION_COLUMNS}) ON notifications FROM strata_readonly;
GRANT SELECT ON notifications TO strata_readonly;
GRANT SELECT (url) ON webhooks TO strata_readonly;
GRANT DELETE ON alerts, notifications TO strata_worker;
REVOKE SELECT ({AUDIT_COLUMNS}) ON audit_log FROM strata_auditor;
GRANT SELECT ON audit_log TO strata_auditor;
DROP TRIGGER audit_log_is_sealed ON audit_log;
DROP TABLE user_access_logs, audit_unsealed, audit_seals, audit_heads;
DROP FUNCTION app.queue_for_sealing();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(QUEUE)
    for table in WALLED:
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(UNDO)
