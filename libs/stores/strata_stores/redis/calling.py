"""One call of the server: through the breaker, counted, and slow ones taken for failed."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import redis

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_stores.breaker import Breaker

T = TypeVar("T")
STORE: Final = "redis"
# The time-out is on each read of the socket: a server that trickles never meets it, and must not hold every caller.
_SLOW_FACTOR: Final = 3


class Calls:
    """Raises StoreUnavailableError for whatever goes wrong, answers of the server that refuse included: what hangs on
    Redis does without it then."""

    def __init__(self, client: redis.Redis, clock: Clock, breaker: Breaker, *, timeout_s: float) -> None:
        self._client = client
        self._clock = clock
        self._breaker = breaker
        self._slow_s = timeout_s * _SLOW_FACTOR
        self._lock = threading.Lock()
        self._failures = 0

    @property
    def failures_total(self) -> int:
        return self._failures

    def call(self, command: Callable[[redis.Redis], T]) -> T:
        try:
            with self._breaker.guard():
                return self._timed(command)
        except StoreUnavailableError:
            with self._lock:
                self._failures += 1
            raise

    def health(self, name: str) -> StoreHealth:
        """Asks even when the breaker is open: the answer is about now."""
        started_s = self._clock.monotonic_s()
        try:
            about = self._client.info("server")
        except redis.RedisError as error:
            return StoreHealth(name, is_ready=False, detail=f"no answer: {_reason(error)}", is_required=False)
        latency_ms = (self._clock.monotonic_s() - started_s) * 1_000
        program = "valkey" if "valkey_version" in about else "redis"
        version = about.get(f"{program}_version", "")
        return StoreHealth(
            name, is_ready=True, detail=program, version=str(version), latency_ms=latency_ms, is_required=False
        )

    def close(self) -> None:
        self._client.close()

    def _timed(self, command: Callable[[redis.Redis], T]) -> T:
        started_s = self._clock.monotonic_s()
        try:
            value = command(self._client)
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(STORE, _reason(error)) from error
        if self._clock.monotonic_s() - started_s > self._slow_s:
            raise StoreUnavailableError(STORE, "answered too late")
        return value


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
