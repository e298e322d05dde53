"""Brings the schema to a version, and tells which it has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import StringIO
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, inspect, select, text

from strata_datamodel.errors import ConflictError, InvalidError
from strata_datamodel.tables.ledger import schema_ledger
from strata_migrations import LOCATION
from strata_stores.postgres.connecting import Timeouts
from strata_stores.postgres.engine import open_unpooled_engine
from strata_stores.postgres.failures import mapped_failures
from strata_stores.postgres.roles import OWNER, ensure_roles_on

# A migration that waits for a lock makes all queries behind it wait too: better to give up and be run again.
MIGRATION_TIMEOUTS: Final = Timeouts(statement_s=600, lock_s=5, idle_in_transaction_s=60, answer_s=660)
WAIT_FOR_OTHERS_S: Final = 120
LOCK_KEY: Final = 0x5354_5241_5441  # "STRATA"
OLDEST_SERVER: Final = 150_000


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    version: str
    description: str
    applied_at: datetime
    applied_by: str
    rollback_sql: str


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current` is None before the first migration. `pending` is in the order of application."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    ledger: tuple[LedgerEntry, ...]


def upgrade(
    url: str,
    target: str = "head",
    *,
    timeouts: Timeouts = MIGRATION_TIMEOUTS,
    wait_s: float = WAIT_FOR_OTHERS_S,
    on_statement: Callable[[str], None] | None = None,
) -> SchemaStatus:
    """Makes sure of the roles, then applies what is missing: a transaction each, so that a failure leaves the last good
    version. One run at a time: others wait up to `wait_s` (then ConflictError `migration_running`) and find it done."""
    with _locked(url, timeouts, wait_s) as connection:
        ensure_roles_on(connection)
        connection.commit()
        applied_by = connection.execute(text("SELECT session_user")).scalar_one()
        _act_as_owner(connection)
        config = _config()
        config.attributes["connection"] = connection
        config.attributes["applied_by"] = applied_by
        config.attributes["rollbacks"] = {revision.revision: rollback_sql(revision) for revision in _revisions()}
        _run(lambda: command.upgrade(config, target))
        return _status(connection)


def downgrade(
    url: str, target: str, *, timeouts: Timeouts = MIGRATION_TIMEOUTS, wait_s: float = WAIT_FOR_OTHERS_S
) -> SchemaStatus:
    """`base` takes everything away. Data in dropped tables is gone."""
    with _locked(url, timeouts, wait_s) as connection:
        _act_as_owner(connection)
        config = _config()
        config.attributes["connection"] = connection
        _run(lambda: command.downgrade(config, target))
        return _status(connection)


def status(url: str, *, timeouts: Timeouts = MIGRATION_TIMEOUTS) -> SchemaStatus:
    engine = open_unpooled_engine(url, timeouts=timeouts, application="strata-migrations")
    try:
        with mapped_failures(), engine.connect() as connection:
            return _status(connection)
    finally:
        engine.dispose()


@cache
def head() -> str:
    """The version this code expects. Read once: the scripts are part of the code."""
    return ScriptDirectory.from_config(_config()).get_current_head() or "base"


def rollback_sql(revision: Script) -> str:
    """What `downgrade` would run to undo this version."""
    config = _config()
    config.output_buffer = StringIO()
    command.downgrade(config, f"{revision.revision}:{revision.down_revision or 'base'}", sql=True)
    return config.output_buffer.getvalue().strip()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(LOCATION).replace("%", "%%"))
    return config


def _revisions() -> list[Script]:
    """Oldest first."""
    return list(ScriptDirectory.from_config(_config()).walk_revisions())[::-1]


@contextmanager
def _locked(url: str, timeouts: Timeouts, wait_s: float) -> Iterator[Connection]:
    engine = open_unpooled_engine(url, timeouts=timeouts, application="strata-migrations")
    try:
        with mapped_failures(), engine.connect() as connection:
            _refuse_old_server(connection)
            _take_lock(connection, engine, wait_s)
            yield connection  # closing the connection gives the lock back, also after a crash
    finally:
        engine.dispose()


def _take_lock(connection: Connection, engine: Engine, wait_s: float) -> None:
    connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{round(wait_s * 1000)}ms"})
    try:
        with mapped_failures():
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
    except ConflictError:
        raise ConflictError(
            "another migration is running on this database", code="migration_running", hint="wait for it to end"
        ) from None
    connection.commit()


def _refuse_old_server(connection: Connection) -> None:
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise InvalidError(f"PostgreSQL 15 or newer is needed, this is {version // 10_000}", code="server_too_old")


def _act_as_owner(connection: Connection) -> None:
    connection.execute(text(f"SET ROLE {OWNER}"))
    connection.commit()


def _run(migration: Callable[[], None]) -> None:
    try:
        migration()
    except CommandError as error:
        raise InvalidError(f"no such schema version: {error}", code="unknown_schema_version") from None


def _status(connection: Connection) -> SchemaStatus:
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(_config())
    pending = [revision.revision for revision in scripts.iterate_revisions("head", current or "base")]
    ledger: list[LedgerEntry] = []
    if inspect(connection).has_table(schema_ledger.name):
        rows = connection.execute(select(schema_ledger).order_by(schema_ledger.c.version)).mappings()
        ledger = [LedgerEntry(**row) for row in rows]
    connection.rollback()
    return SchemaStatus(current, scripts.get_current_head() or "base", tuple(reversed(pending)), tuple(ledger))
