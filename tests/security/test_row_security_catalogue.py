"""What the catalogue must say of every table that holds a tenant's rows: also of those that come later."""

import pytest

from fixtures.relational import Database

# Unique over all organizations, each with its reason.
GLOBAL_UNIQUES = {
    "pk_organizations": "an organization's id is what the others start with",
    "uq_organizations_slug": "slugs stand in URLs before anything else is known",
    "pk_users": "people exist apart from organizations",
    "uq_users_email": "an address signs in before anything else is known",
    "pk_sessions": "a session belongs to a person",
    "uq_sessions_token_hash": "a token is looked up before anything else is known",
    "pk_passkeys": "a passkey belongs to a person",
    "uq_passkeys_credential_id": "a passkey is looked up before anything else is known",
    "pk_recovery_codes": "a recovery code belongs to a person",
    "pk_password_hashes": "a password belongs to a person",
    "pk_security_events": "what happened to a person's account belongs to that person",
    "pk_sign_in_attempts": "attempts are counted before anything else is known",
    "pk_sign_in_tickets": "a ticket belongs to whoever signs in",
    "uq_sign_in_tickets_token_hash": "a ticket is looked up before anything else is known",
    "pk_totp_secrets": "a second factor belongs to a person",
    "uq_invitations_token_hash": "a token is looked up before its organization is known",
    "pk_email_changes": "a change of address belongs to a person",
    "uq_email_changes_token_hash": "a token is looked up before anything else is known",
    "pk_mails": "a mail may be a person's, of no organization",
    "uq_api_keys_key_id": "a key is looked up before its organization is known",
    "pk_schema_ledger": "holds no tenant's rows",
    "pk_leases": "holds no tenant's rows",
    "pk_workers": "holds no tenant's rows",
    "pk_spool_reports": "holds no tenant's rows",
    "pk_tier_watermarks": "holds no tenant's rows",
    "alembic_version_pkc": "holds no tenant's rows",
}
# Indexes of tenant tables that serve scans over all organizations, by workers only.
GLOBAL_INDEXES = {
    "ix_alert_rules_next_due_at",
    "ix_dead_letters_replaying",
    "ix_dirty_windows_marked_at",
    "ix_hosts_tags",  # GIN: cannot begin with a uuid without an extension
    "ix_idempotency_expires_at",
    "ix_mails_created_at",
    "ix_mails_due_at",
    "ix_mails_user_id",
    "ix_memberships_user_id",
    "ix_notifications_due_at",
    "ix_notifications_finished_at",
    "ix_outbox_done_at",
    "ix_outbox_due_at_id",
    "ix_outbox_pending_id",
    "ix_reconciliations_due_at",
    "ix_tombstones_stood_at",
    "ix_sagas_ended_at",
    "ix_sagas_living",
}
WALLED_WITHOUT_ORGANIZATION = {
    "organizations",
    "users",
    "sessions",
    "email_changes",
    "passkeys",
    "password_hashes",
    "recovery_codes",
    "security_events",
    "sign_in_attempts",
    "sign_in_tickets",
    "totp_secrets",
}
UNWALLED = {"schema_ledger", "alembic_version", "leases", "spool_reports", "tier_watermarks", "workers"}

TABLES = """
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
        EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id') AS is_tenant
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      AND c.relnamespace::regnamespace::text NOT LIKE 'pg_toast%%'
    ORDER BY c.relname
"""
UNWALLED_TENANT_TABLES = f"""
    SELECT t.name FROM ({TABLES}) t WHERE t.is_tenant AND NOT (t.enabled AND t.forced AND EXISTS (
        SELECT FROM pg_policies p WHERE p.tablename = t.name AND p.cmd = 'ALL' AND p.permissive = 'PERMISSIVE'
          AND p.qual = '(organization_id = ( SELECT app.organization_id() AS organization_id))'
          AND p.with_check = '(organization_id = ( SELECT app.organization_id() AS organization_id))'))
"""
FOREIGN_KEYS_ACROSS = """
    SELECT k.conname AS name FROM pg_constraint k
    WHERE k.contype = 'f'
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attname = 'organization_id')
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attname = 'organization_id')
      AND NOT EXISTS (
        SELECT FROM unnest(k.conkey, k.confkey) AS pair(mine, theirs)
        JOIN pg_attribute m ON m.attrelid = k.conrelid AND m.attnum = pair.mine AND m.attname = 'organization_id'
        JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = pair.theirs AND f.attname = 'organization_id')
"""
INDEXES = """
    SELECT i.indexrelid::regclass::text AS name, i.indisunique AS is_unique, a.attname AS first_column,
        EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = i.indrelid AND o.attname = 'organization_id') AS is_tenant
    FROM pg_index i LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid::regclass::text NOT LIKE 'pg_%%'
      AND i.indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""


PARTITION_WITHOUT_WALL = """
    CREATE TABLE parts (organization_id uuid) PARTITION BY HASH (organization_id);
    ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
    ALTER TABLE parts FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON parts USING (organization_id = (SELECT app.organization_id()))
        WITH CHECK (organization_id = (SELECT app.organization_id()));
    CREATE TABLE planted PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)
