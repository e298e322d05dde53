"""People may set parked events going again, and change nothing else of an event."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
GRANT UPDATE (state, attempts, due_at) ON outbox TO strata_app;
-- Whatever else the app is made to do, it cannot finish an event, park one, or take one out of a worker's hands.
CREATE POLICY resumed ON outbox AS RESTRICTIVE FOR UPDATE TO strata_app
    USING (state = 'parked') WITH CHECK (state = 'pending' AND attempts = 0);
"""
DOWN = """
DROP POLICY resumed ON outbox;
REVOKE UPDATE (state, attempts, due_at) ON outbox FROM strata_app;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
