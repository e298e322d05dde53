"""The one place that reads the wall clock."""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    @property
    def offset(self) -> timedelta:
        return timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


class ShiftedClock:
    """Real time plus an offset that a test moves forward."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    @property
    def offset(self) -> timedelta:
        return self._offset

    def advance(self, by: timedelta) -> None:
        self._offset += by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def now_ns(self) -> int:
        return time.time_ns() + self._offset // timedelta(microseconds=1) * 1_000

    def monotonic_s(self) -> float:
        return time.monotonic()
