"""Stops calling a store that does not answer, and finds out when it does again."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from strata_core.observing.tracing import TRACER
from strata_core.ports.clock import Clock
from strata_datamodel.errors import (
    ConflictError,
    NotFoundError,
    StoreBusyError,
    StoreRefusedError,
    StoreUnavailableError,
)

# Answers of a store that is alive. Any other error says nothing about it: it may have been raised before the call.
_ANSWERS: Final = (StoreRefusedError, NotFoundError, ConflictError)


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One a store and process, thread-safe. Opens once `failures_to_open` calls in a row raised StoreUnavailableError
    other than StoreBusyError; after `open_s` (doubled by each failed probe, up to `max_open_s`) one call is let through
    to probe."""

    def __init__(
        self, store: str, clock: Clock, *, failures_to_open: int = 5, open_s: float = 5.0, max_open_s: float = 60.0
    ) -> None:
        self._store = store
        self._span_name = f"store {store}"
        self._clock = clock
        self._failures_to_open = failures_to_open
        self._first_open_s = open_s
        self._max_open_s = max_open_s
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        self._next_open_s = open_s
        self._opened_until: float | None = None
        self._is_probing = False
        # Rises with each opening and closing: a call that began before says nothing about the time after.
        self._epoch = 0
        self._opened_total = 0
        self._failures_total = 0
        self._refused_total = 0
        self._calls_total = 0
        self._seconds_total = 0.0

    @property
    def store(self) -> str:
        return self._store

    @property
    def state(self) -> BreakerState:
        with self._lock:
            if self._opened_until is None:
                return BreakerState.CLOSED
            return BreakerState.HALF_OPEN if self._clock.monotonic_s() >= self._opened_until else BreakerState.OPEN

    @property
    def opened_total(self) -> int:
        return self._opened_total

    @property
    def failures_total(self) -> int:
        return self._failures_total

    @property
    def refused_total(self) -> int:
        """Calls answered by the breaker instead of the store."""
        return self._refused_total

    @property
    def calls_total(self) -> int:
        """Calls that were made, whatever came of them."""
        return self._calls_total

    @property
    def seconds_total(self) -> float:
        """What those calls took."""
        return self._seconds_total

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around each call of the store. Raises StoreUnavailableError at once while open; passes every error on."""
        epoch = self._enter()
        began_s = self._clock.monotonic_s()
        try:
            with TRACER.start_as_current_span(self._span_name):
                yield
        except StoreBusyError:  # one tenant's burst must not close the store to all
            self._undecided(epoch)
            raise
        except StoreUnavailableError:
            self._failed(epoch)
            raise
        except _ANSWERS:
            self._answered(epoch)
            raise
        except BaseException:
            self._undecided(epoch)
            raise
        else:
            self._answered(epoch)
        finally:
            self._count(self._clock.monotonic_s() - began_s)

    def _count(self, took_s: float) -> None:
        with self._lock:
            self._calls_total += 1
            self._seconds_total += took_s

    def _enter(self) -> int:
        with self._lock:
            if self._opened_until is None:
                return self._epoch
            left_s = self._opened_until - self._clock.monotonic_s()
            if left_s > 0 or self._is_probing:
                self._refused_total += 1
                raise StoreUnavailableError(
                    self._store,
                    "did not answer lately, so it is not asked for a moment",
                    retry_after_s=max(1, math.ceil(left_s)),
                )
            self._is_probing = True
            return self._epoch

    def _failed(self, epoch: int) -> None:
        with self._lock:
            self._failures_total += 1
            if epoch != self._epoch:
                return
            self._failures_in_a_row += 1
            if self._is_probing or self._failures_in_a_row >= self._failures_to_open:
                self._open()

    def _answered(self, epoch: int) -> None:
        with self._lock:
            if epoch != self._epoch:
                return
            self._failures_in_a_row = 0
            if self._opened_until is not None:
                self._opened_until = None
                self._is_probing = False
                self._next_open_s = self._first_open_s
                self._epoch += 1

    def _undecided(self, epoch: int) -> None:
        with self._lock:
            if epoch == self._epoch:
                self._is_probing = False

    def _open(self) -> None:
        self._opened_until = self._clock.monotonic_s() + self._next_open_s
        self._next_open_s = min(self._next_open_s * 2, self._max_open_s)
        self._failures_in_a_row = 0
        self._is_probing = False
        self._opened_total += 1
        self._epoch += 1
