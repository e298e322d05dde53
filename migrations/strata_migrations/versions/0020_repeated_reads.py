"""A row of the access log may stand for several reads that differ in nothing it keeps but their time."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE user_access_logs
    ADD times INTEGER DEFAULT 1 NOT NULL,
    ADD last_at TIMESTAMP WITH TIME ZONE;
GRANT SELECT (times, last_at) ON user_access_logs TO strata_auditor;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("ALTER TABLE user_access_logs DROP times, DROP last_at")
