"""What infra/backup copies comes back, and is not copied while it changes."""

import os
import subprocess
from pathlib import Path

import pytest
from psycopg import sql

from strata_stores.embedded.directory import DataDirectory
from strata_stores.embedded.wheels import postgres_home
from strata_stores.postgres.roles import APP

ROOT = Path(__file__).resolve().parents[3]
BACK_UP, RESTORE = ROOT / "infra/backup/back-up-embedded", ROOT / "infra/backup/restore-embedded"


# Summaries are made anew in passing, from tables that bind their owner too.
RESTORE_OPTIONS = ("--exit-on-error", "--enable-row-security")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


@pytest.fixture
def data(tmp_path):
    """What a stopped Strata leaves, in small."""
    root = tmp_path / "data"
    with DataDirectory(root, command="strata up") as directory:
        (directory.keys / "wrapping.json").write_text('{"keys":[]}')
        (directory.metrics / "metrics.duckdb").write_bytes(os.urandom(4096))
        directory.postgres.mkdir(mode=0o700)
        (directory.postgres / "PG_VERSION").write_text("18\n")
    return root


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    found = (path for path in root.rglob("*") if path.is_file() and path.name != "owner.lock")
    return {str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes()) for path in found}


def test_a_copy_comes_back_whole(data, tmp_path):
    assert run(BACK_UP, data, tmp_path / "copy.tar.gz").returncode == 0
    assert (tmp_path / "copy.tar.gz").stat().st_mode & 0o077 == 0, "it holds a key"
    assert run(RESTORE, tmp_path / "copy.tar.gz", tmp_path / "again").returncode == 0
    assert files(tmp_path / "again") == files(data)
    assert (tmp_path / "again" / "keys").stat().st_mode & 0o777 == 0o700


def test_nothing_is_copied_while_strata_runs(data, tmp_path):
    with DataDirectory(data, command="strata up"):
        result = run(BACK_UP, data, tmp_path / "copy.tar.gz")
    assert result.returncode == 1
    assert "stop Strata first" in result.stderr
    assert not (tmp_path / "copy.tar.gz").exists()


def test_servers_that_were_not_stopped_cleanly_are_not_copied(data, tmp_path):
    (data / "postgres" / "postmaster.pid").write_text("1\n")
    result = run(BACK_UP, data, tmp_path / "copy.tar.gz")
    assert result.returncode == 1
    assert "not stopped cleanly" in result.stderr


def test_neither_a_copy_nor_a_data_directory_is_overwritten(data, tmp_path):
    assert run(BACK_UP, data, tmp_path / "copy.tar.gz").returncode == 0
    before = (tmp_path / "copy.tar.gz").read_bytes()
    assert run(BACK_UP, data, tmp_path / "copy.tar.gz").returncode == 1
    assert (tmp_path / "copy.tar.gz").read_bytes() == before
    assert run(RESTORE, tmp_path / "copy.tar.gz", data).returncode == 1


def test_a_damaged_copy_is_not_restored(data, tmp_path):
    assert run(BACK_UP, data, tmp_path / "copy.tar.gz").returncode == 0
    damaged = bytearray((tmp_path / "copy.tar.gz").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.tar.gz").write_bytes(damaged)
    result = run(RESTORE, tmp_path / "damaged.tar.gz", tmp_path / "again")
    assert result.returncode == 1
    assert "is damaged" in result.stderr
    assert not (tmp_path / "again").exists()


def test_a_dump_of_the_database_comes_back_with_its_walls(database, two_organizations, new_database, tmp_path):
    """By the programs and in the way that the guide says."""
    programs = postgres_home(18) / "bin"
    dump = tmp_path / "strata.dump"
    assert run(programs / "pg_dump", "--format=custom", f"--file={dump}", database.admin_url).returncode == 0
    again = new_database()
    result = run(programs / "pg_restore", *RESTORE_OPTIONS, f"--dbname={again.admin_url}", dump)
    assert result.returncode == 0, result.stderr
    for table in ("organizations", "hosts", "schema_ledger", "audit_log"):
        query = sql.SQL("SELECT * FROM {} ORDER BY 1, 2").format(sql.Identifier(table)).as_string()
        assert again.rows(query) == database.rows(query), table
    walls = "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relrowsecurity ORDER BY 1"
    assert again.rows(walls) == database.rows(walls)
    policies = "SELECT * FROM pg_policies ORDER BY tablename, policyname"
    assert again.rows(policies) == database.rows(policies)
    owners = "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert again.rows(owners) == database.rows(owners)
    seen = run(programs / "psql", "--no-psqlrc", "-At", "-c", "SELECT count(*) FROM hosts", again.url(APP))
    assert seen.stdout.strip() == "0", "rows of every organization are seen without being bound to one"
