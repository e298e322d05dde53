"""Answers from the cache where one counts, and from the origin by as few callers as can be.

Three things keep an old answer from standing where a newer one should: the generation is taken before the origin is
asked and compared when the answer is put; the version of what was read is compared with that of what is there; and a
caller that comes after an invalidation does not join those who asked before it.
"""

import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strata_core.caching.figures import CacheFigures, Outcome
from strata_core.caching.flights import Flights
from strata_core.caching.kinds import EMPTY_S, KINDS, CacheKind
from strata_core.caching.memory import Held, Memory, Place
from strata_core.caching.rules import Freshness, age_s, freshness, kept_ms
from strata_core.caching.shares import Shares
from strata_core.ports.cache import Cache, Entry, Found
from strata_core.ports.clock import Clock
from strata_datamodel.errors import CallerLeftError, DeadlineError, UnavailableError
from strata_datamodel.ids import OrganizationId

LOCK_MS: Final = 10_000
_LOOK_S: Final = 0.02
_LOOKS: Final = 10
"""So a caller with nothing to show waits 200 ms for another process that is making the answer."""
_SAME_PROCESS_S: Final = 10.0
"""Who waits for another caller holds a thread."""
_QUEUE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """`key` names all that the answer depends on, the caller's scope included, within (organization, kind)."""

    organization_id: OrganizationId
    kind: CacheKind
    key: str
    fresh_s: float | None = None
    """Less than the kind's."""

    @property
    def place(self) -> Place:
        return self.organization_id, self.kind.name, self.key


