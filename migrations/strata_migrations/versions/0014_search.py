"""Search: generations of the index, what passes of the reconciler found, and alerts by their last change."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE search_generations (
    organization_id UUID NOT NULL,
    kind TEXT NOT NULL,
    active INTEGER DEFAULT 1 NOT NULL,
    newest INTEGER DEFAULT 1 NOT NULL,
    building INTEGER,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_search_generations PRIMARY KEY (organization_id, kind),
    CONSTRAINT fk_search_generations_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_search_generations_building CHECK (building <> active)
);
CREATE TABLE reconciliations (
    organization_id UUID NOT NULL,
    store TEXT NOT NULL,
    kind TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    claimed_by TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    epoch BIGINT DEFAULT 0 NOT NULL,
    passed_at TIMESTAMP WITH TIME ZONE,
    expected BIGINT,
    held BIGINT,
    missing INTEGER,
    stale INTEGER,
    ghosts INTEGER,
    ahead INTEGER,
    oldest_at TIMESTAMP WITH TIME ZONE,
    repairs BIGINT DEFAULT 0 NOT NULL,
    last_error TEXT,
    CONSTRAINT pk_reconciliations PRIMARY KEY (organization_id, store, kind),
    CONSTRAINT fk_reconciliations_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX ix_reconciliations_due_at ON reconciliations (due_at);
CREATE TABLE divergences (
    organization_id UUID NOT NULL,
    store TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity_id UUID NOT NULL,
    problem TEXT NOT NULL,
    held_version BIGINT,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    repair_asked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_divergences PRIMARY KEY (organization_id, store, kind, entity_id),
    CONSTRAINT fk_divergences_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_divergences_problem CHECK (problem IN ('missing', 'stale', 'ghost', 'ahead'))
);
CREATE INDEX ix_alerts_organization_id_updated_at ON alerts (organization_id, updated_at);
"""
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
GRANT SELECT ON {table} TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO strata_worker;
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in ("search_generations", "reconciliations", "divergences"):
        op.execute(WALL.format(table=table))


def downgrade() -> None:
    op.execute("DROP INDEX ix_alerts_organization_id_updated_at")
    op.execute("DROP TABLE divergences, reconciliations, search_generations")
