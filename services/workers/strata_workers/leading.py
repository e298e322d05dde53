"""Loops that run once, however many workers there are."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from strata_core.leases.commands import Lease, give_back, is_held, take_lease
from strata_core.ports.clock import Clock
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork

SHORTEST: Final = timedelta(seconds=10)
_RENEWED_AFTER: Final = 1 / 3


class Led:
    """Whether this worker leads a loop. The others ask again at each of their passes, so a leader that died is followed
    when its lease is over: after ten seconds, or two of the loop's pauses if that is longer."""

    def __init__(self, units: SystemUnitsOfWork, loop: str, worker: str, clock: Clock, *, pause_s: float) -> None:
        self._units = units
        self._name = f"loop.{loop}"
        self._worker = worker
        self._clock = clock
        self._duration = max(SHORTEST, timedelta(seconds=2 * pause_s))
        self._lease: Lease | None = None
        self._taken_s = 0.0

    def step(self, step: Callable[[], int]) -> Callable[[], int]:
        """For steps that bear to be taken twice at once, and are led to save work."""
        return lambda: step() if self._lead() is not None else 0

    def write(self, write: Callable[[UnitOfWork], int]) -> Callable[[], int]:
        """For steps that are one system transaction: one that was overtaken meanwhile writes nothing."""

        def fenced() -> int:
            lease = self._lead()
            if lease is None:
                return 0
            with self._units.system() as uow:
                if is_held(uow, lease):
                    return write(uow)
            self._lease = None
            return 0

        return fenced

    def give_back(self) -> None:
        """At a clean end: the next leader need not wait."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with self._units.system() as uow:
                give_back(uow, lease)

    def _lead(self) -> Lease | None:
        """Asked of the database only when a third of the lease is over."""
        now_s = self._clock.monotonic_s()
        if self._lease is not None and now_s - self._taken_s < self._duration.total_seconds() * _RENEWED_AFTER:
            return self._lease
        with self._units.system() as uow:
            self._lease = take_lease(uow, self._name, self._worker, duration=self._duration)
        self._taken_s = now_s
        return self._lease
