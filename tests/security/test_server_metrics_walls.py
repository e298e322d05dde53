"""Server metrics: the walls of what the database makes itself, and of a view that has no row security."""

from datetime import timedelta

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import func, select

from fixtures.relational import Database, TwoOrganizations
from security.test_row_security_catalogue import FOREIGN_KEYS_ACROSS, UNWALLED_TENANT_TABLES
from security.test_row_security_holes import count, session
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeniedError
from strata_stores.postgres.roles import APP, AUDITOR, OWNER, READONLY, WORKER

SPY = """
    CREATE FUNCTION pg_temp.told(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
    AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$
"""
DAY = """
    INSERT INTO server_metrics_daily (organization_id, server_id, day, region, samples, cpu_samples, cpu_sum, cpu_max,
        memory_samples, disk_samples, load_samples, errors)
    SELECT organization_id, id, app.now()::date, 'eu', 1, 1, 50, 50, 0, 0, 0, 0 FROM hosts
"""


@pytest.fixture
def summed_up(database: Database, two_organizations: TwoOrganizations, system_units: SystemUnitsOfWork) -> Database:
    """A day of a host of each organization, and the view made anew, by a worker bound to the first of them."""
    database.run("INSERT INTO hosts (organization_id, name) VALUES (%s, 'acme-1')", two_organizations.first)
    database.run(DAY)
    with system_units.organization(two_organizations.first) as uow:
        uow.execute(select(func.app.keep_server_parts(timedelta(days=35))))
        uow.execute(select(func.app.refresh_server_summaries()))
    return database


def test_a_refresh_sums_up_all_organizations_whichever_it_is_bound_to(
    summed_up: Database, two_organizations: TwoOrganizations
) -> None:
    held = summed_up.rows("SELECT organization_id FROM server_region_days_held")
    assert {row["organization_id"] for row in held} == {two_organizations.first, two_organizations.second}


@pytest.mark.parametrize("role", [APP, WORKER, READONLY])
def test_the_view_shows_an_organization_its_own_and_nobody_more(
    summed_up: Database, two_organizations: TwoOrganizations, role: str
) -> None:
    with session(summed_up, role, organization_id=two_organizations.first, summing_up="on", system="on") as connection:
        assert count(connection, "server_region_days") == 1
        if role != WORKER:
            assert count(connection, "server_metrics_daily") == 1
    with session(summed_up, role, summing_up="on") as connection:
        assert count(connection, "server_region_days") == 0
        assert count(connection, "server_metrics_daily") == 0


def test_a_condition_of_the_readers_own_does_not_see_others_rows(
    summed_up: Database, two_organizations: TwoOrganizations
) -> None:
    heard: list[str] = []
    with session(summed_up, APP, organization_id=two_organizations.first) as connection:
        connection.add_notice_handler(lambda told: heard.append(str(told.message_primary)))
        connection.execute(SPY)
        connection.execute("SELECT count(*) FROM server_region_days WHERE pg_temp.told(organization_id::text)")
    assert heard == [str(two_organizations.first)]


@pytest.mark.parametrize("role", [APP, WORKER, READONLY, AUDITOR])
@pytest.mark.parametrize("relation", ["server_region_days_held", "server_parts.{part}"])
def test_neither_the_held_rows_nor_a_part_can_be_read_directly(summed_up: Database, role: str, relation: str) -> None:
    row = summed_up.rows("SELECT min(relname)::text AS part FROM pg_class WHERE relname LIKE 'server_metrics\\_2%%'")[0]
    with session(summed_up, role, system="on") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(f"SELECT * FROM {relation.format(**row)}")


def test_parts_are_walled_themselves(summed_up: Database) -> None:
    made = summed_up.rows("SELECT relname FROM pg_class WHERE relnamespace = 'server_parts'::regnamespace")
    assert len(made) > 10
    assert summed_up.rows(UNWALLED_TENANT_TABLES) == []
    assert summed_up.rows(FOREIGN_KEYS_ACROSS) == []


def test_the_owner_sees_all_days_while_it_sums_up_and_not_a_row_else(summed_up: Database) -> None:
    with session(summed_up, OWNER) as connection:
        assert count(connection, "server_metrics_daily") == 0
        assert count(connection, "hosts") == 0
    with session(summed_up, OWNER, summing_up="on") as connection:
        assert count(connection, "server_metrics_daily") == 2
        assert count(connection, "hosts") == 0
        assert count(connection, "server_metrics") == 0


def test_only_workers_make_parts_and_refresh(
    database: Database, units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    for call in (func.app.keep_server_parts(timedelta(days=35)), func.app.refresh_server_summaries()):
        with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
            uow.execute(select(call))


def test_no_worker_can_drop_what_is_still_kept(database: Database) -> None:
    with session(database, WORKER) as connection, pytest.raises(psycopg.DataError):
        connection.execute("SELECT app.keep_server_parts('1 day')")
