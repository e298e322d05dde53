"""Organizations, people, inventory, promises in flight, audit log, alerting, series, and the walls between tenants."""

from alembic import op

from strata_migrations import LOCATION

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO strata_app, strata_worker, strata_auditor, strata_readonly;

-- A setting that was once SET LOCAL reads back as '' in later transactions, hence NULLIF: no organization, no rows.
CREATE FUNCTION app.organization_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid $$;
CREATE FUNCTION app.user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(current_setting('app.user_id', true), '')::uuid $$;
CREATE FUNCTION app.credential() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(current_setting('app.credential', true), '') $$;
CREATE FUNCTION app.is_system() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT COALESCE(current_setting('app.system', true), '') = 'on' $$;

-- The transaction's instant. Tests move it; nothing else sets the offset.
CREATE FUNCTION app.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT transaction_timestamp() + COALESCE(NULLIF(current_setting('app.clock_offset', true), '')::interval, interval '0') $$;

-- RFC 9562: 48 bits of Unix milliseconds, version 7, the rest random. uuidv7() is there from PostgreSQL 18 only.
CREATE FUNCTION app.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT encode(
        set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
            PLACING substring(int8send(floor(extract(epoch FROM app.now()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid $$;

CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '% only takes new rows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$;
"""

TENANT_TABLES = (
    "memberships",
    "settings",
    "api_keys",
    "hosts",
    "services",
    "service_dependencies",
    "outbox",
    "idempotency",
    "dead_letters",
    "audit_log",
    "alert_rules",
    "alert_states",
    "alerts",
    "webhooks",
    "notifications",
    "data_keys",
    "metric_series",
)
OTHER_WALLED_TABLES = ("organizations", "users", "sessions")

# Settings are read in a sub-select, so that they are evaluated once a statement and not once a row.
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

# Policies look into memberships only, whose own policies look nowhere: so they cannot recurse. A role that a policy is
# for needs to read memberships itself; the auditor does not, and has none of these.
OTHER_POLICIES = """
CREATE POLICY own ON memberships FOR SELECT TO strata_app, strata_worker USING (user_id = (SELECT app.user_id()));

CREATE POLICY presented ON api_keys FOR SELECT TO strata_app, strata_worker USING (key_id = (SELECT app.credential()));

CREATE POLICY bound ON organizations
    USING (id = (SELECT app.organization_id())) WITH CHECK (id = (SELECT app.organization_id()));
CREATE POLICY of_member ON organizations FOR SELECT TO strata_app, strata_worker
    USING (EXISTS (SELECT FROM memberships m WHERE m.organization_id = organizations.id AND m.user_id = (SELECT app.user_id())));

CREATE POLICY own ON users TO strata_app, strata_worker
    USING (id = (SELECT app.user_id())) WITH CHECK (id = (SELECT app.user_id()));
CREATE POLICY presented ON users FOR SELECT TO strata_app, strata_worker USING (email = (SELECT app.credential()));
CREATE POLICY colleague ON users FOR SELECT TO strata_app, strata_worker, strata_readonly
    USING (EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.organization_id = (SELECT app.organization_id())));
CREATE POLICY invited ON users FOR INSERT TO strata_app, strata_worker
    WITH CHECK ((SELECT app.organization_id()) IS NOT NULL);

CREATE POLICY own ON sessions TO strata_app, strata_worker
    USING (user_id = (SELECT app.user_id())) WITH CHECK (user_id = (SELECT app.user_id()));
CREATE POLICY presented ON sessions FOR SELECT TO strata_app, strata_worker
    USING (encode(token_hash, 'hex') = (SELECT app.credential()));
"""

APP_GRANTS = {
    "SELECT, INSERT, UPDATE, DELETE": (
        "memberships, settings, api_keys, hosts, services, service_dependencies, idempotency, alert_rules, webhooks"
    ),
    "SELECT, INSERT, UPDATE": "organizations, users, sessions, dead_letters, alerts, metric_series",
    "SELECT, UPDATE, DELETE": "alert_states",
    "SELECT, INSERT": "outbox, audit_log, data_keys",
    "SELECT": "notifications, schema_ledger",
}
WORKER_GRANTS = {
    "SELECT, INSERT, UPDATE, DELETE": ", ".join(
        table for table in (*TENANT_TABLES, *OTHER_WALLED_TABLES) if table != "audit_log"
    ),
    "SELECT, INSERT": "audit_log",
    "SELECT": "schema_ledger",
}
AUDITOR_GRANTS = {"SELECT": "audit_log, schema_ledger", "SELECT (id, slug, name)": "organizations"}
# What a person with a query tool may read: no secrets, no credentials, no stored answers.
READONLY_GRANTS = {
    "SELECT": (
        "organizations, memberships, settings, hosts, services, service_dependencies, alert_rules, alert_states, alerts,"
        " notifications, metric_series, schema_ledger"
    ),
    "SELECT (id, email, name, avatar_url, plan, last_login_at, login_count, created_at, updated_at)": "users",
    "SELECT (organization_id, id, key_id, name, scopes, environment, expires_at, revoked_at, last_used_at, created_by, created_at)": "api_keys",
    "SELECT (organization_id, id, name, url, is_enabled, event_kinds, version, created_at, updated_at)": "webhooks",
    "SELECT (organization_id, id, kind, entity_kind, entity_id, state, attempts, due_at, created_at, done_at)": "outbox",
    "SELECT (organization_id, id, signal, store, reason, item_count, state, created_at, resolved_at)": "dead_letters",
}
GRANTS = {
    "strata_app": APP_GRANTS,
    "strata_worker": WORKER_GRANTS,
    "strata_auditor": AUDITOR_GRANTS,
    "strata_readonly": READONLY_GRANTS,
}

AUDIT_TRIGGERS = """
CREATE TRIGGER audit_log_rows_stay BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER audit_log_stays BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute((LOCATION / "sql" / "0001_tables.sql").read_text("utf-8"))
    for table in TENANT_TABLES:
        op.execute(TENANT_POLICY.format(table=table) + WALL.format(table=table))
    for table in OTHER_WALLED_TABLES:
        op.execute(WALL.format(table=table))
    op.execute(OTHER_POLICIES)
    for role, grants in GRANTS.items():
        for rights, tables in grants.items():
            op.execute(f"GRANT {rights} ON {tables} TO {role}")
    op.execute(AUDIT_TRIGGERS)


def downgrade() -> None:
    tables = (
        "service_dependencies, services, hosts, notifications, webhooks, alerts, alert_states, alert_rules, metric_series, data_keys,"
        " audit_log, dead_letters, idempotency, outbox, api_keys, settings, sessions, memberships, users, organizations, schema_ledger"
    )
    # organizations, users and sessions have policies that look into memberships; in one statement the order does not matter.
    op.execute(f"DROP TABLE {tables}")
    op.execute("DROP FUNCTION app.refuse_change()")
    for function in ("uuid_v7", "now", "is_system", "credential", "user_id", "organization_id"):
        op.execute(f"DROP FUNCTION app.{function}()")
    op.execute("DROP SCHEMA app")
