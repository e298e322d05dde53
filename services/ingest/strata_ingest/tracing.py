"""Each request gets an id, is measured and counted."""

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strata_core.observing.request_ids import request_id
from strata_core.ports.clock import Clock
from strata_ingest.failures import protocol_of
from strata_ingest.instruments import Instruments


class RequestTracing:
    """Plain ASGI: Starlette's middleware base would copy every body chunk through a queue."""

    def __init__(self, app: ASGIApp, clock: Clock, instruments: Instruments) -> None:
        self._app = app
        self._clock = clock
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = request_id(scope["headers"])
        protocol = protocol_of(scope["path"])
        started_s = self._clock.monotonic_s()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identity
                headers["X-Content-Type-Options"] = "nosniff"
                self._instruments.requests.labels(protocol, str(message["status"])).inc()
                self._instruments.seconds.labels(protocol).observe(self._clock.monotonic_s() - started_s)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identity):
            await self._app(scope, receive, send_with_id)
