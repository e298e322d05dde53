"""Gives back what places a request took, and looks no longer whether its client is there."""

from starlette.types import ASGIApp, Receive, Scope, Send

from strata_api.departing import expect_departure
from strata_api.in_flight import expect_places, leave_places


class LeavePlaces:
    """Within the time limit: the thread of a request that was answered late is busy until its work ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        expect_places(scope)
        watch = expect_departure(scope, receive)
        try:
            await self._app(scope, receive, send)
        finally:
            watch.end()
            leave_places(scope)
