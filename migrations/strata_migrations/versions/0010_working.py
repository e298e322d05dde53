"""Leases and heartbeats of workers; organizations take turns in the outbox, and events that kill workers are counted."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    epoch BIGINT DEFAULT 1 NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE workers (
    name TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    loops JSONB DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT pk_workers PRIMARY KEY (name)
);
-- Neither holds anything of an organization.
GRANT SELECT, INSERT, UPDATE, DELETE ON leases, workers TO strata_worker;
GRANT SELECT ON workers TO strata_app, strata_readonly;
GRANT SELECT ON leases TO strata_readonly;

ALTER TABLE outbox ADD abandoned INTEGER DEFAULT 0 NOT NULL;
CREATE INDEX ix_outbox_organization_id_pending ON outbox (organization_id, due_at, id) WHERE state = 'pending';
GRANT SELECT (abandoned) ON outbox TO strata_readonly;
GRANT UPDATE (abandoned) ON outbox TO strata_app;
DROP POLICY resumed ON outbox;
CREATE POLICY resumed ON outbox AS RESTRICTIVE FOR UPDATE TO strata_app
    USING (state = 'parked') WITH CHECK (state = 'pending' AND attempts = 0 AND abandoned = 0);
"""
DOWN = """
DROP POLICY resumed ON outbox;
CREATE POLICY resumed ON outbox AS RESTRICTIVE FOR UPDATE TO strata_app
    USING (state = 'parked') WITH CHECK (state = 'pending' AND attempts = 0);
DROP INDEX ix_outbox_organization_id_pending;
ALTER TABLE outbox DROP COLUMN abandoned;
DROP TABLE workers;
DROP TABLE leases;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
