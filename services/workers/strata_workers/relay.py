"""From a row in the outbox to its effect: the relay rings, the answerer claims, handles and finishes."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.alerting.events import POINT_DUE
from strata_core.caching.kinds import ENDED_BY
from strata_core.outbox.catalogue import EVENTS, is_from_a_newer_release
from strata_core.outbox.commands import (
    claim,
    finish,
    finish_all,
    park,
    postpone,
    postpone_all,
    release,
    take_due_for_ringing,
)
from strata_core.outbox.events import ClaimedEvent
from strata_core.outbox.queries import is_anything_due
from strata_core.ports.cache import Cache
from strata_core.ports.doorbell import Doorbell
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.search.events import PROJECTION_DUE
from strata_datamodel.errors import ConflictError, StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId, OutboxId
from strata_workers.handlers import HANDLERS, Handler, context_of
from strata_workers.sender import Sender
from strata_workers.time_limits import time_limit

log = structlog.get_logger(__name__)
EVENTS_PER_PASS: Final = 200
REMEMBERED_RINGS: Final = 10_000
ATTEMPTS_BEFORE_PARKING: Final = 20
ABANDONED_BEFORE_PARKING: Final = 5
"""Fewer than of attempts that fail: each of these cost a worker."""
HANDLER_LIMIT_S: Final = 30.0
"""Less than the lease: what is interrupted is still ours to put off."""
MAX_DELAY: Final = timedelta(minutes=10)
NO_BELLS: Final[Mapping[str, Callable[[], None]]] = {}
"""By the kind of event, whom to tell once it is finished. Whoever is told finds by themselves what there is to do."""
APART: Final = (PROJECTION_DUE, POINT_DUE)
"""The projector's and the alert recorder's: they take many at once, and a store that is down holds up no page."""


CACHE_DELAY: Final = timedelta(seconds=5)
"""Between two tries to tell a cache that cannot be reached."""


class Answerer:
    """Answers one ring. Any number may answer the same: the claim lets one through."""

    def __init__(
        self,
        units: SystemUnitsOfWork,
        sender: Sender,
        cache: Cache,
        worker: str,
        registry: CollectorRegistry,
        *,
        handlers: Mapping[str, Handler] = HANDLERS,
        handler_limit_s: float = HANDLER_LIMIT_S,
        bells: Mapping[str, Callable[[], None]] = NO_BELLS,
    ) -> None:
        self._units = units
        self._sender = sender
        self._cache = cache
        self._worker = worker
        self._handlers = handlers
        self._handler_limit_s = handler_limit_s
        self._bells = bells
        self.quiet = tuple(kind for kind in EVENTS if kind not in (*handlers, *bells, *APART))
        """Kinds that set nothing in motion: all they do is end what is cached."""
        self._events = Counter("strata_outbox_events", "Events taken up, by outcome.", ["outcome"], registry=registry)

    def answer(self, outbox_id: OutboxId) -> bool:
        """True when this call claimed the event."""
        with self._units.system() as uow:
            claimed = claim(uow, self._worker, limit=1, outbox_id=outbox_id, apart=APART)
        for item in claimed:
            if item.abandoned >= ABANDONED_BEFORE_PARKING:
                self._park(item, f"{item.abandoned} workers that took it up never came back")
            elif is_from_a_newer_release(item.event):
                self._park(item, f"its version {item.event.schema_version} is not known to this release")
            else:
                self._handle(item)
        return bool(claimed)

    def finish_quiet(self) -> int:
        """Events of quiet kinds, many at once: telemetry of a thousand new hosts brings a thousand of them."""
        with self._units.system() as uow:
            claimed = claim(uow, self._worker, limit=EVENTS_PER_PASS, kinds=self.quiet)
        if not claimed:
            return 0
        newer = [item for item in claimed if is_from_a_newer_release(item.event)]
        for item in newer:
            self._park(item, f"its version {item.event.schema_version} is not known to this release")
        known = [item for item in claimed if item not in newer]
        places = {place for item in known for place in _places(item)}
        untold = {place for place in places if not self._cache.invalidate(*place)}
        self._settle([item for item in known if untold.isdisjoint(_places(item))], is_done=True)
        self._settle([item for item in known if not untold.isdisjoint(_places(item))], is_done=False)
        return len(claimed)

    def _settle(self, items: Sequence[ClaimedEvent], *, is_done: bool) -> None:
        if not items:
            return
        with self._units.system() as uow:
            if is_done:
                count = finish_all(uow, items)
            else:
                count = postpone_all(uow, items, delay=CACHE_DELAY, reason="the cache that has to hear of it is away")
        self._events.labels("done" if is_done else "postponed").inc(count)

    def _park(self, item: ClaimedEvent, reason: str) -> None:
        """Whatever takes workers down with it must not take down every one that comes after, and what this release
        could misread waits for one that does not."""
        log.error("event_parked", outbox=str(item.outbox_id), kind=item.event.kind, reason=reason)
        with self._units.organization(item.organization_id) as uow:
            park(uow, item, reason=reason)
        self._events.labels("parked").inc()

    def _handle(self, item: ClaimedEvent) -> None:
        handler = self._handlers.get(item.event.kind)
        self._end_what_is_cached(item)
        try:
            with self._units.organization(item.organization_id) as uow:
                if handler is not None:
                    with time_limit(self._handler_limit_s):
                        handler(context_of(item), uow, item)
                if not finish(uow, item):
                    raise ConflictError("the lease was lost", code="lease_lost")
        except UnavailableError:
            self._release(item)
            raise
        except Exception as error:
            # One event's failure must not hold up the others: it is put off with its reason, and parked in the end.
            log.exception("event_failed", outbox=str(item.outbox_id), kind=item.event.kind)
            self._put_off(item, f"{type(error).__name__}: {error}")
            return
        self._events.labels("done").inc()
        if handler is not None:
            self._sender.send_event(item.outbox_id)
        if (ring := self._bells.get(item.event.kind)) is not None:
            ring()

    def _release(self, item: ClaimedEvent) -> None:
        """An outage is no fault of the event: it must not look as if a worker had died of it."""
        with contextlib.suppress(StrataError), self._units.organization(item.organization_id) as uow:
            release(uow, item)

    def _end_what_is_cached(self, item: ClaimedEvent) -> None:
        """The change is committed, since its event is seen. Before the event is finished: whoever dies in between
        leaves it to be told again."""
        for place in _places(item):
            self._cache.invalidate(*place)

    def _put_off(self, item: ClaimedEvent, reason: str) -> None:
        is_last = item.attempts >= ATTEMPTS_BEFORE_PARKING
        with self._units.organization(item.organization_id) as uow:
            if is_last:
                park(uow, item, reason=reason)
            else:
                delay = min(MAX_DELAY, timedelta(seconds=2 ** min(item.attempts, 10)))
                postpone(uow, item, delay=delay, reason=reason)
        self._events.labels("parked" if is_last else "postponed").inc()


class Relay:
    """Finds events that are due and rings for each. Those that a first ring brought nobody for, and all while the bell
    is down, it answers itself: a bell that takes rings proves nothing about anybody listening."""

    def __init__(
        self,
        units: SystemUnitsOfWork,
        doorbell: Doorbell,
        answerer: Answerer,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._units = units
        self._doorbell = doorbell
        self._answerer = answerer
        self._is_stopping = is_stopping
        self._rung: OrderedDict[OutboxId, None] = OrderedDict()

    def step(self) -> int:
        with self._units.system() as uow:
            if not is_anything_due(uow):
                return 0
        quiet = self._answerer.finish_quiet()
        with self._units.system() as uow:
            due = take_due_for_ringing(uow, EVENTS_PER_PASS, APART, self._answerer.quiet)
        for outbox_id in due:
            if self._is_stopping():
                break  # they are due again in ten seconds, for whoever runs then
            if outbox_id in self._rung or not self._doorbell.ring(outbox_id):
                self._rung.pop(outbox_id, None)
                self._answerer.answer(outbox_id)
            else:
                self._rung[outbox_id] = None
        while len(self._rung) > REMEMBERED_RINGS:
            self._rung.popitem(last=False)
        return len(due) + quiet


def _places(item: ClaimedEvent) -> list[tuple[OrganizationId, str]]:
    """What is cached of the entity."""
    event = item.event
    owner_id = OrganizationId(event.entity_id) if event.entity_kind == "user" else item.organization_id
    return [(owner_id, kind.name) for kind in ENDED_BY.get(event.entity_kind, ())]
