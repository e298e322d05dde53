"""A Valkey of our own, on a unix socket only: cache, live bus and doorbell."""

import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from strata_datamodel.errors import StoreUnavailableError, UnavailableError
from strata_stores.embedded.child import Program
from strata_stores.embedded.orphans import stop_orphans
from strata_stores.embedded.output import ServerLog
from strata_stores.embedded.private import make_private
from strata_stores.embedded.process import RecoveringError, ServerProcess
from strata_stores.embedded.wheels import valkey_program

NAME: Final = "valkey"
_PROGRAM: Final = "valkey-server"
CHECK_TIMEOUT_S: Final = 2.0
STOP_STEPS: Final = ((signal.SIGTERM, 10.0),)  # writes and syncs its append file, then ends
ABORT_STEPS: Final = ((signal.SIGTERM, 1.0),)
# What it says when it gives up on its append file: torn in the middle, bad manifest, bad base file, file missing.
_DAMAGE: Final = ("append only file", "aof manifest", "loading db", "aof file")
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

_log = structlog.get_logger("strata.embedded")


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
        self.process = ServerProcess(NAME, ServerLog(log_path or data_dir.with_name(data_dir.name + ".log")))

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.is_alive()

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
        try:
            self.process.start(program, self.check)
        except UnavailableError:
            if not self._set_damaged_file_aside():
                raise
            self.process.start(program, self.check)

    def stop(self) -> None:
        """Idempotent. Returns when no process of it is left."""
        self.process.stop(STOP_STEPS)

    def abort(self) -> None:
        """A stop for one that does not answer."""
        self.process.stop(ABORT_STEPS)

    def _set_damaged_file_aside(self) -> bool:
        """A damaged append file must not keep Strata down: it held a cache, and rings that a poller makes up for."""
        kept = self.data_dir / "appendonlydir"
        last_lines = self.process.log.last_lines().lower()
        if not kept.exists() or not any(sign in last_lines for sign in _DAMAGE):
            return False
        damaged = kept.with_name("appendonlydir.damaged")
        shutil.rmtree(damaged, ignore_errors=True)
        kept.rename(damaged)
        _log.warning("valkey_append_file_damaged", moved_to=str(damaged))
        return True

    def check(self, timeout_s: float = CHECK_TIMEOUT_S) -> None:
        """A ping there and back. Raises StoreUnavailableError, RecoveringError when it only needs time."""
        try:
            with redis.Redis(
                unix_socket_path=os.fspath(self.socket_path),
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            ) as client:
                client.ping()
        except redis.BusyLoadingError as error:
            raise RecoveringError(NAME, str(error)) from error
        except redis.RedisError as error:
            raise StoreUnavailableError(NAME, str(error)) from error
