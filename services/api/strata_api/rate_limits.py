"""Limits of requests a second, and the headers that tell callers about them (draft-ietf-httpapi-ratelimit-headers)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from strata_core.ports.rate_limiter import Bucket, RateLimiter, Taken
from strata_core.quotas.rules import rate_limited

_STATE: Final = "rate_limit"


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """A bucket is a quota of `q` in the `w` seconds in which it fills; `t` is how long until it is full again."""

    policy: str
    limit: str


async def admit(limiter: RateLimiter, scope: Scope, buckets: Iterable[Bucket]) -> None:
    """Takes a token from each. Raises LimitError (code `rate_limited`). The answer will tell of the bucket that
    refused, or of the one that has least left."""
    least: tuple[Bucket, Taken] | None = None
    for bucket in buckets:
        taken = limiter.take_at_once(bucket)
        if taken is None:
            taken = await run_in_threadpool(limiter.take, bucket)
        if not taken.is_allowed:
            scope["state"][_STATE] = (bucket, taken)
            raise rate_limited(bucket.name, taken.retry_after_s)
        if least is None or taken.remaining < least[1].remaining:
            least = (bucket, taken)
    if least is not None:
        scope["state"][_STATE] = least


def headers_of(scope: Scope) -> RateLimitHeaders | None:
    """None for a request that no bucket was asked about."""
    found: tuple[Bucket, Taken] | None = scope["state"].get(_STATE)
    if found is None:
        return None
    bucket, taken = found
    window_s = max(1, round(bucket.burst / bucket.rate))
    reset_s = -int(-taken.reset_s // 1)
    return RateLimitHeaders(
        policy=f'"{bucket.name}";q={int(bucket.burst)};w={window_s}',
        limit=f'"{bucket.name}";r={int(taken.remaining)};t={reset_s}',
    )
