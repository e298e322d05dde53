"""Gives each request an id, a log line and a figure, and turns a crash into an answer without internals."""

from http import HTTPStatus

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strata_api.cached_answers import end_what_changed
from strata_api.errors import internal_problem, problem_of
from strata_api.http_figures import HttpFigures
from strata_api.probe_paths import PROBES
from strata_api.rate_limits import headers_of
from strata_core.observing.request_ids import request_id
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StrataError

log = structlog.get_logger("strata_api.access")


class RequestContext:
    def __init__(self, app: ASGIApp, *, clock: Clock, figures: HttpFigures) -> None:
        self._app = app
        self._clock = clock
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = request_id(scope["headers"])
        scope.setdefault("state", {})["request_id"] = identity
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=identity)
        status = 0
        started = self._clock.monotonic_s()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < HTTPStatus.BAD_REQUEST and (forget := scope["state"].get("forget")) is not None:
                    forget()  # before the answer: whoever reads it may ask again at once
                if status < HTTPStatus.BAD_REQUEST:
                    await end_what_changed(scope)
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = identity
                if (rate := headers_of(scope)) is not None:
                    headers["ratelimit-policy"], headers["ratelimit"] = rate.policy, rate.limit
            await send(message)

        try:
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if status:
                    raise  # half an answer is out already: only cutting the connection tells the client
                if isinstance(error, StrataError):
                    response = problem_of(error, scope)
                else:
                    log.exception("request_crashed", path=scope["path"], method=scope["method"])
                    response = internal_problem(scope)
                await response(scope, receive, send_with_id)
        finally:
            self._record(scope, status, self._clock.monotonic_s() - started)

    def _record(self, scope: Scope, status: int, duration_s: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._figures.record(scope["method"], route, status, duration_s)
        if scope["path"] not in PROBES:
            log.info(
                "request_answered",
                method=scope["method"],
                route=route,
                status=status,
                duration_ms=round(duration_s * 1000, 1),
            )
