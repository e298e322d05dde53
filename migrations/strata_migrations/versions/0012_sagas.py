"""Sagas and their steps: what crosses the stores, in PostgreSQL."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE sagas (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    kind TEXT NOT NULL,
    definition_version INTEGER NOT NULL,
    input JSONB DEFAULT '{}'::jsonb NOT NULL,
    started_by TEXT NOT NULL,
    lock_key TEXT,
    state TEXT DEFAULT 'pending' NOT NULL,
    parked_from TEXT,
    reason_code TEXT,
    reason TEXT,
    is_cancelled BOOLEAN DEFAULT false NOT NULL,
    pivot INTEGER,
    request TEXT,
    requested_by TEXT,
    epoch BIGINT DEFAULT 0 NOT NULL,
    lease_owner TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE,
    claims INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    stuck_since TIMESTAMP WITH TIME ZONE,
    deadline_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_sagas PRIMARY KEY (organization_id, id),
    CONSTRAINT ck_sagas_state
        CHECK (state IN ('pending', 'running', 'compensating', 'done', 'compensated', 'cancelled', 'parked')),
    CONSTRAINT ck_sagas_request CHECK (request IN ('retry', 'compensate', 'cancel'))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX uq_sagas_organization_id_kind_lock_key ON sagas (organization_id, kind, lock_key)
    WHERE ended_at IS NULL;
CREATE INDEX ix_sagas_organization_id_due_at ON sagas (organization_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_sagas_organization_id_lease_until ON sagas (organization_id, lease_until)
    WHERE lease_until IS NOT NULL;
CREATE INDEX ix_sagas_living ON sagas (state, kind) WHERE ended_at IS NULL;
CREATE TABLE saga_steps (
    organization_id UUID NOT NULL,
    saga_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    intent JSON,
    output JSON,
    attempts INTEGER DEFAULT 0 NOT NULL,
    undo_attempts INTEGER DEFAULT 0 NOT NULL,
    last_error TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    done_at TIMESTAMP WITH TIME ZONE,
    undone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_saga_steps PRIMARY KEY (organization_id, saga_id, seq),
    CONSTRAINT fk_saga_steps_organization_id_saga_id FOREIGN KEY(organization_id, saga_id)
        REFERENCES sagas (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_saga_steps_kind CHECK (kind IN ('local', 'put', 'once')),
    CONSTRAINT ck_saga_steps_state CHECK (state IN ('pending', 'intended', 'unknown', 'done', 'undone'))
) WITH (fillfactor = 80);
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
-- The app starts sagas and says what people want of them. It takes no step, and finishes none.
GRANT SELECT, INSERT ON sagas, saga_steps TO strata_app;
GRANT UPDATE (request, requested_by, due_at) ON sagas TO strata_app;
CREATE POLICY started ON sagas AS RESTRICTIVE FOR INSERT TO strata_app
    WITH CHECK (state = 'pending' AND epoch = 0 AND lease_until IS NULL AND ended_at IS NULL);
CREATE POLICY asked ON sagas AS RESTRICTIVE FOR UPDATE TO strata_app
    USING (ended_at IS NULL) WITH CHECK (request IS NOT NULL AND due_at IS NOT NULL);
CREATE POLICY planned ON saga_steps AS RESTRICTIVE FOR INSERT TO strata_app
    WITH CHECK (state = 'pending' AND intent IS NULL AND output IS NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON sagas, saga_steps TO strata_worker;
GRANT SELECT (organization_id, id, kind, definition_version, state, reason_code, epoch, lease_owner, lease_until, due_at,
    claims, failures, stuck_since, deadline_at, created_at, updated_at, ended_at) ON sagas TO strata_readonly;
GRANT SELECT (organization_id, saga_id, seq, name, kind, state, attempts, undo_attempts, started_at, done_at, undone_at)
    ON saga_steps TO strata_readonly;
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in ("sagas", "saga_steps"):
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE saga_steps, sagas")
