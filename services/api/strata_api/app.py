"""Puts the API together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from strata_api.api_deps import ApiDeps
from strata_api.errors import install_error_handlers
from strata_api.identity_cache import IdentityCache
from strata_api.in_flight import InFlight
from strata_api.middleware.address_limits import AddressLimits
from strata_api.middleware.bodies import BodyLimits
from strata_api.middleware.kept_panels import KeptPanels
from strata_api.middleware.leave_places import LeavePlaces
from strata_api.middleware.request_context import RequestContext
from strata_api.middleware.security_headers import SecurityHeaders
from strata_api.middleware.time_limit import TimeLimit
from strata_api.openapi import install_openapi
from strata_api.routes import ROUTERS
from strata_core.access.hints import AccessHints
from strata_core.observing.shared_reading import SharedReading
from strata_core.observing.tracing import is_traced
from strata_datamodel.limits import API_BODY_BYTES, API_THREADS, BODY_TIMEOUT_S, REQUEST_TIMEOUT_S

_DESCRIPTION: Final = (
    "Metrics, logs, alerts and on-call for many organizations. Errors are RFC 9457 problems with a stable `code`; "
    "lists are paged by `cursor`; changes of an entity take its `ETag` as `If-Match`."
)


class _Api(FastAPI):
    """Panels that are held are answered before the framework is asked, which costs as much as the answer."""

    _short_way: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await (self._short_way or self.long_way)(scope, receive, send)

    async def long_way(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)

    def take_short_way(self, short_way: ASGIApp) -> None:
        self._short_way = short_way


def create_app(
    deps: ApiDeps,
    *,
    body_limit_bytes: int = API_BODY_BYTES,
    body_timeout_s: float = BODY_TIMEOUT_S,
    request_timeout_s: float = REQUEST_TIMEOUT_S,
) -> FastAPI:
    @asynccontextmanager
    async def until_drained(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = API_THREADS
        hints.start(identities.hear)
        yield
        await run_in_threadpool(hints.stop)
        await run_in_threadpool(deps.reads.close)

    app = _Api(
        lifespan=until_drained,
        title="Strata",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # the stock pages load scripts from elsewhere, which the content policy forbids
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,
    )
    app.state.deps = deps
    hints = AccessHints(deps.live_bus)
    identities = IdentityCache(deps.clock, tell=hints.tell)
    app.state.identities = identities
    app.state.in_flight = InFlight(deps.figures)
    app.state.health = SharedReading(partial(run_in_threadpool, deps.health_checks), deps.clock)
    for router in ROUTERS:
        app.include_router(router)
    install_error_handlers(app)
    install_openapi(app)
    # The one added last is outermost.
    app.add_middleware(LeavePlaces)
    app.add_middleware(BodyLimits, limit_bytes=body_limit_bytes, timeout_s=body_timeout_s)
    app.add_middleware(TimeLimit, timeout_s=body_timeout_s + request_timeout_s)
    app.add_middleware(AddressLimits, limiter=deps.rate_limiter, rate=deps.address_requests_per_second)
    app.add_middleware(RequestContext, clock=deps.clock, figures=deps.figures)
    app.add_middleware(SecurityHeaders)
    if is_traced():  # the framework makes the spans
        app.add_middleware(KeptPanels, deps=deps, identities=identities)
    else:
        app.take_short_way(KeptPanels(app.long_way, deps=deps, identities=identities))
    return app
