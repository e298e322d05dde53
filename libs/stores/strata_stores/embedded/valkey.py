"""A Valkey of our own, on a unix socket only: cache, live bus and doorbell."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import redis

from strata_datamodel.errors import StoreUnavailableError, UnavailableError
from strata_stores.embedded.child import Child, Program
from strata_stores.embedded.orphans import stop_orphans
from strata_stores.embedded.output import ServerLog
from strata_stores.embedded.private import make_private
from strata_stores.embedded.wheels import valkey_program

NAME: Final = "valkey"
_PROGRAM: Final = "valkey-server"
CHECK_TIMEOUT_S: Final = 2.0
START_TIMEOUT_S: Final = 30.0
_PAUSE_S: Final = 0.02
STOP_STEPS: Final = ((signal.SIGTERM, 10.0),)  # writes and syncs its append file, then ends
_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "port": "0",
        "protected-mode": "yes",
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "auto-aof-rewrite-min-size": "16mb",
        "maxmemory": "256mb",
        # Only keys with a time to live go: those are cache entries. Doorbells have none and stay, and when they alone
        # fill the memory a write is refused and counted, which costs latency and no work.
        "maxmemory-policy": "volatile-lru",
        "unixsocketperm": "700",
        "logfile": "",
        "loglevel": "notice",
        "enable-debug-command": "no",
        "enable-module-command": "no",
        "databases": "16",
    }
)


class EmbeddedValkey:
    """`data_dir` and the directory of `socket_path` belong to this object alone."""

    def __init__(
        self,
        data_dir: Path,
        socket_path: Path,
        *,
        settings: Mapping[str, str] = _NO_SETTINGS,
        log_path: Path | None = None,
    ) -> None:
        self.name = NAME
        self.data_dir = data_dir
        self.socket_path = socket_path
        self._settings = {**_SETTINGS, **settings}
        self._log = ServerLog(log_path or data_dir.with_name(data_dir.name + ".log"))
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.is_alive() else None

    def is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    def wait_for_exit(self, timeout_s: float) -> bool:
        """True at once when it does not run."""
        return self._child is None or self._child.wait(timeout_s)

    def url(self) -> str:
        return f"unix://{quote(str(self.socket_path))}"

    def start(self) -> None:
        """Returns when it answers. What an earlier owner left is stopped and cleared first. Idempotent."""
        if self.is_alive():
            return
        make_private(self.data_dir)
        make_private(self.socket_path.parent)
        stop_orphans(self.data_dir, _PROGRAM, STOP_STEPS)
        self.socket_path.unlink(missing_ok=True)
        settings = {**self._settings, "dir": str(self.data_dir), "unixsocket": str(self.socket_path)}
        command = [str(valkey_program())]
        command += [part for name, value in settings.items() for part in (f"--{name}", value)]
        program = Program(command, self.data_dir, account=None, death_signal=signal.SIGTERM)
        self._child = Child(NAME, program, self._log)
        self._child.spawn()
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Idempotent. Returns when no process of it is left."""
        child, self._child = self._child, None
        if child is not None:
            child.stop(STOP_STEPS)

    def check(self, timeout_s: float = CHECK_TIMEOUT_S) -> None:
        """Raises StoreUnavailableError. While it loads its append file it answers LOADING, which is not ready."""
        try:
            with redis.Redis(
                unix_socket_path=os.fspath(self.socket_path), socket_timeout=timeout_s, socket_connect_timeout=timeout_s
            ) as client:
                client.ping()
        except redis.RedisError as error:
            raise StoreUnavailableError(NAME, str(error)) from error

    def _wait_until_ready(self, child: Child) -> None:
        waited_s = 0.0
        while waited_s < START_TIMEOUT_S:
            if child.wait(_PAUSE_S):
                raise UnavailableError(
                    f"Valkey ended with status {child.returncode} while starting:\n{self._log.last_lines()}",
                    code="valkey_start",
                    hint=f"its log is {self._log.path}",
                )
            try:
                self.check()
            except StoreUnavailableError:
                waited_s += _PAUSE_S
            else:
                return
        raise UnavailableError(
            f"Valkey did not answer in {START_TIMEOUT_S:.0f} s:\n{self._log.last_lines()}",
            code="valkey_start",
            hint=f"its log is {self._log.path}",
        )
