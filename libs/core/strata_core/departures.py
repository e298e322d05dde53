"""Whether somebody still waits for what a thread does: whoever left needs no answer, and their question is stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Final

from strata_datamodel.errors import CallerLeftError


class Departure:
    """Of one request, which threads work for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._has_left = False
        self._acts: list[Callable[[], None]] = []

    @property
    def has_left(self) -> bool:
        return self._has_left

    def leave(self) -> None:
        """Idempotent. What was to be done then is done here, so it may not take long."""
        with self._lock:
            self._has_left = True
            acts, self._acts = self._acts, []
        for act in acts:
            act()

    @contextmanager
    def acting(self, act: Callable[[], None]) -> Iterator[None]:
        """`act` is called when they leave, be it from another thread, and at once if they have. Not after the end."""
        with self._lock:
            is_late = self._has_left
            if not is_late:
                self._acts.append(act)
        if is_late:
            act()
        try:
            yield
        finally:
            with self._lock:
                if act in self._acts:
                    self._acts.remove(act)


_CURRENT: Final[ContextVar[Departure | None]] = ContextVar("strata_departure", default=None)


def work_for(departure: Departure) -> None:
    """From here on this context works for them, and so do threads that are given a copy of it."""
    _CURRENT.set(departure)


@contextmanager
def on_departure(act: Callable[[], None]) -> Iterator[None]:
    """As `Departure.acting`; for nobody in particular, `act` is never called."""
    departure = _CURRENT.get()
    if departure is None:
        yield
        return
    with departure.acting(act):
        yield


def has_left() -> bool:
    departure = _CURRENT.get()
    return departure is not None and departure.has_left


def check_wanted() -> None:
    """Raises CallerLeftError when nobody waits any more."""
    if has_left():
        raise CallerLeftError("nobody waits for this any more")
