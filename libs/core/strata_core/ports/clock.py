"""Time as a dependency."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def now_ns(self) -> int:
        """The same instant in Unix nanoseconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds for measuring durations: never goes back, unrelated to `now`, not moved by `offset`."""
        ...

    @property
    def offset(self) -> timedelta:
        """How far `now` is ahead of real time: zero but in tests. Units of work hand it to `app.now()`."""
        ...
