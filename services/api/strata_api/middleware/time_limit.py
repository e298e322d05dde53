"""An answer within the limit, whatever a store or a handler does."""

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strata_api.departing import give_up
from strata_datamodel.errors import DeadlineError

log = structlog.get_logger(__name__)
_ANSWER_STARTS: Final = "http.response.start"


class TimeLimit:
    """Handlers run in threads, which nothing can interrupt: a late one ends by its stores' time-outs, or as they hear
    that it was given up, and what it would have answered is dropped. An answer that has begun is not cut off."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = is_given_up = False

        async def send_in_time(message: Message) -> None:
            nonlocal has_begun
            if is_given_up:
                return
            has_begun = has_begun or message["type"] == _ANSWER_STARTS
            await send(message)

        work = asyncio.ensure_future(self._app(scope, receive, send_in_time))
        try:
            await asyncio.wait({work}, timeout=self._timeout_s)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if work.done() or has_begun:
            await work
            return
        is_given_up = True
        give_up(scope)
        self._late.add(work)
        work.add_done_callback(self._forget)
        raise DeadlineError(
            f"no answer within {self._timeout_s:g} s",
            code="request_timeout",
            hint="ask for less at once, or try again; a change may still have been made",
        )

    def _forget(self, work: asyncio.Task[None]) -> None:
        self._late.discard(work)
        if not work.cancelled() and work.exception() is not None:
            log.warning("late_request_failed", reason=type(work.exception()).__name__)
