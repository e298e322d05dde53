"""infra/postgres/roles.sql gives users that can do their part, and no other's."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from strata_stores.clock import SystemClock
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.wheels import postgres_home
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.health import relational_health
from strata_stores.postgres.migrating import upgrade
from strata_stores.postgres.roles import APP, OWNER, ROLES, WORKER

ROOT = Path(__file__).resolve().parents[3]
USERS = {"strata_app_login": APP, "strata_worker_login": WORKER, "strata_migrations_login": OWNER}


@pytest.fixture(scope="module")
def server():
    """Roles belong to a whole server, so this one is nobody else's."""
    directory = Path(tempfile.mkdtemp(prefix="strata-"))  # pytest's own paths are too long for a socket
    postgres = EmbeddedPostgres(
        directory / "postgres", directory / "run", settings={"fsync": "off", "shared_buffers": "32MB"}
    )
    postgres.start()
    try:
        postgres.create_database("strata")
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    directory = tmp_path_factory.mktemp("passwords")
    subprocess.run([ROOT / "infra/compose/make-secrets", directory], check=True, capture_output=True)
    return directory


def run_roles(server, passwords) -> subprocess.CompletedProcess[str]:
    parts = conninfo_to_dict(server.url(database="strata"))
    target = [f"--host={parts['host']}", f"--port={parts.get('port', 5432)}", f"--username={parts['user']}"]
    psql, file = postgres_home(18) / "bin" / "psql", ROOT / "infra/postgres/roles.sql"
    return subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--dbname=strata", *target, "--file", file],
        env={**os.environ, "PASSWORDS": str(passwords)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def migrated(server, passwords):
    first, again = run_roles(server, passwords), run_roles(server, passwords)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    upgrade(server.url(user="strata_migrations_login", database="strata"))
    return server


def test_a_user_of_migrations_without_special_rights_brings_the_schema_up(migrated):
    clock = SystemClock()
    engine = open_engine(migrated.url(user="strata_app_login", database="strata"), role=APP)
    try:
        health = relational_health(engine, clock)
    finally:
        engine.dispose()
    assert health.is_ready, health.detail


@pytest.mark.parametrize(("user", "role"), USERS.items())
def test_a_user_may_take_on_its_role_and_no_other(migrated, user, role):
    for other in ROLES:
        with psycopg.connect(migrated.url(user=user, database="strata"), autocommit=True) as connection:
            if other == role:
                connection.execute(f"SET ROLE {other}")
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SET ROLE {other}")


@pytest.mark.parametrize("user", USERS)
def test_a_user_has_no_rights_before_it_takes_on_its_role(migrated, user):
    url = migrated.url(user=user, database="strata")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT count(*) FROM public.hosts")


def test_every_user_has_a_password_and_nothing_special(migrated):
    with psycopg.connect(migrated.url(database="strata")) as connection:
        rows = connection.execute(
            "SELECT a.rolname, rolpassword LIKE 'SCRAM-SHA-256$%%', rolsuper OR rolbypassrls OR rolcreaterole"
            " OR rolcreatedb OR rolreplication FROM pg_authid a WHERE rolname = ANY(%s)",
            [[*USERS, *ROLES]],
        ).fetchall()
    assert {name for name, *_ in rows} == {*USERS, *ROLES}
    assert {name for name, has_password, _ in rows if has_password} == set(USERS)
    assert not any(is_special for *_, is_special in rows)


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
def test_a_password_file_that_says_nothing_stops_it(server, passwords, tmp_path, content):
    for path in passwords.glob("postgres_*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoilt = tmp_path / "postgres_worker_password"
    spoilt.unlink()
    if content is not None:
        spoilt.write_text(content)
    result = run_roles(server, tmp_path)
    assert result.returncode != 0
    assert "division by zero" in result.stderr or "password" in result.stderr
