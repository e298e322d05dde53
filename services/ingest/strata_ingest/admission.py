"""Limits of requests and bytes a second, without a wait for nearly every request."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Final

from starlette.requests import Request

from strata_core.ports.rate_limiter import Bucket, Taken
from strata_core.quotas.addresses import address_buckets
from strata_core.quotas.headers import RateLimitHeaders, rate_limit_headers
from strata_core.quotas.rules import rate_limited
from strata_ingest.deps import IngestDeps
from strata_ingest.instruments import Instruments

_STATE: Final = "refused_by"


class Admission:
    def __init__(self, deps: IngestDeps, executor: Executor, instruments: Instruments) -> None:
        self._limiter = deps.rate_limiter
        self._executor = executor
        self._instruments = instruments
        self._rate = deps.address_requests_per_second
        self._bucket_of = address_buckets(self._rate)

    async def of_address(self, request: Request, address: str | None) -> None:
        if self._rate and address is not None:
            await self.of_buckets(request, (self._bucket_of(address),))

    async def of_buckets(self, request: Request, buckets: Iterable[Bucket], cost: float = 1.0) -> None:
        """Raises LimitError (code `rate_limited`)."""
        for bucket in buckets:
            taken = self._limiter.take_at_once(bucket, cost)
            if taken is None:
                loop = asyncio.get_running_loop()
                taken = await loop.run_in_executor(self._executor, self._limiter.take, bucket, cost)
            if not taken.is_allowed:
                self._instruments.limited.labels(bucket.name).inc()
                request.scope.setdefault("state", {})[_STATE] = (bucket, taken)
                raise rate_limited(bucket.name, taken.retry_after_s)


def refused_by(request: Request) -> RateLimitHeaders | None:
    """None for a request that no limit refused."""
    found: tuple[Bucket, Taken] | None = request.scope.get("state", {}).get(_STATE)
    return None if found is None else rate_limit_headers(*found)
