"""Limits of requests a second, and what the answer tells about them."""

from collections.abc import Iterable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from strata_core.ports.rate_limiter import Bucket, RateLimiter, Taken
from strata_core.quotas.headers import RateLimitHeaders, rate_limit_headers
from strata_core.quotas.rules import rate_limited
from strata_datamodel.errors import StrataError

_STATE: Final = "rate_limit"
_REFUSAL: Final = "rate_limit_refusal"


async def admit(limiter: RateLimiter, scope: Scope, buckets: Iterable[Bucket]) -> None:
    """Takes a token from each. Raises LimitError (code `rate_limited`). The answer will tell of the bucket that
    refused, or of the one that has least left. A request that was refused stays so, and takes no more."""
    refusal: StrataError | None = scope["state"].get(_REFUSAL)
    if refusal is not None:
        raise refusal
    least: tuple[Bucket, Taken] | None = None
    for bucket in buckets:
        taken = limiter.take_at_once(bucket)
        if taken is None:
            taken = await run_in_threadpool(limiter.take, bucket)
        if not taken.is_allowed:
            scope["state"][_STATE] = (bucket, taken)
            refusal = scope["state"][_REFUSAL] = rate_limited(bucket.name, taken.retry_after_s)
            raise refusal
        if least is None or taken.remaining < least[1].remaining:
            least = (bucket, taken)
    if least is not None:
        scope["state"][_STATE] = least


def headers_of(scope: Scope) -> RateLimitHeaders | None:
    """None for a request that no bucket was asked about."""
    found: tuple[Bucket, Taken] | None = scope["state"].get(_STATE)
    if found is None:
        return None
    return rate_limit_headers(*found)
