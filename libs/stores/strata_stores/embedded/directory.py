"""The data directory: one owner at a time, and a place for everything that embedded mode keeps."""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import platformdirs

from strata_datamodel.errors import ConflictError
from strata_stores.embedded.owner import DataDirectoryInUse, OwnerLock, RunningInstance, running_instance, unusable
from strata_stores.embedded.private import make_private
from strata_stores.embedded.sockets import remove_socket_directory, socket_directory

__all__ = ["DataDirectory", "DataDirectoryInUse", "RunningInstance", "default_data_dir", "running_instance"]


def default_data_dir() -> Path:
    return platformdirs.user_data_path("strata", appauthor=False)


class DataDirectory:
    """Enter it to own it. Its subdirectories are 0700 whatever the rights of a `root` that existed before."""

    def __init__(self, root: Path, *, command: str = "") -> None:
        self.root = root.expanduser().resolve()
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self.metrics = self.root / "metrics"
        self.logs = self.root / "logs"
        self.spool = self.root / "spool"
        self.archive = self.root / "archive"
        self.keys = self.root / "keys"
        self._command = command
        self._lock = OwnerLock(self.root)
        self._instance: RunningInstance | None = None
        self._run: Path | None = None

    @property
    def run(self) -> Path:
        """Where the sockets are."""
        if self._run is None:
            self._run = socket_directory(self.root)
        return self._run

    @property
    def postgres_socket_dir(self) -> Path:
        return self.run / "postgres"

    @property
    def valkey_socket(self) -> Path:
        return self.run / "valkey.sock"

    def acquire(self) -> None:
        """Raises DataDirectoryInUse, which names the owner."""
        try:
            make_private(self.root)
            _refuse_unsafe(self.root)
            self._instance = self._lock.acquire(self._command)
            # not `postgres` and `valkey`: those servers make theirs, under accounts of their own
            for directory in (self.metrics, self.logs, self.spool, self.archive, self.keys):
                make_private(directory)
        except OSError as error:
            self._lock.release()
            raise unusable(self.root, error) from error

    def release(self) -> None:
        """Idempotent. Only after the servers have stopped: the next owner takes any it finds for leftovers."""
        if self._instance is not None and self._run is not None:
            remove_socket_directory(self._run, self.root)
        self._run = self._instance = None
        self._lock.release()

    def announce(
        self,
        *,
        api_url: str | None = None,
        ingest_url: str | None = None,
        relational_url: str | None = None,
        redis_url: str | None = None,
    ) -> None:
        """Tells `running_instance` callers where things are. What is left out stays as announced before."""
        if self._instance is None:
            raise ConflictError(f"{self.root} is not held by this process", code="data_directory_not_held")
        said = {
            "api_url": api_url,
            "ingest_url": ingest_url,
            "relational_url": relational_url,
            "redis_url": redis_url,
        }
        self._instance = msgspec.structs.replace(
            self._instance, **{name: url for name, url in said.items() if url is not None}
        )
        self._lock.write(self._instance)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _refuse_unsafe(root: Path) -> None:
    """Whoever may rename things in `root` could put directories of their own in place of ours."""
    status = root.stat()
    if os.geteuid() not in {0, status.st_uid}:
        raise unusable(root, f"it belongs to uid {status.st_uid}")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise unusable(root, "everybody may write to it")
