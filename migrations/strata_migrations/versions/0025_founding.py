"""People may make organizations of their own; rules and webhooks of a deleted one go a bite at a time too."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UP = """
-- Somebody's own, and not open: a saga opens it. Of its saga the app has taken the first step: these rows.
GRANT INSERT (id, slug, name, status) ON organizations TO strata_app;
CREATE POLICY begun ON organizations AS RESTRICTIVE FOR INSERT TO strata_app
    WITH CHECK (status = 'provisioning' AND (SELECT app.user_id()) IS NOT NULL);
ALTER POLICY planned ON saga_steps
    WITH CHECK (
        intent IS NULL AND output IS NULL
        AND (state = 'pending' OR (state = 'done' AND seq = 0 AND EXISTS (
            SELECT FROM organizations o WHERE o.id = saga_steps.organization_id AND o.status = 'provisioning'
        )))
    );

GRANT DELETE ON alert_rules, webhooks TO strata_worker;
-- Of organizations that are closed for good, and only of those.
CREATE POLICY buried ON alert_rules AS RESTRICTIVE FOR DELETE TO strata_worker
    USING (organization_id IN (SELECT t.organization_id FROM tombstones t));
CREATE POLICY buried ON webhooks AS RESTRICTIVE FOR DELETE TO strata_worker
    USING (organization_id IN (SELECT t.organization_id FROM tombstones t));
"""
DOWN = """
DROP POLICY buried ON webhooks;
DROP POLICY buried ON alert_rules;
REVOKE DELETE ON alert_rules, webhooks FROM strata_worker;
ALTER POLICY planned ON saga_steps WITH CHECK (state = 'pending' AND intent IS NULL AND output IS NULL);
DROP POLICY begun ON organizations;
REVOKE INSERT (id, slug, name, status) ON organizations FROM strata_app;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
