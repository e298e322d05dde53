"""A deleted organization's alerts and notifications go a bite at a time: by cascade they all went in one statement."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

UP = """
GRANT DELETE ON alerts TO strata_worker;
-- Of organizations that are closed for good, and only of those.
CREATE POLICY buried ON alerts AS RESTRICTIVE FOR DELETE TO strata_worker
    USING (organization_id IN (SELECT t.organization_id FROM tombstones t));
ALTER POLICY kept ON notifications
    USING (
        (state IN ('sent', 'failed') AND updated_at < app.now() - interval '90 days')
        OR organization_id IN (SELECT t.organization_id FROM tombstones t)
    );
"""
DOWN = """
ALTER POLICY kept ON notifications
    USING (state IN ('sent', 'failed') AND updated_at < app.now() - interval '90 days');
DROP POLICY buried ON alerts;
REVOKE DELETE ON alerts FROM strata_worker;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