"""


def test_every_tenant_table_is_walled_by_force_for_reading_and_writing(database: Database) -> None:
    assert database.rows(UNWALLED_TENANT_TABLES) == []


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TABLE planted (organization_id uuid)",
        "ALTER TABLE hosts NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE hosts DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON hosts",
        "ALTER POLICY tenant ON hosts WITH CHECK (true)",
        "ALTER POLICY tenant ON hosts USING (organization_id = (SELECT app.organization_id()) OR status = 'up')",
        PARTITION_WITHOUT_WALL,
    ],
)
def test_the_query_finds_a_planted_hole(own_database: Database, planted: str) -> None:
    own_database.run(planted)
    (found,) = own_database.rows(UNWALLED_TENANT_TABLES)
    assert found["name"] in {"planted", "hosts"}


def test_tables_without_an_organization_are_walled_or_named(database: Database) -> None:
    others = [row for row in database.rows(TABLES) if not row["is_tenant"]]
    assert {row["name"] for row in others if row["enabled"] and row["forced"]} == WALLED_WITHOUT_ORGANIZATION
    assert {row["name"] for row in others if not row["enabled"]} == UNWALLED


def test_only_the_worker_has_a_policy_that_sees_all(database: Database) -> None:
    policies = database.rows("SELECT tablename, policyname, roles::text[], permissive, qual FROM pg_policies")
    to_worker = [policy for policy in policies if policy["policyname"] == "system"]
    assert {policy["qual"] for policy in to_worker} == {"( SELECT app.is_system() AS is_system)"}
    assert all(policy["roles"] == ["strata_worker"] for policy in to_worker)
    assert not any("is_system" in str(policy["qual"]) for policy in policies if policy not in to_worker)
    assert not any(policy["qual"] == "true" for policy in policies)


def test_foreign_keys_between_tenant_tables_carry_the_organization(own_database: Database) -> None:
    assert own_database.rows(FOREIGN_KEYS_ACROSS) == []
    own_database.run(
        "ALTER TABLE hosts ADD CONSTRAINT one_id UNIQUE (id);"
        "ALTER TABLE services ADD CONSTRAINT planted FOREIGN KEY (host_id) REFERENCES hosts (id)"
    )
    assert own_database.rows(FOREIGN_KEYS_ACROSS) == [{"name": "planted"}]


def test_every_unique_starts_with_the_organization_or_says_why_not(database: Database) -> None:
    uniques = {
        row["name"] for row in database.rows(INDEXES) if row["is_unique"] and row["first_column"] != "organization_id"
    }
    assert uniques == set(GLOBAL_UNIQUES)


def test_every_index_of_a_tenant_table_starts_with_the_organization_or_is_named(database: Database) -> None:
    indexes = database.rows(INDEXES)
    assert {
        row["name"]
        for row in indexes
        if row["is_tenant"] and not row["is_unique"] and row["first_column"] != "organization_id"
    } == GLOBAL_INDEXES


def test_no_role_but_the_owner_owns_or_may_truncate_anything(database: Database) -> None:
    rows = database.rows(
        "SELECT c.relname, r.rolname FROM pg_class c, pg_roles r WHERE c.relnamespace = 'public'::regnamespace"
        " AND r.rolname LIKE 'strata_%%' AND r.rolname <> 'strata_owner' AND c.relkind IN ('r', 'p')"
        " AND (c.relowner = r.oid OR has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER'))"
    )
    assert rows == []


def test_nothing_is_granted_to_everybody(database: Database) -> None:
    assert (
        database.rows(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relacl::text ~ '[{,]='"
        )
        == []
    )


def test_secrets_are_hidden_from_people_with_a_query_tool(database: Database) -> None:
    secret = {
        ("password_hashes", "password_hash"),
        ("api_keys", "secret_hash"),
        ("webhooks", "secret_sealed"),
        ("sessions", "token_hash"),
        ("identity_providers", "client_secret_sealed"),
        ("passkeys", "public_key"),
        ("recovery_codes", "code_hash"),
        ("sign_in_tickets", "token_hash"),
        ("totp_secrets", "secret_sealed"),
        ("invitations", "token_hash"),
        ("email_changes", "token_hash"),
        ("mails", "parameters"),
        ("data_keys", "wrapped"),
        ("idempotency", "response"),
        ("dead_letters", "content"),
        ("outbox", "payload"),
    }
    readable = {
        (row["table_name"], row["column_name"])
        for row in database.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND"
            " (has_column_privilege('strata_readonly', 'public.' || table_name, column_name, 'SELECT')"
            " OR has_column_privilege('strata_auditor', 'public.' || table_name, column_name, 'SELECT'))"
        )
    }
    assert ("hosts", "name") in readable
    assert ("audit_log", "action") in readable
    assert not secret & readable


def test_readers_cannot_write(database: Database) -> None:
    rows = database.rows(
        "SELECT c.relname, r.rolname FROM pg_class c, pg_roles r WHERE c.relnamespace = 'public'::regnamespace"
        " AND r.rolname IN ('strata_readonly', 'strata_auditor') AND c.relkind = 'r'"
        " AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE')"
    )
    assert rows == []
