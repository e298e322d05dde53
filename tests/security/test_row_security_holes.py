"""One test for each way in which row security is known to leak: the hole shown where it can be, and closed here."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Engine, insert, text

from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import ConflictError, DeniedError
from strata_datamodel.ids import UserId, uuid7
from strata_datamodel.tables.all import hosts, services
from strata_stores.postgres.roles import APP, AUDITOR, OWNER, READONLY, WORKER

pytestmark = pytest.mark.usefixtures("second_unmoved")
NOW = 1_800_000_000_000
SETTINGS = ("organization_id", "user_id", "credential", "system", "clock_offset")
OWNERS_VIEWS = {
    "server_region_days_held": "materialized; nobody but its owner may read it",
    "server_region_days": "shows of that one only what is the organization's",
}
OWNERS_FUNCTIONS = {
    "app.keep_server_parts(interval)": "parts of tables are the owner's to make and to drop",
    "app.refresh_server_summaries()": "only its owner can refresh a materialized view",
}


@contextmanager
def session(database: Database, role: str, **settings: object) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A transaction of somebody who has the role and writes their own SQL."""
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(f"SET ROLE {role}")
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"app.{name}", str(value)])
        yield connection
        connection.rollback()


def count(connection: psycopg.Connection[tuple[object, ...]], relation: str) -> object:
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("role", [OWNER, APP, WORKER, READONLY])
def test_without_a_setting_nobody_sees_a_row(
    database: Database, two_organizations: TwoOrganizations, role: str
) -> None:
    with session(database, role) as connection:
        assert count(connection, "hosts") == 0
        assert count(connection, "organizations") == 0


def test_the_owner_is_bound_too(database: Database, two_organizations: TwoOrganizations) -> None:
    with session(database, OWNER, organization_id=two_organizations.first) as connection:
        assert count(connection, "hosts") == 0
        connection.execute("ALTER TABLE hosts NO FORCE ROW LEVEL SECURITY")  # the hole
        assert count(connection, "hosts") == 1


@pytest.mark.parametrize("role", [APP, READONLY, AUDITOR, OWNER])
def test_only_the_worker_may_call_itself_the_system(
    database: Database, two_organizations: TwoOrganizations, role: str
) -> None:
    with session(database, WORKER, system="on") as connection:
        assert count(connection, "organizations") == 2
    with session(database, role, system="on") as connection:
        assert count(connection, "organizations") == 0
    with session(database, role, system="on", organization_id=two_organizations.first) as connection:
        assert count(connection, "organizations") == 1


def test_a_view_shows_its_readers_rows_only_when_it_says_so(
    own_database: Database, two_organizations: TwoOrganizations
) -> None:
    own_database.run(
        # The hole: it runs with the rights of whoever made it.
        "CREATE VIEW plain AS SELECT * FROM hosts; GRANT SELECT ON plain TO strata_app;"
        "CREATE VIEW honest WITH (security_invoker = true) AS SELECT * FROM hosts; GRANT SELECT ON honest TO strata_app"
    )
    with session(own_database, APP, organization_id=two_organizations.first) as connection:
        assert count(connection, "plain") == 1
        assert count(connection, "honest") == 0


def test_every_view_is_security_invoker(own_database: Database) -> None:
    leaky = (
        "SELECT oid::regclass FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace::regnamespace::text IN"
        " ('public', 'app') AND (relkind = 'm' OR NOT coalesce(reloptions::text[] @> '{security_invoker=true}', false))"
    )
    assert {str(row["oid"]) for row in own_database.rows(leaky)} == set(OWNERS_VIEWS)
    own_database.run("CREATE VIEW planted AS SELECT * FROM hosts")
    assert {str(row["oid"]) for row in own_database.rows(leaky)} == {"planted", *OWNERS_VIEWS}


def test_only_named_functions_run_with_their_owners_rights_and_for_the_worker_alone(database: Database) -> None:
    functions = database.rows(
        "SELECT oid::regprocedure::text AS name, proconfig @> ARRAY['search_path=pg_catalog, pg_temp'] AS is_held,"
        " ARRAY(SELECT rolname::text FROM pg_roles r WHERE has_function_privilege(r.oid, p.oid, 'EXECUTE')"
        " AND NOT rolsuper AND rolname LIKE 'strata_%%' AND rolname <> 'strata_owner') AS callers"
        " FROM pg_proc p WHERE prosecdef AND pronamespace::regnamespace::text IN ('public', 'app')"
    )
    assert {row["name"] for row in functions} == set(OWNERS_FUNCTIONS)
    assert all(row["is_held"] and row["callers"] == [WORKER] for row in functions)


def test_a_partition_read_directly_is_a_hole_unless_walled_itself(
    own_database: Database, two_organizations: TwoOrganizations
) -> None:
    wall = (
        "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY; ALTER TABLE {0} FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY tenant ON {0} USING (organization_id = (SELECT app.organization_id()))"
    )
    own_database.run(
        "CREATE TABLE history (organization_id uuid) PARTITION BY HASH (organization_id);"
        "CREATE TABLE history_0 PARTITION OF history FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        + wall.format("history")
        + ";GRANT SELECT ON history, history_0 TO strata_app"
    )
    own_database.run("INSERT INTO history VALUES (%s)", two_organizations.second)
    with session(own_database, APP, organization_id=two_organizations.first) as connection:
        assert count(connection, "history") == 0
        assert count(connection, "history_0") == 1  # the hole: the parent's policy does not apply
    own_database.run(wall.format("history_0"))
    with session(own_database, APP, organization_id=two_organizations.first) as connection:
        assert count(connection, "history_0") == 0


