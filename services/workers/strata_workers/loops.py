"""Named loops: each a thread that takes a step, notes its heartbeat, and goes on whatever happens."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from strata_core.ports.clock import Clock
from strata_datamodel.errors import UnavailableError

log = structlog.get_logger(__name__)
MAX_PAUSE_S = 30.0
STEP_ALLOWANCE_S = 60.0


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """`last_error` is empty while the newest step went well. Silent for longer than `stale_s` means a hung step, be it
    the first; None means that it was never started."""

    name: str
    stale_s: float
    beats: int
    failures: int
    silent_s: float | None
    last_error: str


class Loop:
    """`step` returns how many things it did: after some it is called again at once, after none following `pause_s`."""

    def __init__(self, name: str, step: Callable[[], int], clock: Clock, *, pause_s: float) -> None:
        self._name = name
        self._step = step
        self._clock = clock
        self._pause_s = pause_s
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"loop-{name}", daemon=True)
        self._beats = 0
        self._failures = 0
        self._failures_in_a_row = 0
        self._alive_s: float | None = None
        self._last_error = ""

    def start(self) -> None:
        self._alive_s = self._clock.monotonic_s()
        self._thread.start()

    def wake(self) -> None:
        """Take the next step now."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Returns at once; the step under way finishes."""
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Waits for the step under way."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def status(self) -> LoopStatus:
        silent_s = None if self._alive_s is None else self._clock.monotonic_s() - self._alive_s
        stale_s = self._pause_s + STEP_ALLOWANCE_S
        return LoopStatus(self._name, stale_s, self._beats, self._failures, silent_s, self._last_error)

    def beat(self) -> None:
        """All is well: called after each step, and by steps that last long."""
        self._beats += 1
        self._failures_in_a_row = 0
        self._last_error = ""
        self._alive_s = self._clock.monotonic_s()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._take_step():
                self._wake.wait(self._pause())
                self._wake.clear()

    def _take_step(self) -> int:
        try:
            done = self._step()
        except UnavailableError as error:
            self._note_failure(error.detail)
            log.warning("loop_waits_for_store", loop=self._name, reason=error.detail)
            return 0
        except Exception as error:
            # A process loop outlives any one step: the failure is logged, counted and seen in the heartbeat.
            self._note_failure(type(error).__name__)
            log.exception("loop_step_failed", loop=self._name)
            return 0
        self.beat()
        return done

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._failures_in_a_row += 1
        self._last_error = reason

    def _pause(self) -> float:
        if not self._failures_in_a_row:
            return self._pause_s
        return float(min(MAX_PAUSE_S, max(self._pause_s, 0.1) * 2.0 ** min(self._failures_in_a_row, 10)))
