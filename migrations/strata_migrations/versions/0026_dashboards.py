"""Dashboards, and every version of each."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE dashboards (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    title TEXT NOT NULL,
    folder TEXT DEFAULT '' NOT NULL,
    tags JSONB DEFAULT '[]'::jsonb NOT NULL,
    labels JSONB DEFAULT '{}'::jsonb NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_dashboards PRIMARY KEY (organization_id, id),
    CONSTRAINT fk_dashboards_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX ix_dashboards_organization_id_title_id ON dashboards (organization_id, title, id);
CREATE TABLE dashboard_versions (
    organization_id UUID NOT NULL,
    dashboard_id UUID NOT NULL,
    version BIGINT NOT NULL,
    title TEXT NOT NULL,
    message TEXT DEFAULT '' NOT NULL,
    saved_by_kind TEXT NOT NULL,
    saved_by_id UUID,
    saved_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_dashboard_versions PRIMARY KEY (organization_id, dashboard_id, version),
    CONSTRAINT fk_dashboard_versions_organization_id_dashboard_id FOREIGN KEY(organization_id, dashboard_id)
        REFERENCES dashboards (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_dashboard_versions_saved_by_kind CHECK (saved_by_kind IN ('user', 'api_key', 'system')),
    CONSTRAINT ck_dashboard_versions_version CHECK (version > 0)
);
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
# A version is never changed; those beyond what is kept go.
GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON dashboards TO strata_app;
GRANT SELECT, INSERT, DELETE ON dashboard_versions TO strata_app;
GRANT SELECT, DELETE ON dashboards, dashboard_versions TO strata_worker;
GRANT SELECT ON dashboards, dashboard_versions TO strata_readonly;
"""
DOWN = "DROP TABLE dashboard_versions, dashboards"


def upgrade() -> None:
    op.execute(TABLES)
    for table in ("dashboards", "dashboard_versions"):
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DOWN)
