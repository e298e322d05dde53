"""The roles exist, are weak, and a set-up that is not allowed says exactly what to run."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from fixtures.embedded import UNSAFE_AND_FAST
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeniedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId, uuid7
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.postgres.connecting import Timeouts, connect
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.migrating import head, upgrade
from strata_stores.postgres.roles import APP, OWNER, READONLY, ROLES, WORKER, ensure_roles
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork

ALL_ROLES = """
    SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolcanlogin FROM pg_roles
    WHERE rolname LIKE 'strata%' ORDER BY rolname
"""


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedPostgres]:
    """Of this module alone, as roles belong to the whole server."""
    directory = Path(tempfile.mkdtemp(prefix="strata-"))
    server = EmbeddedPostgres(directory / "pg", directory / "run", settings=UNSAFE_AND_FAST)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def lone_server(own_server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """With an empty database, and no role but the superuser's."""
    own_server.create_database("strata")
    yield own_server
    for database in ("strata", "theirs", "others", "made"):
        run(own_server, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", database="postgres")
    for (role,) in run(
        own_server, "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'", database="postgres"
    ):
        run(own_server, f"DROP ROLE {role}", database="postgres")


def run(server: EmbeddedPostgres, *statements: str, database: str = "strata") -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(database=database), autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def statements_of(refusal: DeniedError) -> list[str]:
    assert refusal.hint is not None
    assert all(problem.detail in refusal.hint for problem in refusal.problems)
    return [problem.detail for problem in refusal.problems]


def test_the_roles_are_made_once_and_are_weak(lone_server: EmbeddedPostgres) -> None:
    ensure_roles(lone_server.url())
    made = run(lone_server, ALL_ROLES)
    assert {row[0] for row in made} == set(ROLES)
    assert {row[1:] for row in made} == {(False,) * 6}
    ensure_roles(lone_server.url())
    assert run(lone_server, ALL_ROLES) == made


def test_a_user_who_may_not_make_roles_is_told_the_sql_that_does(lone_server: EmbeddedPostgres) -> None:
    run(lone_server, "CREATE ROLE weak LOGIN", "CREATE DATABASE theirs OWNER weak")
    url = lone_server.url(user="weak", database="theirs")
    with pytest.raises(DeniedError) as caught:
        upgrade(url)
    assert caught.value.code == "roles_missing"
    told = [statement.replace("<the user of the migrations>", "weak") for statement in statements_of(caught.value)]
    assert told[:5] == [f"CREATE ROLE {role} NOLOGIN;" for role in ROLES]
    run(lone_server, *(statement for statement in told if "<" not in statement))
    assert upgrade(url).current == head()


def test_a_user_who_does_not_own_the_database_is_told_the_grants(lone_server: EmbeddedPostgres) -> None:
    ensure_roles(lone_server.url())
    run(lone_server, "CREATE ROLE weak LOGIN", f"GRANT {OWNER} TO weak", "CREATE DATABASE others")
    url = lone_server.url(user="weak", database="others")
    with pytest.raises(DeniedError) as caught:
        upgrade(url)
    assert caught.value.code == "owner_cannot_create"
    run(lone_server, *statements_of(caught.value), database="others")
    assert upgrade(url).current == head()


def test_a_user_who_may_make_roles_needs_no_superuser(lone_server: EmbeddedPostgres) -> None:
    run(lone_server, "CREATE ROLE maker LOGIN CREATEROLE", "CREATE DATABASE made OWNER maker")
    assert upgrade(lone_server.url(user="maker", database="made")).current == head()


@pytest.mark.parametrize(
    "weakened",
    [
        f"ALTER ROLE {APP} BYPASSRLS",
        f"ALTER ROLE {WORKER} SUPERUSER",
        f"GRANT {WORKER} TO {APP}",
        f"GRANT {OWNER} TO {READONLY}",
        f"CREATE ROLE mighty BYPASSRLS; GRANT mighty TO {APP}",
        f"CREATE ROLE between; GRANT between TO {APP}; GRANT {WORKER} TO between",
    ],
)
def test_a_role_that_could_look_past_the_walls_is_refused_with_the_remedy(
    lone_server: EmbeddedPostgres, weakened: str
) -> None:
    ensure_roles(lone_server.url())
    run(lone_server, weakened)
    with pytest.raises(DeniedError) as caught:
        ensure_roles(lone_server.url())
    assert caught.value.code == "roles_too_powerful"
    if "between" not in weakened:  # there the grant to the role between is the one to take back
        run(lone_server, *statements_of(caught.value))
        ensure_roles(lone_server.url())


def test_a_login_acts_as_its_role_and_only_that(lone_server: EmbeddedPostgres) -> None:
    upgrade(lone_server.url())
    run(lone_server, "CREATE ROLE api LOGIN", f"GRANT {APP} TO api")
    clock = SystemClock()
    organization = OrganizationId(uuid7(1))

    def opens(role: str) -> bool:
        engine = open_engine(lone_server.url(user="api"), role=role)
        units: UnitsOfWork = PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
        try:
            with units.organization(organization):
                return True
        except StoreUnavailableError:
            return False
        finally:
            engine.dispose()

    assert opens(APP)
    assert not opens(WORKER)


def test_options_in_the_url_are_kept_beside_ours(embedded_postgres: EmbeddedPostgres) -> None:
    url = f"{embedded_postgres.url(database='postgres')}&options={quote('-c search_path=elsewhere')}"
    with connect(url, timeouts=Timeouts(statement_s=7)) as connection:
        shown = [connection.execute(f"SHOW {name}").fetchone() for name in ("search_path", "statement_timeout")]
    assert shown == [("elsewhere",), ("7s",)]
