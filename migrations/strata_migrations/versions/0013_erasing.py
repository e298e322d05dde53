"""Deletion for good: tombstones, receipts and erasures; an organization may be on its way in as well as out."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE tombstones (
    organization_id UUID NOT NULL,
    slug TEXT NOT NULL,
    stood_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    saga_id UUID NOT NULL,
    CONSTRAINT pk_tombstones PRIMARY KEY (organization_id)
);
CREATE INDEX ix_tombstones_stood_at ON tombstones (stood_at);
CREATE TABLE receipts (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    kind TEXT NOT NULL,
    content BYTEA NOT NULL,
    public_key TEXT NOT NULL,
    signature BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_receipts PRIMARY KEY (organization_id, id),
    CONSTRAINT ck_receipts_kind CHECK (kind IN ('organization_deletion', 'erasure'))
);
CREATE TABLE erasures (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    kind TEXT NOT NULL,
    selector JSONB,
    reason TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    saga_id UUID NOT NULL,
    receipt_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_erasures PRIMARY KEY (organization_id, id),
    CONSTRAINT fk_erasures_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_erasures_kind CHECK (kind IN ('person', 'host', 'label'))
);
"""
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""
GRANTS = """
-- Neither a tombstone nor a receipt goes away again.
GRANT SELECT, INSERT ON tombstones, receipts TO strata_worker;
GRANT UPDATE (deleted_at) ON tombstones TO strata_worker;
GRANT SELECT ON receipts TO strata_app, strata_auditor;
GRANT SELECT ON tombstones TO strata_auditor;
GRANT SELECT, INSERT ON erasures TO strata_app;
GRANT SELECT, DELETE, UPDATE (selector, receipt_id, done_at) ON erasures TO strata_worker;
GRANT SELECT (organization_id, id, kind, saga_id, receipt_id, created_at, done_at) ON erasures TO strata_readonly;

ALTER TABLE organizations DROP CONSTRAINT ck_organizations_status;
ALTER TABLE organizations ADD CONSTRAINT ck_organizations_status
    CHECK (status IN ('provisioning', 'active', 'suspended', 'deleting'));
"""

# The audit log goes with its organization: whoever wants to be rid of single rows has to put up a tombstone, which is
# there to stay and closes the organization.
AUDIT = """
CREATE OR REPLACE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT FROM public.tombstones t WHERE t.organization_id = OLD.organization_id) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' only takes new rows', ERRCODE = 'insufficient_privilege';
    END $$;
CREATE TRIGGER audit_heads_rows_stay BEFORE DELETE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
GRANT DELETE ON audit_log, audit_seals, audit_heads TO strata_worker;
"""

UNDO = """
REVOKE DELETE ON audit_log, audit_seals, audit_heads FROM strata_worker;
DROP TRIGGER audit_heads_rows_stay ON audit_heads;
CREATE OR REPLACE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' only takes new rows', ERRCODE = 'insufficient_privilege'; END $$;
ALTER TABLE organizations NO FORCE ROW LEVEL SECURITY;
UPDATE organizations SET status = 'active' WHERE status = 'provisioning';
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
ALTER TABLE organizations DROP CONSTRAINT ck_organizations_status;
ALTER TABLE organizations ADD CONSTRAINT ck_organizations_status CHECK (status IN ('active', 'suspended', 'deleting'));
DROP TABLE erasures, receipts, tombstones;
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in ("tombstones", "receipts", "erasures"):
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)
    op.execute(AUDIT)


def downgrade() -> None:
    op.execute(UNDO)