def test_a_foreign_key_cannot_reach_into_another_organization(
    units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    row = {
        "organization_id": two_organizations.first,
        "id": uuid7(NOW),
        "name": "nginx",
        "host_id": two_organizations.second_host,
    }
    with pytest.raises(ConflictError) as caught, units.organization(two_organizations.first) as uow:
        uow.execute(insert(services), row)
    assert caught.value.code == "reference_missing"


def test_a_unique_name_says_nothing_about_other_organizations(
    units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    with units.organization(two_organizations.first) as uow:
        uow.execute(
            insert(hosts), {"organization_id": two_organizations.first, "id": uuid7(NOW), "name": "globex-db-1"}
        )


@pytest.mark.parametrize("role", [APP, WORKER, AUDITOR, READONLY])
def test_truncate_is_refused(database: Database, two_organizations: TwoOrganizations, role: str) -> None:
    refused = pytest.raises(errors.InsufficientPrivilege)
    with session(database, role, organization_id=two_organizations.first) as connection, refused:
        connection.execute("TRUNCATE hosts CASCADE")


def copied_out(database: Database, statement: str, **settings: object) -> list[bytes]:
    with session(database, APP, **settings) as connection, connection.cursor().copy(statement) as copied:
        return [bytes(line) for line in copied]


def test_copy_out_gives_own_rows_only(database: Database, two_organizations: TwoOrganizations) -> None:
    whole, query = "COPY hosts TO STDOUT", "COPY (SELECT name FROM hosts) TO STDOUT"
    assert copied_out(database, whole, organization_id=two_organizations.first) == []
    assert copied_out(database, query, organization_id=two_organizations.first) == []
    assert copied_out(database, query, organization_id=two_organizations.second) == [b"globex-db-1\n"]


def test_copy_in_past_the_wall_is_refused(database: Database, two_organizations: TwoOrganizations) -> None:
    statement = "COPY hosts (organization_id, name) FROM STDIN"
    refused = pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported))
    own = session(database, APP, organization_id=two_organizations.first)
    with refused, own as connection, connection.cursor().copy(statement) as copied:
        copied.write_row([two_organizations.second, "planted"])


@pytest.mark.parametrize(
    "statement", ["COPY hosts TO PROGRAM 'cat'", "COPY hosts TO '/tmp/x'", "SELECT pg_read_file('/etc/passwd')"]
)
@pytest.mark.parametrize("role", [OWNER, APP, WORKER, AUDITOR, READONLY])
def test_no_role_reaches_the_servers_files_or_programs(database: Database, role: str, statement: str) -> None:
    with session(database, role) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
@pytest.mark.parametrize("role", [OWNER, APP, WORKER, AUDITOR, "postgres"])
def test_the_audit_log_only_takes_new_rows(
    database: Database, two_organizations: TwoOrganizations, role: str, statement: str
) -> None:
    """The owner sees the row by its organization; the superuser sees everything: for both the trigger stands."""
    database.run(
        "INSERT INTO audit_log (organization_id, actor_kind, actor_label, action, target_kind, target_id)"
        " VALUES (%s, 'user', 'a', 'b', 'c', 'd')",
        two_organizations.first,
    )
    refused = pytest.raises(errors.InsufficientPrivilege)
    with session(database, role, organization_id=two_organizations.first, system="on") as connection, refused:
        connection.execute(statement)
    assert len(database.rows("SELECT FROM audit_log")) == 1


def settings_of(engine: Engine) -> dict[str, object]:
    """What a transaction on a pooled connection finds before anything binds it."""
    with engine.connect() as connection:
        found = {
            name: connection.execute(text("SELECT current_setting(:name, true)"), {"name": f"app.{name}"}).scalar_one()
            for name in SETTINGS
        }
        found["hosts"] = connection.execute(text("SELECT count(*) FROM hosts")).scalar_one()
    return found


def assert_nothing_is_left(engine: Engine) -> None:
    found = settings_of(engine)
    assert found.pop("hosts") == 0
    assert {value for value in found.values() if value} == set()


def test_settings_do_not_outlive_their_transaction(
    worker_engine: Engine, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    """Looked at after each unit, as the next would wipe the traces."""
    second = two_organizations.second
    with system_units.organization(second) as uow:
        assert uow.execute(text("SELECT count(*) FROM hosts")).scalar_one() == 1
    assert_nothing_is_left(worker_engine)
    with system_units.system() as uow:
        assert uow.execute(text("SELECT count(*) FROM hosts")).scalar_one() == 1
    assert_nothing_is_left(worker_engine)
    for unit in (system_units.person(UserId(second)), system_units.credential("key")):
        with unit:
            pass
        assert_nothing_is_left(worker_engine)
    with pytest.raises(ZeroDivisionError), system_units.organization(second):
        raise ZeroDivisionError
    assert_nothing_is_left(worker_engine)
    with pytest.raises(DeniedError), system_units.organization(second) as uow:
        uow.execute(text("TRUNCATE hosts"))
    assert_nothing_is_left(worker_engine)


def test_a_unit_does_not_inherit_what_a_session_was_set_to(
    units: UnitsOfWork, app_engine: Engine, two_organizations: TwoOrganizations
) -> None:
    """Even a plain SET, which does outlive its transaction, is overruled by the next unit on the connection."""
    with app_engine.connect() as connection:
        for name, value in (("organization_id", two_organizations.second), ("user_id", two_organizations.second)):
            connection.execute(
                text("SELECT set_config(:name, :value, false)"), {"name": f"app.{name}", "value": str(value)}
            )
        connection.commit()
    with units.organization(two_organizations.first) as uow:
        assert uow.execute(text("SELECT count(*) FROM hosts")).scalar_one() == 0
    with units.credential("nobody") as uow:
        assert uow.execute(text("SELECT count(*) FROM hosts")).scalar_one() == 0
