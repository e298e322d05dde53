"""How many series each organization has, for its limits."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE series_counts (
    organization_id UUID NOT NULL,
    total BIGINT NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    new_in_hour BIGINT NOT NULL,
    CONSTRAINT pk_series_counts PRIMARY KEY (organization_id),
    CONSTRAINT fk_series_counts_organization_id FOREIGN KEY(organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE
);
ALTER TABLE series_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE series_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON series_counts
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON series_counts TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
-- The edge of ingest acts as the app, the writer behind it as the worker.
GRANT SELECT, INSERT, UPDATE ON series_counts TO strata_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON series_counts TO strata_worker;
GRANT SELECT ON series_counts TO strata_readonly;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE series_counts")
