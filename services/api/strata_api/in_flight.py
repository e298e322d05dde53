"""Who may have how many requests in work at once: a request holds a thread, and no tenant may take them all.

Sign-ins, people's own affairs and the looking up of callers have places apart from those of organizations, and there is
a thread for every place there is.
"""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from starlette.types import Scope

from strata_api.departing import watch_departure
from strata_api.http_figures import HttpFigures
from strata_api.places import Places
from strata_datamodel.errors import LimitError, StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import (
    OWN_REQUESTS_AT_ONCE,
    PLACE_WAIT_S,
    PLACE_WAITING,
    RECOGNITIONS_AT_ONCE,
    REQUESTS_AT_ONCE,
    REQUESTS_AT_ONCE_OF_ORGANIZATIONS,
    REQUESTS_AT_ONCE_OF_PEOPLE,
    SIGN_INS_AT_ONCE,
    SLOW_READS_AT_ONCE,
)

_HELD: Final = "places"
_Held = list[tuple[Places, Hashable]]


class InFlight:
    """One a process. A place is kept until the request's work has ended, be it after its time-out."""

    def __init__(self, figures: HttpFigures, *, wait_s: float = PLACE_WAIT_S) -> None:
        self._figures = figures
        self._slow_reads = _places(SLOW_READS_AT_ONCE, wait_s)
        self._of_one = _places(REQUESTS_AT_ONCE, wait_s)
        self._of_all = _places(REQUESTS_AT_ONCE_OF_ORGANIZATIONS, wait_s)
        self._of_person = _places(OWN_REQUESTS_AT_ONCE, wait_s)
        self._of_people = _places(REQUESTS_AT_ONCE_OF_PEOPLE, wait_s)
        self._sign_ins = _places(SIGN_INS_AT_ONCE, wait_s)
        self._recognitions = _places(RECOGNITIONS_AT_ONCE, wait_s)

    async def enter_organization(self, scope: Scope, organization_id: OrganizationId, *, is_slow: bool) -> None:
        """A slow read's client is watched from here on: its question is stopped when it leaves. Raises LimitError (code
        `too_many_at_once`), and UnavailableError (code `busy`) when others are too many."""
        # Their own first: who waits for those must not keep the places of all.
        if is_slow and not await _taken(scope, self._slow_reads, organization_id):
            raise self._too_many("slow_reads", "questions", "SLOW_READS_AT_ONCE", SLOW_READS_AT_ONCE)
        if not await _taken(scope, self._of_one, organization_id):
            raise self._too_many("organization", "requests", "REQUESTS_AT_ONCE", REQUESTS_AT_ONCE)
        if not await _taken(scope, self._of_all, None):
            raise self._busy("organizations")
        if is_slow:
            watch_departure(scope)

    async def enter_person(self, scope: Scope, owner: Hashable) -> None:
        """Raises LimitError (code `too_many_at_once`), and UnavailableError (code `busy`)."""
        if not await _taken(scope, self._of_person, owner):
            raise self._too_many("person", "requests", "OWN_REQUESTS_AT_ONCE", OWN_REQUESTS_AT_ONCE)
        if not await _taken(scope, self._of_people, None):
            raise self._busy("people")

    async def enter_sign_in(self, scope: Scope) -> None:
        """Of whoever shows no credential. Raises UnavailableError (code `busy`)."""
        if not await _taken(scope, self._sign_ins, None):
            raise self._busy("sign_ins")

    @asynccontextmanager
    async def recognition(self) -> AsyncIterator[None]:
        """While the database is asked who calls. Raises UnavailableError (code `busy`)."""
        if not await self._recognitions.take(None):
            raise self._busy("recognitions")
        try:
            yield
        finally:
            self._recognitions.leave(None)

    def _too_many(self, lane: str, what: str, limit: str, value: int) -> StrataError:
        self._figures.refused_at_once(lane)
        return LimitError(
            f"as many {what} of yours are in work as may be at once",
            code="too_many_at_once",
            hint=f"the limit is {limit}, {value}; send less side by side",
            retry_after_s=1,
        )

    def _busy(self, lane: str) -> StrataError:
        self._figures.refused_at_once(lane)
        return UnavailableError("too much is in work at once", code="busy", hint="try again", retry_after_s=1)


def expect_places(scope: Scope) -> None:
    scope.setdefault("state", {})[_HELD] = []


def leave_places(scope: Scope) -> None:
    held: _Held = scope["state"][_HELD]
    while held:
        places, owner = held.pop()
        places.leave(owner)


def _places(size: int, wait_s: float) -> Places:
    return Places(size, waiting=PLACE_WAITING, wait_s=wait_s)


async def _taken(scope: Scope, places: Places, owner: Hashable) -> bool:
    if not await places.take(owner):
        return False
    held: _Held = scope["state"][_HELD]
    held.append((places, owner))
    return True
