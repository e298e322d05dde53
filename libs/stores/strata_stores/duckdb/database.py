"""The one open metrics file, and what its failures mean."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from strata_datamodel.errors import DeadlineError, LimitError, StoreUnavailableError
from strata_stores.duckdb.deadline import deadline
from strata_stores.duckdb.frames import single_value
from strata_stores.duckdb.schema import HAS_NEWEST_TIMES, NEWEST_TIMES, NEWEST_TIMES_OF_ALL, TABLES

STORE: Final = "metrics"
_FILE: Final = "metrics.duckdb"
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")


class Database:
    """Opened at first use. Each caller works on a cursor of its own, which is a connection of its own."""

    def __init__(
        self, directory: Path, *, memory_limit: str, threads: int, checkpoint_bytes: int, temp_bytes: int
    ) -> None:
        self._path = directory / _FILE
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": str(threads),
            "checkpoint_threshold": f"{checkpoint_bytes}B",
            "max_temp_directory_size": f"{temp_bytes}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "enable_external_access": "false",
            "preserve_insertion_order": "false",
        }
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._is_closed = False

    def size_bytes(self) -> int:
        """The file and what was written since its last checkpoint."""
        files = (self._path, self._path.with_name(self._path.name + ".wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @contextmanager
    def cursor(self, timeout_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        """For statements that all together take at most this long. An open transaction is rolled back at the end."""
        with self._translated(), closing(self._open().cursor()) as cursor, deadline(cursor, timeout_s):
            yield cursor

    def close(self) -> None:
        """Checkpoints, so that the next start has nothing to replay."""
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def reopen_at_next_use(self) -> None:
        """After an error that may have left the file's state in memory behind its state on disk."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError(STORE, "is closed")
            if self._connection is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                connection = duckdb.connect(str(self._path), config=self._settings)
                with _closing_on_error(connection):
                    bring_up_to_date(connection)
                self._connection = connection
            return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DeadlineError:
            raise
        except duckdb.OutOfMemoryException as error:
            raise LimitError(
                "this needs more memory than the metric store may take",
                code="query_memory",
                hint="ask for a shorter range or fewer series, or raise the store's memory limit",
            ) from error
        except (duckdb.FatalException, duckdb.InternalException) as error:
            self.reopen_at_next_use()
            raise StoreUnavailableError(STORE, f"failed and will be opened again: {_first_line(error)}") from error
        except duckdb.IOException as error:
            raise StoreUnavailableError(STORE, self._io_reason(error)) from error
        except (duckdb.Error, OSError) as error:
            raise StoreUnavailableError(STORE, _first_line(error)) from error

    def _io_reason(self, error: duckdb.IOException) -> str:
        text = str(error)
        if "Conflicting lock" not in text:
            return _first_line(error)
        holder = _HOLDER.search(text)
        who = f"process {holder[1]}" if holder else "another process"
        return f"{self._path} is held by {who}; a metrics file has exactly one owner"


@contextmanager
def _closing_on_error(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Older files lack the newest times. Those are gathered once, for as long as that takes: under a
    time limit, a large file could never be opened. All or nothing, so that a kill in between does no harm."""
    for statement in TABLES:
        connection.execute(statement)
    if single_value(connection, HAS_NEWEST_TIMES):
        return
    connection.begin()
    connection.execute(NEWEST_TIMES)
    connection.execute(NEWEST_TIMES_OF_ALL)
    connection.commit()


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:500]
