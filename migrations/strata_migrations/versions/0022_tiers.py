"""How far each tier of metrics has got, where it has to be made again, and how long organizations have theirs."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE tier_watermarks (
    cell TEXT NOT NULL,
    tier TEXT NOT NULL,
    through TIMESTAMP WITH TIME ZONE,
    gone_before TIMESTAMP WITH TIME ZONE,
    kept_s BIGINT,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_tier_watermarks PRIMARY KEY (cell, tier),
    CONSTRAINT ck_tier_watermarks_tier CHECK (tier IN ('raw', '1m', '5m', '1h'))
);
-- Holds nothing of an organization. Queries are planned by it.
GRANT SELECT ON tier_watermarks TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON tier_watermarks TO strata_worker;

CREATE TABLE dirty_windows (
    organization_id UUID NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    mark UUID DEFAULT app.uuid_v7() NOT NULL,
    marked_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_dirty_windows PRIMARY KEY (organization_id, hour),
    CONSTRAINT fk_dirty_windows_organization_id FOREIGN KEY(organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX ix_dirty_windows_marked_at ON dirty_windows (marked_at);

CREATE TABLE tier_retentions (
    organization_id UUID NOT NULL,
    tier TEXT NOT NULL,
    kept_s BIGINT,
    gone_before TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_tier_retentions PRIMARY KEY (organization_id, tier),
    CONSTRAINT fk_tier_retentions_organization_id FOREIGN KEY(organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_tier_retentions_tier CHECK (tier IN ('raw', '1m', '5m', '1h')),
    CONSTRAINT ck_tier_retentions_kept_s CHECK (kept_s > 0)
);
"""
WALLS = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
-- Ingest and the operator's commands act as the worker.
GRANT SELECT ON {table} TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO strata_worker;
"""


def upgrade() -> None:
    op.execute(UP)
    for table in ("dirty_windows", "tier_retentions"):
        op.execute(WALLS.format(table=table))


def downgrade() -> None:
    op.execute("DROP TABLE tier_retentions; DROP TABLE dirty_windows; DROP TABLE tier_watermarks")
