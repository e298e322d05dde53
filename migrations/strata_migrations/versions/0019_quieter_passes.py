"""Passes that read less: an alert's bucket is stored, passes remember what agreed, and looks at deletions get rarer."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# An index of the expression would never be used: row security lets no function that is not leakproof go before it.
UP = """
ALTER TABLE alerts ADD COLUMN bucket INTEGER GENERATED ALWAYS AS (get_byte(uuid_send(id), 15)) STORED NOT NULL;
CREATE INDEX ix_alerts_organization_id_bucket_id ON alerts (organization_id, bucket, id);
ALTER TABLE reconciliations ADD COLUMN full_at TIMESTAMP WITH TIME ZONE, ADD COLUMN checksum BIGINT;
ALTER TABLE divergences ADD COLUMN first_seen_xid BIGINT;
ALTER TABLE tombstones
    ADD COLUMN clean_looks INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN look_due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL;
GRANT UPDATE (clean_looks, look_due_at) ON tombstones TO strata_worker;
"""
DOWN = """
ALTER TABLE tombstones DROP COLUMN look_due_at, DROP COLUMN clean_looks;
ALTER TABLE divergences DROP COLUMN first_seen_xid;
ALTER TABLE reconciliations DROP COLUMN checksum, DROP COLUMN full_at;
DROP INDEX ix_alerts_organization_id_bucket_id;
ALTER TABLE alerts DROP COLUMN bucket;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
