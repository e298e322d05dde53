"""What happened to an account goes with the person, and operators ask for erasures too."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UP = """
GRANT DELETE ON security_events TO strata_worker;
GRANT INSERT ON erasures TO strata_worker;
"""
DOWN = """
REVOKE INSERT ON erasures FROM strata_worker;
REVOKE DELETE ON security_events FROM strata_worker;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
