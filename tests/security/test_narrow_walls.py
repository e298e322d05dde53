"""What a process may not do, though its rows are within its walls: shown in SQL, as the role itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from psycopg import errors

from fixtures.relational import Database, TwoOrganizations
from strata_datamodel.ids import uuid7
from strata_stores.postgres.migrating import downgrade, upgrade
from strata_stores.postgres.roles import APP, WORKER

ANA, BEN = (UUID(str(uuid7(1_800_000_000_000))) for _ in range(2))


@contextmanager
def session(database: Database, role: str, **settings: object) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(f"SET ROLE {role}")
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"app.{name}", str(value)])
        yield connection
        connection.rollback()


@pytest.fixture
def colleagues(database: Database, two_organizations: TwoOrganizations) -> TwoOrganizations:
    for user_id, name in ((ANA, "ana"), (BEN, "ben")):
        database.run("INSERT INTO users (id, email) VALUES (%s, %s)", user_id, f"{name}@acme.test")
        database.run("INSERT INTO password_hashes (user_id, password_hash) VALUES (%s, %s)", user_id, f"hash of {name}")
        database.run(
            "INSERT INTO memberships (organization_id, user_id, role) VALUES (%s, %s, 'developer')",
            two_organizations.first, user_id,
        )  # fmt: skip
    return two_organizations


def hashes(connection: psycopg.Connection[tuple[object, ...]]) -> list[object]:
    return [row[0] for row in connection.execute("SELECT password_hash FROM password_hashes ORDER BY 1")]


@pytest.mark.parametrize("role", [APP, WORKER])
def test_a_colleague_is_seen_and_the_hash_of_their_password_is_not(database, colleagues, role):
    with session(database, role, organization_id=colleagues.first) as connection:
        assert len(connection.execute("SELECT email FROM users").fetchall()) == 2
        assert hashes(connection) == []
    with session(database, role, organization_id=colleagues.first, user_id=ANA) as connection:
        assert hashes(connection) == ["hash of ana"]
    with session(database, role, credential="ben@acme.test") as connection:
        assert hashes(connection) == ["hash of ben"]


def test_nobody_sets_a_colleagues_password(database, colleagues):
    with session(database, APP, organization_id=colleagues.first, user_id=ANA) as connection:
        done = connection.execute("UPDATE password_hashes SET password_hash = 'mine' WHERE user_id = %s", [BEN])
        assert done.rowcount == 0
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("INSERT INTO password_hashes (user_id, password_hash) VALUES (%s, 'mine')", [BEN])
    with session(database, APP, credential="ben@acme.test") as connection:
        assert connection.execute("UPDATE password_hashes SET password_hash = 'mine'").rowcount == 0


@pytest.mark.parametrize("column", ["plan", "status", "cell", "slug", "id"])
def test_the_app_cannot_change_what_an_organization_is_on(database, colleagues, column):
    with session(database, APP, organization_id=colleagues.first) as connection:
        connection.execute("UPDATE organizations SET name = 'Acme & Co'")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"UPDATE organizations SET {column} = {column}")


@pytest.mark.parametrize("column", ["plan", "id", "created_at"])
def test_the_app_cannot_change_what_a_person_is_on(database, colleagues, column):
    with session(database, APP, user_id=ANA) as connection:
        connection.execute("UPDATE users SET name = 'Ana'")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"UPDATE users SET {column} = {column}")
    by_organization = session(database, APP, organization_id=colleagues.first)
    with by_organization as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("INSERT INTO users (email, plan) VALUES ('new@acme.test', 'pro')")


@pytest.mark.parametrize(
    ("person", "columns", "values"),
    [
        (None, "status", "'provisioning'"),
        (ANA, "status", "'active'"),
        (ANA, "status, plan", "'provisioning', 'enterprise'"),
        (ANA, "status, cell", "'provisioning', 'other'"),
    ],
)
def test_the_app_makes_no_organization_that_is_open_or_nobodys(database, colleagues, person, columns, values):
    made = uuid7(1_800_000_000_000)
    insert = "INSERT INTO organizations (id, slug, name, {}) VALUES (%s, 'mine', 'Mine', {})"
    bound = {"organization_id": made} | ({"user_id": person} if person else {})
    with session(database, APP, **bound) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(insert.format(columns, values), [made])
    with session(database, APP, organization_id=made, user_id=ANA) as connection:
        connection.execute(insert.format("status", "'provisioning'"), [made])
    elsewhere = session(database, APP, organization_id=colleagues.first, user_id=ANA)
    with elsewhere as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(insert.format("status", "'provisioning'"), [made])


def test_the_app_takes_no_step_of_a_saga_but_the_first_of_an_organization_that_is_not_open(database, colleagues):
    saga = uuid7(1_800_000_000_000)
    for seq, state in ((0, "done"), (1, "done")):
        with session(database, APP, organization_id=colleagues.first) as connection:
            connection.execute(
                "INSERT INTO sagas"
                " (organization_id, id, kind, definition_version, input, started_by, due_at, deadline_at)"
                " VALUES (%s, %s, 'organization_provisioning', 1, '{}', 'x', app.now(), app.now())",
                [colleagues.first, saga],
            )
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(
                    "INSERT INTO saga_steps (organization_id, saga_id, seq, name, kind, state)"
                    " VALUES (%s, %s, %s, 'rows', 'local', %s)",
                    [colleagues.first, saga, seq, state],
                )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alert_rules SET is_enabled = false",
        "UPDATE alert_rules SET condition = '{}'",
        (
            "INSERT INTO alert_rules (organization_id, name, severity, condition)"
            " VALUES (app.organization_id(), 'x', 'info', '{}')"
        ),
        "UPDATE webhooks SET url = 'https://elsewhere.test'",
        "UPDATE webhooks SET is_enabled = false",
    ],
)
def test_a_worker_changes_neither_what_is_watched_nor_who_is_told(database, colleagues, statement):
    with session(database, WORKER, system="on", organization_id=colleagues.first) as connection:
        connection.execute("UPDATE alert_rules SET next_due_at = app.now(), last_result = 'ok'")
        connection.execute("UPDATE webhooks SET secret_sealed = secret_sealed")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize("table", ["alert_rules", "webhooks"])
def test_a_worker_deletes_neither_what_is_watched_nor_who_is_told_where_no_tombstone_stands(
    database, colleagues, table
):
    for organization in (colleagues.first, colleagues.second):
        database.run(
            "INSERT INTO alert_rules (organization_id, name, severity, condition) VALUES (%s, 'x', 'info', '{}')",
            organization,
        )
        database.run(
            "INSERT INTO webhooks (organization_id, name, url, secret_sealed, event_kinds)"
            " VALUES (%s, 'w', 'https://receiver.test', '', '{}')",
            organization,
        )
    with session(database, WORKER, system="on", organization_id=colleagues.first) as connection:
        assert connection.execute(f"DELETE FROM {table}").rowcount == 0
        connection.execute(
            "INSERT INTO tombstones (organization_id, slug, saga_id) VALUES (%s, 'x', app.uuid_v7())",
            [colleagues.first],
        )
        assert connection.execute(f"DELETE FROM {table}").rowcount == 1


def test_an_organization_goes_with_its_rules_though_a_worker_may_not_delete_them(database, colleagues):
    database.run(
        "INSERT INTO alert_rules (organization_id, name, severity, condition) VALUES (%s, 'x', 'info', '{}')",
        colleagues.first,
    )
    with session(database, WORKER, system="on") as connection:
        connection.execute("DELETE FROM organizations WHERE id = %s", [colleagues.first])
        left = connection.execute("SELECT count(*) FROM alert_rules").fetchone()
        assert left == (0,)


def test_going_down_and_up_again_keeps_every_password(own_database, colleagues):
    downgrade(own_database.admin_url, "0010")
    kept = own_database.rows("SELECT email, password_hash FROM users ORDER BY email")
    assert [row["password_hash"] for row in kept] == ["hash of ana", "hash of ben"]
    upgrade(own_database.admin_url)
    again = own_database.rows("SELECT password_hash FROM password_hashes ORDER BY 1")
    assert [row["password_hash"] for row in again] == ["hash of ana", "hash of ben"]
