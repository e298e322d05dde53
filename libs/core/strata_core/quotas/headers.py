"""What callers are told about their limits (draft-ietf-httpapi-ratelimit-headers-11)."""

from dataclasses import dataclass

from strata_core.ports.rate_limiter import Bucket, Taken


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """A bucket is a quota of `q` in the `w` seconds in which it fills; `t` is how long until it is full again."""

    policy: str
    limit: str


def rate_limit_headers(bucket: Bucket, taken: Taken) -> RateLimitHeaders:
    window_s = max(1, round(bucket.burst / bucket.rate))
    reset_s = -int(-taken.reset_s // 1)
    return RateLimitHeaders(
        policy=f'"{bucket.name}";q={int(bucket.burst)};w={window_s}',
        limit=f'"{bucket.name}";r={int(taken.remaining)};t={reset_s}',
    )
