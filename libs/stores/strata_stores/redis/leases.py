"""Tokens a process took in advance, so that not every request is a round trip."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from strata_core.ports.clock import Clock
from strata_core.ports.rate_limiter import Bucket, Taken, left_after

_LEASE_S: Final = 1.0
_SHARE_S: Final = 0.05
_LEASES: Final = 50_000


@dataclass(slots=True)
class _Lease:
    """`left` of what was granted, `rest` in the bucket when it was, `refused` the cost that found too little there."""

    left: float
    rest: float
    until_s: float
    rate: float
    refused: float | None = None


class Leases:
    """At most what a bucket gains in 50 ms is taken in advance, for at most a second: of several processes each keeps
    that little from the others, and what is not spent is lost. A bucket that gains less than 20 a second is asked
    for every token, and so exact. A refusal holds until there would be enough, a second at most.
    Neither outlives a change of the rate."""

    def __init__(self, clock: Clock, *, max_leases: int = _LEASES) -> None:
        self._clock = clock
        self._max_leases = max_leases
        self._lock = threading.Lock()
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def spend(self, bucket: Bucket, cost: float) -> Taken | None:
        """None when the lease does not tell."""
        lease = self._leases.get(bucket.key)
        if lease is None:
            return None
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s >= lease.until_s or lease.rate != bucket.rate:
                return None
            if lease.left >= cost and lease.refused is None:
                lease.left -= cost
                return left_after(bucket, lease.left + lease.rest, cost, is_allowed=True)
            if lease.refused is not None and cost >= lease.refused:
                return Taken(
                    is_allowed=False,
                    remaining=lease.rest,
                    reset_s=max(0.0, (bucket.burst - lease.rest) / bucket.rate),
                    retry_after_s=lease.until_s - now_s,
                )
            return None

    def wanted(self, bucket: Bucket, cost: float) -> float:
        """How much to ask for when `cost` is needed."""
        return min(bucket.burst, max(cost, bucket.rate * _SHARE_S))

    def granted(self, bucket: Bucket, cost: float, granted: float, rest: float) -> Taken:
        with self._lock:
            now_s = self._clock.monotonic_s()
            old = self._leases.get(bucket.key)
            kept = old.left if old is not None and now_s < old.until_s and old.rate == bucket.rate else 0.0
            left = kept + granted - cost
            self._put(bucket.key, _Lease(left, rest, now_s + _LEASE_S, bucket.rate))
        return left_after(bucket, left + rest, cost, is_allowed=True)

    def refused(self, bucket: Bucket, cost: float, rest: float) -> Taken:
        taken = left_after(bucket, rest, cost, is_allowed=False)
        with self._lock:
            until_s = self._clock.monotonic_s() + min(taken.retry_after_s, _LEASE_S)
            self._put(bucket.key, _Lease(0.0, rest, until_s, bucket.rate, refused=cost))
        return taken

    def _put(self, key: str, lease: _Lease) -> None:
        self._leases[key] = lease
        self._leases.move_to_end(key)
        while len(self._leases) > self._max_leases:
            self._leases.popitem(last=False)
