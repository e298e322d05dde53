"""The open metrics files, and what their failures mean."""

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
from strata_stores.duckdb.partitions import Partitions
from strata_stores.duckdb.schema import CATALOGUE_TABLES
from strata_stores.duckdb.takeover import CATALOGUE_FILE, take_over

STORE: Final = "metrics"
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")


class Database:
    """Opened at first use. Each caller works on a cursor of its own, which is a connection of its own. What is not in
    `partitions` is in the catalogue's file, whose lock stands for all of them."""

    def __init__(
        self, directory: Path, *, memory_limit: str, threads: int, checkpoint_bytes: int, temp_bytes: int
    ) -> None:
        self._directory = directory
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": str(threads),
            "checkpoint_threshold": f"{checkpoint_bytes}B",
            "max_temp_directory_size": f"{temp_bytes}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "preserve_insertion_order": "false",
        }
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._is_closed = False
        self.partitions = Partitions(directory)

    def size_bytes(self) -> int:
        """All files, and what was written since their last checkpoints."""
        return sum(_size_bytes(path) for path in self._directory.glob("*.duckdb*"))

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
        """After an error that may have left the files' state in memory behind their state on disk."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError(STORE, "is closed")
            if self._connection is None:
                self._directory.mkdir(parents=True, exist_ok=True)
                take_over(self._directory, self._settings)
                connection = duckdb.connect(str(self._directory / CATALOGUE_FILE), config=self._settings)
                with _closing_on_error(connection):
                    _confine(connection, self._directory)
                    for statement in CATALOGUE_TABLES:
                        connection.execute(statement)
                    self.partitions.look(connection)
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
        return f"{self._directory} is held by {who}; metrics files have exactly one owner"


@contextmanager
def _closing_on_error(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _confine(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """To files of this directory. An instance that others still use is confined already, and takes no more settings."""
    if single_value(connection, "SELECT current_setting('enable_external_access')"):
        connection.execute("SET allowed_directories = [$directory]", {"directory": str(directory)})
        connection.execute("SET enable_external_access = false")


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # expired, or checkpointed, since it was listed
        return 0


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:500]
