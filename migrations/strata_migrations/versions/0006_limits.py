"""What an operator allows an organization, and from where a key may be used."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE quotas (
    organization_id UUID NOT NULL,
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_quotas PRIMARY KEY (organization_id, name),
    CONSTRAINT fk_quotas_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_quotas_value CHECK (value > 0)
);
ALTER TABLE quotas ENABLE ROW LEVEL SECURITY;
ALTER TABLE quotas FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON quotas
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON quotas TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
-- Members see quotas; only the operator's commands, which act as the worker, set them.
GRANT SELECT ON quotas TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON quotas TO strata_worker;

ALTER TABLE api_keys ADD allowed_networks TEXT[] DEFAULT '{}'::text[] NOT NULL;
GRANT SELECT (allowed_networks) ON api_keys TO strata_readonly;
"""
DOWN = """
ALTER TABLE api_keys DROP COLUMN allowed_networks;
DROP TABLE quotas;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
