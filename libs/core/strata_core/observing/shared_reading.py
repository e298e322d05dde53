"""A reading that everybody may ask for and that costs something: taken once for all who ask within a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from strata_core.ports.clock import Clock

T = TypeVar("T")
FRESH_S: Final = 1.0


class SharedReading(Generic[T]):
    """Lives on one event loop. Who asks while it is being taken waits for that one, and holds no thread; an asker that
    hangs up takes it from nobody."""

    def __init__(self, take: Callable[[], Awaitable[T]], clock: Clock, *, fresh_s: float = FRESH_S) -> None:
        self._take = take
        self._clock = clock
        self._fresh_s = fresh_s
        self._flight: asyncio.Task[T] | None = None
        self._taken_at_s = float("-inf")

    async def latest(self) -> T:
        flight = self._flight
        if flight is None or self._is_old(flight):
            flight = self._flight = asyncio.get_running_loop().create_task(self._taken())
        return await asyncio.shield(flight)

    def _is_old(self, flight: asyncio.Task[T]) -> bool:
        return flight.done() and self._clock.monotonic_s() - self._taken_at_s >= self._fresh_s

    async def _taken(self) -> T:
        try:
            return await self._take()
        finally:
            self._taken_at_s = self._clock.monotonic_s()
