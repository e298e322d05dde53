"""What each spool accepted, and what its store says of it."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE spool_reports (
    spool_id UUID NOT NULL,
    store TEXT NOT NULL,
    acknowledged BIGINT NOT NULL,
    committed BIGINT,
    waiting INTEGER NOT NULL,
    waiting_since TIMESTAMP WITH TIME ZONE,
    lost BIGINT DEFAULT 0 NOT NULL,
    lost_at TIMESTAMP WITH TIME ZONE,
    reported_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_spool_reports PRIMARY KEY (spool_id)
);
-- Holds nothing of an organization.
GRANT SELECT, INSERT, UPDATE, DELETE ON spool_reports TO strata_worker;
GRANT SELECT ON spool_reports TO strata_readonly;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE spool_reports")
