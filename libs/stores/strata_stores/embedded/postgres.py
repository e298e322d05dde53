"""A PostgreSQL of our own, on a unix socket only."""

import select
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from strata_datamodel.errors import StoreUnavailableError
from strata_stores.embedded.account import give, server_account
from strata_stores.embedded.child import Program
from strata_stores.embedded.orphans import stop_orphans
from strata_stores.embedded.output import ServerLog
from strata_stores.embedded.postgres_cluster import SUPERUSER, ensure_cluster, installation, open_installation
from strata_stores.embedded.postgres_settings import option_list
from strata_stores.embedded.private import make_private
from strata_stores.embedded.process import RecoveringError, ServerProcess
from strata_stores.embedded.traversal import open_way

NAME: Final = "postgres"
CHECK_TIMEOUT_S: Final = 2.0
# fast shutdown (ends sessions, writes a checkpoint), then immediate (the next start replays the WAL)
STOP_STEPS: Final = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
ABORT_STEPS: Final = ((signal.SIGQUIT, 5.0),)
ORPHAN_STEPS: Final = ((signal.SIGINT, 4.0), *ABORT_STEPS)  # a start waits for this
_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


class EmbeddedPostgres:
    """`data_dir` and `socket_dir` belong to this object alone: hold a DataDirectory, or a directory of your own."""

    def __init__(
        self,
        data_dir: Path,
        socket_dir: Path,
        *,
        port: int = 5432,
        settings: Mapping[str, str] = _NO_SETTINGS,
        log_path: Path | None = None,
    ) -> None:
        self.name = NAME
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self.port = port
        self._settings = dict(settings)
        self.process = ServerProcess(NAME, ServerLog(log_path or data_dir.with_name(data_dir.name + ".log")))

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def url(self, user: str = SUPERUSER, database: str = "strata") -> str:
        return (
            f"postgresql://{quote(user, '')}@/{quote(database, '')}?host={quote(str(self.socket_dir))}&port={self.port}"
        )

    def start(self) -> None:
        """Returns when it answers queries. What an earlier owner left is stopped and cleared first. Idempotent."""
        if self.is_alive():
            return
        account = server_account(self.data_dir)
        make_private(self.data_dir.parent)
        make_private(self.socket_dir)
        self._clear_leftovers()
        ensure_cluster(self.data_dir, account)
        give(self.socket_dir, account)
        open_way(self.data_dir, account)
        open_way(self.socket_dir, account)
        open_installation(account)
        command = [str(installation() / "bin" / "postgres"), "-D", str(self.data_dir)]
        command += option_list(self.socket_dir, self.port, self._settings)
        program = Program(command, self.data_dir, account, death_signal=signal.SIGINT)
        self.process.start(program, self.check)

    def stop(self) -> None:
        """Idempotent. Returns when no process of it is left."""
        # PostgreSQL 18 never ends a fast shutdown that comes while it recovers from the crash of one of its backends:
        # it waits for a checkpointer that nobody told. An immediate one loses nothing then, as there is no session.
        self._end(STOP_STEPS if self._answers() else ABORT_STEPS)

    def abort(self) -> None:
        """A stop for one that does not answer: the next start replays the log."""
        self._end(ABORT_STEPS)

    def check(self, timeout_s: float = CHECK_TIMEOUT_S) -> None:
        """A query there and back. Raises StoreUnavailableError, RecoveringError when it only needs time."""
        try:
            with self._connect() as connection:
                _round_trip(connection, timeout_s)
        except psycopg.Error as error:
            kind = RecoveringError if "the database system is" in str(error) else StoreUnavailableError
            raise kind(NAME, str(error).strip()) from error

    def create_database(self, name: str) -> None:
        """Idempotent."""
        with self._connect() as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if row is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _answers(self) -> bool:
        if not self.is_alive():
            return False
        try:
            self.check()
        except StoreUnavailableError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            self.url(database="postgres"), connect_timeout=2, autocommit=True, application_name="strata-supervisor"
        )

    def _clear_leftovers(self) -> None:
        if self.data_dir.exists():
            stop_orphans(self.data_dir, NAME, ORPHAN_STEPS)
        # Nothing runs here now, so these are lies. PostgreSQL would believe a pid that another process has got since.
        socket_name = f".s.PGSQL.{self.port}"
        stale = (
            self.data_dir / "postmaster.pid",
            self.socket_dir / socket_name,
            self.socket_dir / f"{socket_name}.lock",
        )
        for path in stale:
            path.unlink(missing_ok=True)

    def _end(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        if self.process.stop(steps) and self.data_dir.exists():
            stop_orphans(self.data_dir, NAME, ABORT_STEPS)  # the backends of one that was killed


def _round_trip(connection: psycopg.Connection[tuple[object, ...]], timeout_s: float) -> None:
    """By hand, as psycopg waits without end for the answer of a backend that hangs (a frozen process, a dead disk)."""
    link = connection.pgconn
    link.send_query(b"SELECT 1")
    answers = select.poll()  # not `select`: that one refuses descriptors above 1023
    answers.register(link.socket, select.POLLIN)
    while link.is_busy():
        if not answers.poll(timeout_s * 1000):
            raise psycopg.OperationalError(f"no answer to a query in {timeout_s} s")
        link.consume_input()
    while (result := link.get_result()) is not None:
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
