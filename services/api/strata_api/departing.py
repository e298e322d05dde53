"""Sees clients leave while a slow read is in work, so that the stores stop what nobody waits for."""

import asyncio
from typing import Final

from starlette.types import Receive, Scope

from strata_core.departures import Departure, work_for

_WATCH: Final = "departure"


class DepartureWatch:
    """Of a request whose body is read: what comes after that is its client's leaving."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._departure = Departure()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """To be called in the request's own task, whose context its threads get."""
        if self._task is None:
            work_for(self._departure)
            self._task = asyncio.create_task(self._wait())

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def leave(self) -> None:
        self._departure.leave()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._departure.leave()


def expect_departure(scope: Scope, receive: Receive) -> DepartureWatch:
    watch = DepartureWatch(receive)
    scope.setdefault("state", {})[_WATCH] = watch
    return watch


def watch_departure(scope: Scope) -> None:
    watch: DepartureWatch = scope["state"][_WATCH]
    watch.begin()


def give_up(scope: Scope) -> None:
    """Nobody will get what is in work for this request."""
    watch: DepartureWatch | None = scope.get("state", {}).get(_WATCH)
    if watch is not None:
        watch.leave()
