"""How much one address may ask for, whoever it says it is."""

from starlette.types import ASGIApp, Receive, Scope, Send

from strata_api.probe_paths import PROBES
from strata_api.rate_limits import admit
from strata_core.ports.rate_limiter import RateLimiter
from strata_core.quotas.addresses import address_buckets


class AddressLimits:
    """`rate` is requests a second, 0 for as many as they like."""

    def __init__(self, app: ASGIApp, *, limiter: RateLimiter, rate: int) -> None:
        self._app = app
        self._limiter = limiter
        self._rate = rate
        self._bucket_of = address_buckets(rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if self._rate and client and scope["type"] == "http" and scope["path"] not in PROBES:
            await admit(self._limiter, scope, (self._bucket_of(client[0]),))
        await self._app(scope, receive, send)
