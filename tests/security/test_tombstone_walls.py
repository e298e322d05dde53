"""The audit log of an organization goes with it, and in no other way."""

import psycopg
import pytest
from psycopg import errors

from fixtures.relational import Database, TwoOrganizations
from strata_datamodel.ids import uuid7
from strata_stores.postgres.roles import APP, WORKER

AUDIT_TABLES = ("audit_log", "audit_seals", "audit_heads")


@pytest.fixture
def audited(database: Database, two_organizations: TwoOrganizations) -> TwoOrganizations:
    """Both have a row on their chain."""
    for organization in (two_organizations.first, two_organizations.second):
        database.run(
            "INSERT INTO audit_log (organization_id, id, actor_kind, actor_label, action, target_kind, target_id)"
            f" VALUES ('{organization}', '{uuid7(1)}', 'user', 'a', 'b', 'c', 'd');"
            f" INSERT INTO audit_seals (organization_id, seq, audit_id, hash)"
            f" VALUES ('{organization}', 1, '{uuid7(2)}', '');"
            f" INSERT INTO audit_heads (organization_id, seq, hash) VALUES ('{organization}', 1, '')"
        )
    return two_organizations


def as_worker(database: Database, organization_id: object, statement: str) -> int:
    with psycopg.connect(database.url(WORKER)) as connection:
        connection.execute("SELECT set_config('app.organization_id', %s, false)", [str(organization_id)])
        return connection.execute(statement).rowcount  # type: ignore[arg-type]


def put_up_tombstone(database: Database, organization_id: object) -> None:
    as_worker(
        database,
        organization_id,
        f"INSERT INTO tombstones (organization_id, slug, saga_id) VALUES ('{organization_id}', 'x', '{uuid7(3)}')",
    )


@pytest.mark.parametrize("table", AUDIT_TABLES)
def test_a_worker_deletes_no_audit_row_of_an_organization_that_lives(database, audited, table):
    put_up_tombstone(database, audited.second)
    with pytest.raises(errors.InsufficientPrivilege):
        as_worker(database, audited.first, f"DELETE FROM {table}")
    assert len(database.rows(f"SELECT 1 FROM {table}")) == 2


def test_behind_its_tombstone_they_go_and_only_they(database, audited):
    put_up_tombstone(database, audited.first)
    for table in AUDIT_TABLES:
        assert as_worker(database, audited.first, f"DELETE FROM {table}") == 1
        assert database.rows(f"SELECT organization_id AS id FROM {table}") == [{"id": audited.second}]
    with pytest.raises(errors.InsufficientPrivilege):
        as_worker(database, audited.second, "UPDATE audit_log SET action = 'x'")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tombstones",
        "UPDATE tombstones SET organization_id = app.uuid_v7()",
        "DELETE FROM receipts",
        "UPDATE receipts SET content = ''",
    ],
)
def test_neither_a_tombstone_nor_a_receipt_goes_away_again(database, audited, statement):
    put_up_tombstone(database, audited.first)
    with pytest.raises(errors.InsufficientPrivilege):
        as_worker(database, audited.first, statement)


@pytest.fixture
def alerted(database: Database, two_organizations: TwoOrganizations) -> TwoOrganizations:
    """Both have an alert that somebody was told of, and somebody is to be told of."""
    for organization in (two_organizations.first, two_organizations.second):
        database.run(
            "WITH hook AS (INSERT INTO webhooks (organization_id, name, url, secret_sealed, event_kinds)"
            f"  VALUES ('{organization}', 'w', 'https://receiver.test', '', '{{}}') RETURNING id),"
            " alert AS (INSERT INTO alerts (organization_id, fingerprint, severity)"
            f"  VALUES ('{organization}', 'f', 'info') RETURNING id)"
            " INSERT INTO notifications (organization_id, outbox_id, alert_id, webhook_id, event_kind)"
            f" SELECT '{organization}', app.uuid_v7(), alert.id, hook.id, 'alert.fired' FROM alert, hook"
        )
    return two_organizations


@pytest.mark.parametrize("table", ["notifications", "alerts"])
def test_alerts_and_who_was_told_go_behind_a_tombstone_only(database, alerted, table):
    put_up_tombstone(database, alerted.second)
    assert as_worker(database, alerted.first, f"DELETE FROM {table}") == 0
    assert len(database.rows(f"SELECT 1 FROM {table}")) == 2
    assert as_worker(database, alerted.second, f"DELETE FROM {table}") == 1
    assert database.rows(f"SELECT organization_id AS id FROM {table}") == [{"id": alerted.first}]


def test_people_and_programs_put_up_no_tombstones(database, audited):
    with psycopg.connect(database.url(APP)) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM tombstones")