@dataclass(frozen=True, slots=True)
class Made:
    """What the origin says. `version` rises with what it was made from; where that has none, with when it was read."""

    body: bytes
    version: int
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_stale`: older than it should be, as the origin is down or being asked."""

    body: bytes
    age_s: int
    is_stale: bool
    outcome: Outcome


Make = Callable[[], Made]
_Flown = tuple[Entry, Outcome]


class ReadThrough:
    """One a process."""

    def __init__(
        self,
        cache: Cache,
        clock: Clock,
        *,
        memory: Memory | None = None,
        figures: CacheFigures | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._memory = memory or Memory()
        self.figures = figures or CacheFigures()
        self._chance = chance
        self._flights: Flights[_Flown | None] = Flights()
        self._origins = {kind.name: Shares(kind.origin_callers, kind.origin_callers_of_one) for kind in KINDS}

    def at_once(self, question: Question) -> Answer | None:
        """From this process' memory, where that suffices: nothing is asked, nothing is waited for."""
        held = self._memory.find(question.place)
        if held is None or self._clock.monotonic_s() - held.checked_s >= question.kind.alone_s:
            return None
        if self._freshness(held.entry, question.kind) is not Freshness.FRESH:
            return None
        return self._answer(question, held.entry, Outcome.MEMORY)

    def answer(self, question: Question, make: Make, *, is_new_wanted: bool = False) -> Answer:
        """`is_new_wanted`: the caller takes nothing from the cache, and leaves there what it gets.

        Raises what `make` raises, but for an origin that is down when there is something old to show; and
        UnavailableError (code `origin_busy`) when as many as may ask it already, be it for the organization,
        and are not done within seconds.
        """
        if not is_new_wanted:
            known = self.at_once(question)
            if known is not None:
                return known
        epoch = self._memory.epoch(question.organization_id, question.kind.name)
        found = self._look(question, epoch)
        if is_new_wanted:
            return self._answer(question, self._ask(question, make, found, epoch), Outcome.ORIGIN)
        if found.entry is None:
            return self._without(question, make, found, epoch)
        return self._with(question, make, found.entry, found, epoch)

    def invalidate(self, organization_id: OrganizationId, kind: CacheKind) -> None:
        """After the commit. Here it counts at once, and elsewhere as soon as the shared cache has heard of it."""
        self._memory.end(organization_id, kind.name)
        self._cache.invalidate(organization_id, kind.name)

    def forget(self, organization_id: OrganizationId) -> int:
        """All that is kept of an organization. Raises StoreUnavailableError."""
        for kind in KINDS:
            self.invalidate(organization_id, kind)
        return self._cache.forget(organization_id)

    def _look(self, question: Question, epoch: int) -> Found:
        """In the shared cache; while that cannot be asked, in this process' memory."""
        found = self._cache.get(*question.place)
        now_s = self._clock.monotonic_s()
        if found.entry is not None:
            if self._freshness(found.entry, question.kind) is Freshness.GONE:
                return Found(found.generation, None)
            self._memory.keep(question.place, Held(found.entry, now_s, epoch, found.generation))
            return found
        held = self._memory.find(question.place)
        if found.generation is None and held is not None and now_s - held.checked_s < question.kind.cut_off_s:
            return Found(None, held.entry)
        return found

    def _with(self, question: Question, make: Make, entry: Entry, found: Found, epoch: int) -> Answer:
        """Somebody makes it anew if need be; nobody waits."""
        state = self._freshness(entry, question.kind)
        shown = Outcome.SHARED if state in {Freshness.FRESH, Freshness.EARLY} else Outcome.STALE
        if state is Freshness.FRESH:
            return self._answer(question, entry, shown)
        key = (question.place, found.generation, epoch)
        flight = self._flights.begin(key)
        if flight is None:
            return self._answer(question, entry, shown)
        try:
            flown = self._flights.fly(key, flight, lambda: self._locked(question, make, found, epoch, entry))
        except (UnavailableError, DeadlineError):
            flown = None
        if flown is None:
            return self._answer(question, entry, shown)
        if state is Freshness.EARLY:
            self.figures.refreshed_early(question.kind.name)
        return self._answer(question, *flown)

    def _without(self, question: Question, make: Make, found: Found, epoch: int) -> Answer:
        try:
            flown = self._flown(question, make, found, epoch)
        except (UnavailableError, DeadlineError):
            held = self._memory.find(question.place)
            if held is None or self._freshness(held.entry, question.kind) is Freshness.GONE:
                raise
            if found.generation not in {None, held.generation}:  # it was ended, by an erasure perhaps
                raise
            return self._answer(question, held.entry, Outcome.STALE)
        return self._answer(question, *flown)

    def _flown(self, question: Question, make: Make, found: Found, epoch: int) -> _Flown:
        key = (question.place, found.generation, epoch)
        flight, is_first = self._flights.begin_or_join(key)
        if is_first:
            flown = self._flights.fly(key, flight, lambda: self._first(question, make, found, epoch))
        else:
            try:
                flown = flight.wait(_SAME_PROCESS_S)
            except CallerLeftError:  # who flew it has gone, and others are here: one of them flies
                return self._flown(question, make, found, epoch)
            except TimeoutError:  # asking as well would only make the origin slower
                raise self._busy(question.kind) from None
            flown = None if flown is None else (flown[0], Outcome.WAITED)
        return flown or (self._ask(question, make, found, epoch), Outcome.ORIGIN)

    def _first(self, question: Question, make: Make, found: Found, epoch: int) -> _Flown:
        flown = self._locked(question, make, found, epoch, None)
        if flown is not None:
            return flown
        elsewhere = self._made_elsewhere(question, epoch)
        if elsewhere is not None:
            return elsewhere, Outcome.WAITED
        return self._ask(question, make, found, epoch), Outcome.ORIGIN

    def _locked(self, question: Question, make: Make, found: Found, epoch: int, seen: Entry | None) -> _Flown | None:
        """None when another process is at it. What one put after our look, which saw `seen`, is taken."""
        token = secrets.token_bytes(16)
        organization_id, kind, key = question.place
        # A generation's own: who comes after an invalidation does not wait for an answer from before it.
        name = f"{key}:{(found.generation or b'').hex()}"
        if not self._cache.lock(organization_id, kind, name, token, LOCK_MS):
            return None
        try:
            newer = self._look(question, epoch)
            if newer.entry is not None and newer.entry != seen:
                return newer.entry, Outcome.WAITED
            return self._ask(question, make, found, epoch), Outcome.ORIGIN
        finally:
            self._cache.unlock(organization_id, kind, name, token)

    def _made_elsewhere(self, question: Question, epoch: int) -> Entry | None:
        never = threading.Event()
        for _ in range(_LOOKS):
            never.wait(_LOOK_S)
            entry = self._look(question, epoch).entry
            if entry is not None:
                return entry
        return None

    def _ask(self, question: Question, make: Make, found: Found, epoch: int) -> Entry:
        name = question.kind.name
        origin = self._origins[name]
        if not origin.acquire(question.organization_id, _QUEUE_S):
            raise self._busy(question.kind)
        self.figures.began(name)
        began_ms, began_s = self._now_ms(), self._clock.monotonic_s()
        try:
            made = make()
        finally:
            self.figures.ended(name)
            origin.release(question.organization_id)
        ended_s = self._clock.monotonic_s()
        fresh_s = min(
            question.kind.fresh_s if question.fresh_s is None else question.fresh_s,
            EMPTY_S if made.is_empty else question.kind.fresh_s,
        )
        entry = Entry(made.body, made.version, began_ms, round(fresh_s * 1_000), round((ended_s - began_s) * 1_000))
        generation = found.generation
        # Its generation unknown, an answer counts in this process only, whose own writes the epoch tells of.
        if generation is None or self._cache.put(
            *question.place, entry, generation=generation, kept_ms=kept_ms(entry, question.kind)
        ):
            self._memory.keep(question.place, Held(entry, ended_s, epoch, generation))
        else:
            self.figures.overtaken(name)
        return entry

    def _busy(self, kind: CacheKind) -> UnavailableError:
        self.figures.refused(kind.name)
        return UnavailableError(
            f"as many as may ask for {kind.name} do so already", code="origin_busy", hint="try again", retry_after_s=1
        )

    def _freshness(self, entry: Entry, kind: CacheKind) -> Freshness:
        return freshness(entry, kind, self._now_ms(), 1.0 - self._chance())

    def _answer(self, question: Question, entry: Entry, outcome: Outcome) -> Answer:
        self.figures.answered(question.kind.name, outcome)
        return Answer(entry.body, age_s(entry, self._now_ms()), outcome is Outcome.STALE, outcome)

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000
