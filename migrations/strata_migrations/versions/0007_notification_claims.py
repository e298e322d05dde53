"""One index range for what the sender claims, and an end to how long finished notifications are kept."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
-- A claim is due again at its deadline: one column says when, whatever the state.
UPDATE notifications SET due_at = deadline_at WHERE state = 'sending' AND deadline_at IS NOT NULL;
DROP INDEX ix_notifications_due_at;
CREATE INDEX ix_notifications_due_at ON notifications (due_at) WHERE state IN ('planned', 'sending', 'unknown');
CREATE INDEX ix_notifications_finished_at ON notifications (updated_at) WHERE state IN ('sent', 'failed');
GRANT DELETE ON notifications TO strata_worker;
-- The clean-up is the only one that deletes, and even it can delete nothing that still counts.
CREATE POLICY kept ON notifications AS RESTRICTIVE FOR DELETE TO strata_worker
    USING (state IN ('sent', 'failed') AND updated_at < app.now() - interval '90 days');
"""
DOWN = """
DROP POLICY kept ON notifications;
REVOKE DELETE ON notifications FROM strata_worker;
DROP INDEX ix_notifications_finished_at;
DROP INDEX ix_notifications_due_at;
CREATE INDEX ix_notifications_due_at ON notifications (due_at) WHERE state IN ('planned', 'sending');
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
