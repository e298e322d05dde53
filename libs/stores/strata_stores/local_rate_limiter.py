"""Token buckets of one process: what is left of limits when Redis is not there."""

import threading
from collections import OrderedDict
from typing import Final

from strata_core.ports.clock import Clock
from strata_core.ports.rate_limiter import Bucket, Taken, left_after

_BUCKETS: Final = 50_000
_ROUNDING: Final = 1e-9


class LocalRateLimiter:
    """Bounded: past `max_buckets` the one unused for longest is forgotten, and is full when it comes back."""

    def __init__(self, clock: Clock, *, max_buckets: int = _BUCKETS) -> None:
        self._clock = clock
        self._max_buckets = max_buckets
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, bucket: Bucket, cost: float = 1.0) -> Taken:
        cost = min(cost, bucket.burst)
        with self._lock:
            now_s = self._clock.monotonic_s()
            tokens = self._tokens(bucket, now_s)
            is_allowed = tokens + _ROUNDING >= cost
            if is_allowed:
                tokens -= cost
            self._levels[bucket.key] = (tokens, now_s)
            self._levels.move_to_end(bucket.key)
            while len(self._levels) > self._max_buckets:
                self._levels.popitem(last=False)
        return left_after(bucket, tokens, cost, is_allowed=is_allowed)

    def take_at_once(self, bucket: Bucket, cost: float = 1.0) -> Taken | None:
        return self.take(bucket, cost)

    def look(self, bucket: Bucket) -> Taken:
        with self._lock:
            return left_after(bucket, self._tokens(bucket, self._clock.monotonic_s()), 0.0, is_allowed=True)

    def close(self) -> None:
        """Nothing is open."""

    def _tokens(self, bucket: Bucket, now_s: float) -> float:
        level = self._levels.get(bucket.key)
        return bucket.burst if level is None else min(bucket.burst, level[0] + (now_s - level[1]) * bucket.rate)
