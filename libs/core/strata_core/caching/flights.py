"""Of the callers of one process that want the same at once, one asks and the others wait for it."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    def __init__(self) -> None:
        self._landed = threading.Event()
        self._value: T | None = None
        self._error: Exception | None = None

    def wait(self, timeout_s: float) -> T | None:
        """Raises what the one who asked was answered with, and TimeoutError when nothing came in time."""
        if not self._landed.wait(timeout_s):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value

    def succeed(self, value: T) -> None:
        self._value = value
        self._landed.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._landed.set()


class Flights(Generic[T]):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Flight[T]] = {}

    def begin(self, key: Hashable) -> Flight[T] | None:
        """None when one is under way."""
        with self._lock:
            if key in self._under_way:
                return None
            flight: Flight[T] = Flight()
            self._under_way[key] = flight
            return flight

    def begin_or_join(self, key: Hashable) -> tuple[Flight[T], bool]:
        """The flight, and whether the caller has to fly it."""
        with self._lock:
            flight = self._under_way.get(key)
            if flight is not None:
                return flight, False
            flight = Flight()
            self._under_way[key] = flight
            return flight, True

    def fly(self, key: Hashable, flight: Flight[T], work: Callable[[], T]) -> T:
        """For the one who began it. Those who wait get what came of it, be it an error."""
        try:
            value = work()
        except Exception as error:
            flight.fail(error)
            raise
        else:
            flight.succeed(value)
            return value
        finally:
            with self._lock:
                self._under_way.pop(key, None)
