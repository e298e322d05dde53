"""The process of a server that may be started again and again: one at a time, ready or not at all."""

import signal
from collections.abc import Callable, Sequence
from typing import Final

from strata_datamodel.errors import StoreUnavailableError, UnavailableError
from strata_stores.embedded.child import Child, Program
from strata_stores.embedded.output import ServerLog

START_TIMEOUT_S: Final = 60.0
RECOVERY_TIMEOUT_S: Final = 900.0  # replaying a log on a slow disk is slow, not broken
_PAUSE_S: Final = 0.02


class RecoveringError(StoreUnavailableError):
    """It runs and will answer: it replays its log."""


class ServerProcess:
    def __init__(self, name: str, log: ServerLog) -> None:
        self.name = name
        self.log = log
        self._child: Child | None = None
        self._last: Child | None = None

    @property
    def pid(self) -> int | None:
        child = self._child
        return child.pid if child and child.is_alive() else None

    @property
    def ending(self) -> str:
        """How the last one ended, for people."""
        code = self._last.returncode if self._last else None
        if code is None:
            return f"{self.name} does not run"
        if code < 0:
            return f"{self.name} was ended by signal {-code} ({signal.strsignal(-code)})"
        return f"{self.name} ended with status {code}"

    def is_alive(self) -> bool:
        child = self._child
        return child is not None and child.is_alive()

    def wait_for_exit(self, timeout_s: float) -> bool:
        """True once none runs, at once when none does."""
        child = self._child
        return child is None or child.wait(timeout_s)

    def start(self, program: Program, check: Callable[[], None]) -> None:
        """Returns when `check` passes; raises UnavailableError with the server's last words, and then none runs."""
        child = Child(self.name, program, self.log)
        self._child = self._last = child
        try:
            child.spawn()
            self._wait_until_ready(child, check)
        except BaseException:
            self.stop(())
            raise

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
        """Idempotent, and a `start` under way in another thread fails. True when there was something to stop."""
        child = self._child
        if child is None:
            return False
        child.stop(steps)
        self._child = None
        return True

    def _wait_until_ready(self, child: Child, check: Callable[[], None]) -> None:
        waited_s = 0.0
        trouble = ""
        limit_s = START_TIMEOUT_S
        while waited_s < limit_s:
            if child.wait(_PAUSE_S):
                raise self._failure(f"{self.ending} while starting")
            waited_s += _PAUSE_S
            try:
                check()
            except RecoveringError:
                limit_s = RECOVERY_TIMEOUT_S
            except StoreUnavailableError as error:
                trouble = f" ({error.detail})"
            else:
                return
        raise self._failure(f"{self.name} did not answer in {limit_s:.0f} s{trouble}")

    def _failure(self, what: str) -> UnavailableError:
        return UnavailableError(
            f"{what}:\n{self.log.last_lines()}", code=f"{self.name}_start", hint=f"its log is {self.log.path}"
        )
