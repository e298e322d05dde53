"""Token buckets that all processes share, with buckets of this process in their place while Redis is down."""

import threading
from typing import Final, cast

from strata_core.ports.clock import Clock
from strata_core.ports.rate_limiter import Bucket, Taken, left_after
from strata_datamodel.errors import StoreUnavailableError
from strata_stores.breaker import Breaker
from strata_stores.local_rate_limiter import LocalRateLimiter
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import CONNECT_TIMEOUT_S, TIMEOUT_S, connect
from strata_stores.redis.leases import Leases

_ALONE_S: Final = 0.5

# Time is the server's: processes whose clocks differ share one bucket. A bucket expires when it would be full.
_TAKE: Final = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local level = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if level[1] then
    tokens = math.min(burst, tonumber(level[1]) + math.max(0, now - tonumber(level[2])) * rate)
end
local granted = 0
if tokens + 0.000001 >= cost then
    granted = math.min(wanted, tokens)
end
tokens = tokens - granted
if wanted > 0 then
    redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
    redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1000)
end
return {string.format('%.6f', granted), string.format('%.6f', tokens)}
"""


class RedisRateLimiter:
    """Fails over, not open: while the server is down or slow each process holds buckets of its own, so that limits are
    as many times higher as there are processes. It is counted."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        breaker: Breaker | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        client = connect(url, connect_timeout_s=connect_timeout_s, timeout_s=timeout_s)
        self._calls = Calls(client, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._clock = clock
        self._leases = Leases(clock)
        self._local = LocalRateLimiter(clock)
        self._script = client.register_script(_TAKE)
        self._lock = threading.Lock()
        self._alone_until_s = float("-inf")
        self._alone = 0

    @property
    def alone_total(self) -> int:
        """Decisions made without the server."""
        return self._alone

    def take(self, bucket: Bucket, cost: float = 1.0) -> Taken:
        cost = min(cost, bucket.burst)
        known = self.take_at_once(bucket, cost)
        if known is not None:
            return known
        try:
            granted, rest = self._ask(bucket, cost, self._leases.wanted(bucket, cost))
        except StoreUnavailableError:
            self._alone_until_s = self._clock.monotonic_s() + _ALONE_S
            return self._take_alone(bucket, cost)
        if not granted and cost:
            return self._leases.refused(bucket, cost, rest)
        return self._leases.granted(bucket, cost, granted, rest)

    def take_at_once(self, bucket: Bucket, cost: float = 1.0) -> Taken | None:
        cost = min(cost, bucket.burst)
        if self._clock.monotonic_s() < self._alone_until_s:
            return self._take_alone(bucket, cost)
        return self._leases.spend(bucket, cost)

    def look(self, bucket: Bucket) -> Taken:
        try:
            _, rest = self._ask(bucket, 0.0, 0.0)
        except StoreUnavailableError:
            return self._local.look(bucket)
        return left_after(bucket, rest, 0.0, is_allowed=True)

    def close(self) -> None:
        self._calls.close()

    def _ask(self, bucket: Bucket, cost: float, wanted: float) -> tuple[float, float]:
        arguments = [bucket.rate, bucket.burst, cost, wanted]
        answer = self._calls.call(lambda client: self._script(keys=[bucket.key], args=arguments, client=client))
        granted, rest = cast("tuple[bytes, bytes]", answer)
        return float(granted), float(rest)

    def _take_alone(self, bucket: Bucket, cost: float) -> Taken:
        with self._lock:
            self._alone += 1
        return self._local.take(bucket, cost)
