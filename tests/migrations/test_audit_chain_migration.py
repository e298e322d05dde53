"""The audit log's chain starts with what was written before there was one."""

from fixtures.relational import Database
from strata_stores.postgres.migrating import upgrade


def test_what_was_written_before_the_chain_is_queued_for_it(empty_database: Database) -> None:
    upgrade(empty_database.admin_url, "0003")
    empty_database.run(
        "INSERT INTO audit_log (organization_id, actor_kind, actor_label, action, target_kind, target_id)"
        " VALUES (gen_random_uuid(), 'user', 'a', 'b', 'c', 'd')"
    )
    upgrade(empty_database.admin_url)
    written = empty_database.rows("SELECT organization_id, at, id FROM audit_log")
    queued = empty_database.rows("SELECT organization_id, at, audit_id AS id FROM audit_unsealed")
    assert len(written) == 1
    assert queued == written
