"""Which metric store each organization's points are in."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE metric_placements (
    organization_id UUID NOT NULL,
    cell TEXT NOT NULL,
    also TEXT,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_metric_placements PRIMARY KEY (organization_id),
    CONSTRAINT fk_metric_placements_organization_id FOREIGN KEY(organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_metric_placements_also CHECK (also <> cell)
);
ALTER TABLE metric_placements ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_placements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON metric_placements
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON metric_placements TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
-- Every process that writes or asks looks; only sagas place.
GRANT SELECT ON metric_placements TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON metric_placements TO strata_worker;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE metric_placements")
