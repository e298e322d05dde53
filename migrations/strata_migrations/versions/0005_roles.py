"""Roles that organizations make, teams, service accounts, and who holds which role."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE service_accounts (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_service_accounts PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_service_accounts_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_service_accounts_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE teams (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_teams PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_teams_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_teams_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE team_members (
    organization_id UUID NOT NULL,
    team_id UUID NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_team_members PRIMARY KEY (organization_id, team_id, user_id),
    CONSTRAINT fk_team_members_organization_id_team_id FOREIGN KEY(organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_team_members_organization_id_user_id FOREIGN KEY(organization_id, user_id) REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE
);
CREATE INDEX ix_team_members_organization_id_user_id ON team_members (organization_id, user_id);
CREATE TABLE roles (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    parent_id UUID,
    parent_built_in TEXT,
    permissions JSONB DEFAULT '[]'::jsonb NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_roles_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_roles_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_roles_organization_id_parent_id FOREIGN KEY(organization_id, parent_id) REFERENCES roles (organization_id, id) ON DELETE NO ACTION,
    CONSTRAINT ck_roles_parent_built_in CHECK (parent_built_in IN ('admin', 'devops', 'developer', 'read_only')),
    CONSTRAINT ck_roles_one_parent CHECK (parent_id IS NULL OR parent_built_in IS NULL),
    CONSTRAINT ck_roles_not_itself CHECK (parent_id <> id)
);
CREATE INDEX ix_roles_organization_id_parent_id ON roles (organization_id, parent_id);
CREATE TABLE role_assignments (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID,
    team_id UUID,
    service_account_id UUID,
    role_id UUID,
    built_in TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_role_assignments PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_role_assignments_once UNIQUE NULLS NOT DISTINCT (organization_id, user_id, team_id, service_account_id, role_id, built_in),
    CONSTRAINT fk_role_assignments_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_role_assignments_organization_id_user_id FOREIGN KEY(organization_id, user_id) REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE,
    CONSTRAINT fk_role_assignments_organization_id_team_id FOREIGN KEY(organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_role_assignments_organization_id_service_account_id FOREIGN KEY(organization_id, service_account_id) REFERENCES service_accounts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_role_assignments_organization_id_role_id FOREIGN KEY(organization_id, role_id) REFERENCES roles (organization_id, id) ON DELETE NO ACTION,
    CONSTRAINT ck_role_assignments_built_in CHECK (built_in IN ('admin', 'devops', 'developer', 'read_only')),
    CONSTRAINT ck_role_assignments_one_subject CHECK (num_nonnulls(user_id, team_id, service_account_id) = 1),
    CONSTRAINT ck_role_assignments_one_role CHECK (num_nonnulls(role_id, built_in) = 1)
);
CREATE INDEX ix_role_assignments_organization_id_role_id ON role_assignments (organization_id, role_id);
CREATE INDEX ix_role_assignments_organization_id_service_account_id ON role_assignments (organization_id, service_account_id);
CREATE INDEX ix_role_assignments_organization_id_team_id ON role_assignments (organization_id, team_id);
"""

# The five roles that memberships name stay as they are: they are the built-in ones. The new value is for members who
# hold only what is assigned to them.
KNOWN_TABLES = """
ALTER TABLE api_keys ADD COLUMN service_account_id UUID;
ALTER TABLE api_keys ADD CONSTRAINT fk_api_keys_organization_id_service_account_id
    FOREIGN KEY (organization_id, service_account_id) REFERENCES service_accounts (organization_id, id) ON DELETE CASCADE;
CREATE INDEX ix_api_keys_organization_id_service_account_id ON api_keys (organization_id, service_account_id);
ALTER TABLE memberships DROP CONSTRAINT ck_memberships_role;
ALTER TABLE memberships ADD CONSTRAINT ck_memberships_role
    CHECK (role IN ('owner', 'admin', 'devops', 'developer', 'read_only', 'custom'));
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
WALLED = ("service_accounts", "teams", "team_members", "roles", "role_assignments")

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON service_accounts, teams, roles TO strata_app, strata_worker;
GRANT SELECT, INSERT, DELETE ON team_members, role_assignments TO strata_app, strata_worker;
GRANT SELECT ON service_accounts, teams, team_members, roles, role_assignments TO strata_readonly;
GRANT SELECT (service_account_id) ON api_keys TO strata_readonly;
"""

# Members who held only assigned roles hold nothing once those are gone: any of the five would be more than they had.
# The owner is bound by row security too, and would see none of them.
BACK = """
ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY;
DELETE FROM memberships WHERE role = 'custom';
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
ALTER TABLE memberships DROP CONSTRAINT ck_memberships_role;
ALTER TABLE memberships ADD CONSTRAINT ck_memberships_role
    CHECK (role IN ('owner', 'admin', 'devops', 'developer', 'read_only'));
-- The keys of service accounts go with them: without the account's bound their scopes would be all that bounds them.
ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY;
DELETE FROM api_keys WHERE service_account_id IS NOT NULL;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
DROP INDEX ix_api_keys_organization_id_service_account_id;
ALTER TABLE api_keys DROP COLUMN service_account_id;
DROP TABLE role_assignments, roles, team_members, teams, service_accounts;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(KNOWN_TABLES)
    for table in WALLED:
        op.execute(WALL.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(BACK)
