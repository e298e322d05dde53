"""The page on database roles says of every table exactly what the database grants."""

import database_roles
from fixtures.relational import Database


def test_the_page_has_the_rights_that_the_database_grants(database: Database) -> None:
    written = database_roles.PAGE.read_text("utf-8")
    made = database_roles.table(database.rows(database_roles.RIGHTS))
    assert written == database_roles.page_with(written, made), "run .venv/bin/python tools/database_roles.py"


def test_a_right_more_or_less_is_seen(own_database: Database) -> None:
    before = database_roles.table(own_database.rows(database_roles.RIGHTS))
    own_database.run(
        "GRANT UPDATE (secret_sealed) ON webhooks TO strata_readonly; REVOKE SELECT ON hosts FROM strata_app"
    )
    after = database_roles.table(own_database.rows(database_roles.RIGHTS))
    changed = {line.split("`")[1] for line in set(after.splitlines()) ^ set(before.splitlines())}
    assert changed == {"webhooks", "hosts"}
    assert "U of secret_sealed" in after


def test_nobody_but_the_sealer_writes_seals_and_nobody_changes_audit_rows(database: Database) -> None:
    rows = database.rows(
        "SELECT c.relname AS name, r.rolname AS role, p.right FROM pg_class c, pg_roles r,"
        " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (\"right\")"
        " WHERE c.relname IN ('audit_log', 'audit_seals', 'audit_heads') AND r.rolname LIKE 'strata_%%'"
        " AND r.rolname <> 'strata_owner' AND has_table_privilege(r.oid, c.oid, p.right)"
    )
    assert {(row["name"], row["role"], row["right"]) for row in rows} == {
        ("audit_log", "strata_app", "INSERT"),
        ("audit_log", "strata_worker", "INSERT"),
        ("audit_seals", "strata_worker", "INSERT"),
        ("audit_heads", "strata_worker", "INSERT"),
        ("audit_heads", "strata_worker", "UPDATE"),
        # Behind a tombstone only: see test_tombstone_walls.
        ("audit_log", "strata_worker", "DELETE"),
        ("audit_seals", "strata_worker", "DELETE"),
        ("audit_heads", "strata_worker", "DELETE"),
    }


def test_readers_see_no_address_no_sealed_value_and_no_webhook_url(database: Database) -> None:
    rows = database.rows(
        "SELECT a.attrelid::regclass::text || '.' || a.attname AS name FROM pg_attribute a, pg_roles r"
        " WHERE r.rolname IN ('strata_auditor', 'strata_readonly') AND a.attnum > 0 AND NOT a.attisdropped"
        " AND a.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')"
        " AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT')"
    )
    readable = {str(row["name"]) for row in rows}
    assert "audit_log.action" in readable
    assert "user_access_logs.operation" in readable
    hidden = {"audit_log.remote_addr", "user_access_logs.address_index", "webhooks.url", "notifications.last_detail"}
    assert not hidden & readable
    assert not [name for name in readable if name.endswith(("_sealed", "_hash"))]
