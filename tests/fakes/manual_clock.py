"""A clock that stands still until a test moves it: both the wall and the monotonic time."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._moved = timedelta(0)

    @property
    def offset(self) -> timedelta:
        return self._moved

    def advance(self, seconds: float) -> None:
        self._moved += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._start + self._moved

    def now_ns(self) -> int:
        since_epoch = self.now() - datetime(1970, 1, 1, tzinfo=UTC)
        return since_epoch // timedelta(microseconds=1) * 1_000

    def monotonic_s(self) -> float:
        return self._moved.total_seconds()
