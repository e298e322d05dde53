"""Remembers for seconds who a token is, so that a busy agent costs no look-up a request.

Fails closed for tokens it has not seen. A token that was good goes on while the database cannot be asked, for at most
`stale_s`; a revocation is seen within `fresh_s` as long as the database answers.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from strata_core.access.tokens import parse_token
from strata_core.ports.clock import Clock
from strata_datamodel.errors import DeniedError, StrataError, UnauthenticatedError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_ingest.callers import Caller

Recognise = Callable[[str], Caller]
Count = Callable[[str], None]

_FRESH_S: Final = 5.0
_REFUSED_S: Final = 2.0
_STALE_S: Final = 3600.0
_RETRY_S: Final = 1.0
_PATIENCE_S: Final = 1.0
_ENTRIES: Final = 10_000
_FLIGHTS: Final = 64


@dataclass(slots=True)
class _Entry:
    """`until_s` says when to ask again, `known_s` when the database last vouched for it."""

    outcome: Caller | UnauthenticatedError | DeniedError
    until_s: float
    known_s: float


class AuthCache:
    """Lives on one event loop. Tokens are held as hashes only."""

    def __init__(
        self,
        recognise: Recognise,
        clock: Clock,
        executor: Executor,
        count: Count,
        *,
        fresh_s: float = _FRESH_S,
        stale_s: float = _STALE_S,
        entries: int = _ENTRIES,
    ) -> None:
        self._recognise = recognise
        self._clock = clock
        self._executor = executor
        self._count = count
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._max_entries = entries
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[Caller]] = {}
        self._generation = 0

    async def caller(self, token: str) -> Caller:
        """Raises UnauthenticatedError, DeniedError, or UnavailableError when nobody can tell."""
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is not None and self._clock.monotonic_s() < entry.until_s:
            self._entries.move_to_end(digest)
            self._count("cached")
            return self._told(entry)
        parse_token(token)  # what no key looks like is never asked for
        return await self._ask(digest, token, entry)

    def remember(self, token: str, caller: Caller) -> None:
        """As if it had been asked for just now."""
        self._remember(_digest(token), caller, self._fresh_s)

    def forget_organization(self, organization_id: OrganizationId) -> None:
        """Its keys are asked for again; those that were good serve on while the database cannot be asked."""
        self._generation += 1  # also what is on its way may be from before
        now_s = self._clock.monotonic_s()
        for entry in self._entries.values():
            if not isinstance(entry.outcome, Caller) or entry.outcome.organization_id == organization_id:
                entry.until_s = now_s

    async def _ask(self, digest: bytes, token: str, entry: _Entry | None) -> Caller:
        flight = self._flights.get(digest)
        if flight is None:
            if len(self._flights) >= _FLIGHTS:
                raise UnavailableError("too many new keys at once", code="ingest_busy", retry_after_s=1)
            flight = asyncio.get_running_loop().create_task(self._fly(digest, token))
            self._flights[digest] = flight
            flight.add_done_callback(lambda done: self._landed(digest, done))
        patience_s = _PATIENCE_S if entry is not None and self._may_be_stale(entry) else None
        try:
            # Shielded: one caller who hangs up must not take the answer from the others.
            caller = await asyncio.wait_for(asyncio.shield(flight), patience_s)
        except (UnavailableError, TimeoutError):
            if entry is None or not self._may_be_stale(entry):
                self._count("unavailable")
                raise
            self._count("stale")
            return self._told(entry)
        self._count("asked")
        return caller

    async def _fly(self, digest: bytes, token: str) -> Caller:
        loop = asyncio.get_running_loop()
        generation = self._generation
        try:
            caller = await loop.run_in_executor(self._executor, self._recognise, token)
        except (UnauthenticatedError, DeniedError) as refusal:
            self._remember(digest, refusal, _REFUSED_S)
            raise
        except UnavailableError:
            if (entry := self._entries.get(digest)) is not None:
                entry.until_s = self._clock.monotonic_s() + _RETRY_S
            raise
        self._remember(digest, caller, self._fresh_s if generation == self._generation else 0)
        return caller

    def _landed(self, digest: bytes, flight: asyncio.Task[Caller]) -> None:
        self._flights.pop(digest, None)
        if not flight.cancelled():
            flight.exception()  # retrieved, though nobody may be waiting any more

    def _remember(self, digest: bytes, outcome: Caller | UnauthenticatedError | DeniedError, ttl_s: float) -> None:
        now_s = self._clock.monotonic_s()
        self._entries[digest] = _Entry(outcome, now_s + ttl_s, now_s)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def _may_be_stale(self, entry: _Entry) -> bool:
        return isinstance(entry.outcome, Caller) and self._clock.monotonic_s() < entry.known_s + self._stale_s

    def _told(self, entry: _Entry) -> Caller:
        outcome = entry.outcome
        if isinstance(outcome, StrataError):
            raise type(outcome)(outcome.detail, code=outcome.code, hint=outcome.hint)
        if outcome.expires_at is not None and outcome.expires_at <= self._clock.now():
            raise UnauthenticatedError("the API key has expired", code="token_expired", hint="rotate it")
        return outcome


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
