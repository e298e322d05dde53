"""Keeps one server up: a thread that checks it, and starts it again when it died or does not answer."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from strata_datamodel.errors import StoreUnavailableError
from strata_stores.embedded.process import RecoveringError, ServerProcess

FAILED_CHECKS: Final = 3  # one late answer under load is no reason to end every session
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
CALM_CHECKS: Final = 30  # after so many good ones the next restart is immediate again
_JOIN_S: Final = 60.0

_log = structlog.get_logger("strata.embedded")


class Server(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def process(self) -> ServerProcess: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def abort(self) -> None:
        """A stop for one that does not answer: little patience."""
        ...

    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """`restarts` counts since `start`; `last_reason` is why the last one was needed, empty when none was."""

    name: str
    is_ready: bool
    pid: int | None = None
    restarts: int = 0
    last_reason: str = ""


def pause_s(restarts_in_a_row: int) -> float:
    """None before the first restart, then doubling up to the cap."""
    if restarts_in_a_row == 0:
        return 0.0
    return float(min(FIRST_PAUSE_S * 2 ** min(restarts_in_a_row - 1, 16), LONGEST_PAUSE_S))


class Watch:
    """One server and the thread that keeps it up."""

    def __init__(self, server: Server, on_restart: Callable[[str], None], check_every_s: float) -> None:
        self._server = server
        self._on_restart = on_restart
        self._check_every_s = check_every_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = ServerStatus(server.name, is_ready=False)
        self._failed_checks = 0
        self._calm_checks = 0
        self._in_a_row = 0

    @property
    def status(self) -> ServerStatus:
        return replace(
            self._status,
            pid=self._server.process.pid,
            is_ready=self._status.is_ready and self._server.process.is_alive(),
        )

    def start(self) -> None:
        self._stopping.clear()
        self._server.start()
        self._status = ServerStatus(self._server.name, is_ready=True)
        self._thread = threading.Thread(target=self._run, name=f"{self._server.name}-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.stop()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            self._thread = None
        self._server.stop()  # a restart that was under way may have brought it up once more
        self._status = replace(self._status, is_ready=False)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._server.process.wait_for_exit(self._check_every_s)  # a death wakes us at once
            if self._stopping.is_set():
                return
            try:
                reason = self._trouble()
                if reason:
                    self._restart(reason)
            except Exception as error:  # noqa: BLE001 - this loop must outlive every failure to keep the server up
                self._status = replace(self._status, is_ready=False, last_reason=str(error))
                _log.error("embedded_server_restart_failed", server=self._server.name, reason=str(error), exc_info=True)

    def _trouble(self) -> str:
        """Why it needs a restart; empty when it does not."""
        if not self._server.process.is_alive():
            return self._server.process.ending
        try:
            self._server.check()
        except RecoveringError:
            self._status = replace(self._status, is_ready=False)
            return ""
        except StoreUnavailableError as error:
            self._failed_checks += 1
            self._status = replace(self._status, is_ready=False)
            return f"{self._failed_checks} checks failed: {error}" if self._failed_checks >= FAILED_CHECKS else ""
        self._failed_checks = 0
        self._calm_checks += 1
        if self._calm_checks >= CALM_CHECKS:
            self._in_a_row = 0
        self._status = replace(self._status, is_ready=True)
        return ""

    def _restart(self, reason: str) -> None:
        self._status = replace(self._status, is_ready=False, last_reason=reason, restarts=self._status.restarts + 1)
        _log.warning(
            "embedded_server_restarting", server=self._server.name, reason=reason, restarts=self._status.restarts
        )
        pause = pause_s(self._in_a_row)
        self._in_a_row += 1
        self._calm_checks = self._failed_checks = 0
        if self._stopping.wait(pause):
            return
        self._server.abort()
        self._server.start()
        self._status = replace(self._status, is_ready=True)
        _log.info("embedded_server_restarted", server=self._server.name, restarts=self._status.restarts)
        self._on_restart(self._server.name)
