"""The schema goes up, down and up again, matches the tables, and its ledger tells the truth."""

import threading
from collections.abc import Callable

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from fixtures.relational import Database
from strata_datamodel.errors import ConflictError, DeadlineError, InvalidError, StrataError
from strata_datamodel.tables.all import metadata
from strata_stores.postgres.connecting import Timeouts
from strata_stores.postgres.engine import open_unpooled_engine
from strata_stores.postgres.migrating import (
    LOCK_KEY,
    MIGRATION_TIMEOUTS,
    SchemaStatus,
    downgrade,
    head,
    status,
    upgrade,
)
from strata_stores.postgres.roles import OWNER
from waiting import eventually

IN_SCHEMA = """
    SELECT c.relkind::text AS kind, c.oid::regclass::text AS name, pg_get_userbyid(c.relowner) AS owner
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'alembic_version%%'
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, pg_get_userbyid(p.proowner)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('app', 'public')
    UNION ALL
    SELECT 'schema', nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'app'
    ORDER BY 1, 2
"""
SHAPE = """
    SELECT conrelid::regclass::text AS relation, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT tablename, format('%%s %%s %%s %%s', policyname, roles, qual, with_check) FROM pg_policies
    UNION ALL SELECT table_name, format('%%s %%s', grantee, privilege_type) FROM information_schema.table_privileges
    WHERE table_schema = 'public'
    UNION ALL SELECT event_object_table, format('%%s %%s', trigger_name, event_manipulation)
    FROM information_schema.triggers
    ORDER BY 1, 2
"""


def test_up_down_and_up_again_leaves_nothing_and_brings_the_same(empty_database: Database) -> None:
    url = empty_database.admin_url
    assert empty_database.rows(IN_SCHEMA) == []
    assert upgrade(url).current == head()
    first, shape = empty_database.rows(IN_SCHEMA), empty_database.rows(SHAPE)
    assert downgrade(url, "base").current is None
    assert empty_database.rows(IN_SCHEMA) == []
    assert upgrade(url).current == head()
    assert empty_database.rows(IN_SCHEMA) == first
    assert empty_database.rows(SHAPE) == shape
    assert len(shape) > 100


def test_everything_belongs_to_the_owner(database: Database) -> None:
    assert {row["owner"] for row in database.rows(IN_SCHEMA)} == {OWNER}


def test_upgrading_what_is_new_changes_nothing(database: Database) -> None:
    before = status(database.admin_url)
    assert before.pending == ()
    assert upgrade(database.admin_url) == before


def test_the_tables_of_the_code_are_those_of_the_database(database: Database) -> None:
    engine = open_unpooled_engine(database.admin_url, timeouts=Timeouts(), application="drift")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        connection.exec_driver_sql("ALTER TABLE hosts ADD COLUMN planted int")
        assert compare_metadata(context, metadata) != []
    engine.dispose()


def test_constraints_that_alembic_does_not_compare_are_the_same_too(
    database: Database, empty_database: Database
) -> None:
    """Checks, foreign keys' actions, partial indexes: from the metadata's own DDL in an empty database."""
    engine = open_unpooled_engine(empty_database.admin_url, timeouts=Timeouts(), application="drift")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA app")
        for name, kind in (("now", "timestamptz"), ("uuid_v7", "uuid")):
            connection.exec_driver_sql(
                f"CREATE FUNCTION app.{name}() RETURNS {kind} LANGUAGE sql AS 'SELECT NULL::{kind}'"
            )
        metadata.create_all(connection)
    engine.dispose()
    from_code, from_migrations = (
        {
            (row["relation"], row["definition"])
            for row in each.rows(SHAPE.partition("UNION ALL SELECT tablename, format")[0])
            if row["relation"] not in {"alembic_version", "server_region_days_held"}  # the second is no table
        }
        for each in (empty_database, database)
    )
    assert from_code == from_migrations


