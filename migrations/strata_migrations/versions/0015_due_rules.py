"""The oldest due rules of one organization are one index range."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_alert_rules_organization_id_next_due_at ON alert_rules (organization_id, next_due_at) WHERE is_enabled;
"""
DOWN = """
DROP INDEX ix_alert_rules_organization_id_next_due_at;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