def test_each_version_has_its_ledger_row(database: Database) -> None:
    rows = database.rows("SELECT applied_by, applied_at <= now() AS past FROM schema_ledger")
    assert {(row["applied_by"], row["past"]) for row in rows} == {("postgres", True)}
    told = status(database.admin_url).ledger
    assert told[0].description.startswith("Organizations, people")
    assert [entry.version for entry in told] == [f"{number:04}" for number in range(1, int(head()) + 1)]


def test_the_ledgers_rollback_sql_undoes_the_version(own_database: Database) -> None:
    rows = own_database.rows("SELECT rollback_sql FROM schema_ledger ORDER BY version DESC")
    with psycopg.connect(own_database.admin_url) as connection:
        connection.execute(f"SET ROLE {OWNER}")
        for row in rows:
            connection.execute(str(row["rollback_sql"]))
    assert own_database.rows(IN_SCHEMA) == []
    assert status(own_database.admin_url).current is None


def test_a_migration_that_cannot_get_its_lock_gives_up_and_changes_nothing(own_database: Database) -> None:
    database = own_database
    downgrade(database.admin_url, "0001")
    before = database.rows(IN_SCHEMA)
    impatient = Timeouts(lock_s=0.2, statement_s=30, answer_s=40)
    with psycopg.connect(database.admin_url) as reader:
        reader.execute("SELECT count(*) FROM hosts")  # holds its lock until the transaction ends
        with pytest.raises(ConflictError) as caught:
            downgrade(database.admin_url, "base", timeouts=impatient)
    assert caught.value.code == "concurrent_update"
    assert database.rows(IN_SCHEMA) == before
    assert status(database.admin_url).current == "0001"


def test_a_migration_that_takes_too_long_is_ended_and_changes_nothing(empty_database: Database) -> None:
    with pytest.raises(DeadlineError):
        upgrade(empty_database.admin_url, timeouts=Timeouts(statement_s=0.001, answer_s=40))
    assert empty_database.rows(IN_SCHEMA) == []


def test_two_upgrades_at_once_make_one(empty_database: Database) -> None:
    outcomes: list[SchemaStatus | StrataError] = []
    start = threading.Barrier(3, timeout=10)

    def run() -> None:
        start.wait()
        try:
            outcomes.append(upgrade(empty_database.admin_url))
        except StrataError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.current for outcome in outcomes if isinstance(outcome, SchemaStatus)] == [head()] * 3
    assert len(empty_database.rows("SELECT FROM schema_ledger")) == int(head())


def test_an_upgrade_says_when_another_does_not_end(database: Database) -> None:
    with psycopg.connect(database.admin_url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(ConflictError) as caught:
            upgrade(database.admin_url, wait_s=0.1)
        assert caught.value.code == "migration_running"
    upgrade(database.admin_url, wait_s=0.1)


def test_the_lock_is_given_back_when_a_migration_dies(empty_database: Database) -> None:
    """The advisory lock belongs to the session: it cannot outlive it."""
    url = empty_database.admin_url
    with psycopg.connect(url) as blocker:
        blocker.execute("CREATE TABLE public.hosts ()")  # uncommitted: the migration waits for it
        died: list[StrataError] = []

        def run() -> None:
            try:
                upgrade(url, timeouts=MIGRATION_TIMEOUTS)
            except StrataError as error:
                died.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        waiting = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'strata-migrations' AND wait_event_type = 'Lock'"
        )
        eventually(lambda: empty_database.rows(waiting), what="the migration at the lock")
        empty_database.run(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS w")
        thread.join()
        blocker.rollback()
    assert [error.code for error in died] == ["store_unavailable"]
    assert upgrade(url, wait_s=5).current == head()


def test_an_unknown_version_is_said_to_be_one(database: Database) -> None:
    with pytest.raises(InvalidError) as caught:
        downgrade(database.admin_url, "9999")
    assert caught.value.code == "unknown_schema_version"


def test_the_template_and_its_copies_have_the_schema(
    new_database: Callable[..., Database], database_template: str
) -> None:
    assert status(new_database(database_template).admin_url).pending == ()
