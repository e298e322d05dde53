"""Brings the search index up to date with rows that changed, many at once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.outbox.commands import claim, finish, park, postpone
from strata_core.outbox.events import ClaimedEvent
from strata_core.outbox.queries import is_anything_due
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.search.entities import current
from strata_core.search.events import PROJECTION_DUE
from strata_core.search.generations import generations_of
from strata_core.search.projections import PROJECTIONS
from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PROJECTIONS_PER_PASS
from strata_datamodel.search import GenerationMissingError, Place, Projected

log = structlog.get_logger(__name__)
ATTEMPTS_BEFORE_PARKING: Final = 20
LONGEST_DELAY: Final = timedelta(minutes=1)


class Projector:
    """What an event says of its entity is not looked at: the newest row is read and written. An index that is down
    puts events off, however often; only what it refuses for good is parked in the end."""

    def __init__(self, units: SystemUnitsOfWork, index: SearchIndex, worker: str, registry: CollectorRegistry) -> None:
        self._units = units
        self._index = index
        self._worker = worker
        self._events = Counter(
            "strata_search_projections", "Entities brought up to date in the search index, by outcome.", ["outcome"],
            registry=registry,
        )  # fmt: skip

    def step(self) -> int:
        with self._units.system() as uow:
            if not is_anything_due(uow, PROJECTION_DUE):
                return 0
            claimed = claim(uow, self._worker, limit=PROJECTIONS_PER_PASS, kinds=(PROJECTION_DUE,))
        by_kind: defaultdict[tuple[OrganizationId, str], list[ClaimedEvent]] = defaultdict(list)
        for item in claimed:
            by_kind[item.organization_id, item.event.entity_kind].append(item)
        return sum(self._bring_up(organization_id, kind, items) for (organization_id, kind), items in by_kind.items())

    def _bring_up(self, organization_id: OrganizationId, kind: str, items: Sequence[ClaimedEvent]) -> int:
        """How many were finished."""
        if kind not in PROJECTIONS:
            return self._put_off(items, f"{kind} is not known to this release", is_outage=True)
        try:
            self._project(organization_id, kind, items)
        except StoreUnavailableError as error:
            if error.store == "postgres":
                raise
            log.warning("projection_put_off", events=len(items), reason=error.detail)
            return self._put_off(items, error.detail, is_outage=True)
        except (StoreRefusedError, GenerationMissingError) as error:
            if len(items) > 1:
                # One of them is why: the others are found in as many steps as it takes to halve them.
                halves = items[: len(items) // 2], items[len(items) // 2 :]
                return sum(self._bring_up(organization_id, kind, half) for half in halves)
            return self._put_off(items, error.detail, is_outage=isinstance(error, GenerationMissingError))
        with self._units.organization(organization_id) as uow:
            finished = sum(finish(uow, item) for item in items)
        self._events.labels("done").inc(finished)
        return finished

    def _project(self, organization_id: OrganizationId, kind: str, items: Sequence[ClaimedEvent]) -> None:
        """Generations are read before rows. One that begins to be built after that is filled from rows at least as new
        as these."""
        with self._units.organization(organization_id) as uow:
            generations = generations_of(uow, kind)
            entities = current(uow, kind, _known(items))
        for place in generations.written:
            self._write(place, entities, is_searched=place == generations.searched)

    def _write(self, place: Place, entities: Sequence[Projected], *, is_searched: bool) -> None:
        try:
            self._index.write(place, entities)
        except GenerationMissingError:
            if not is_searched:
                raise
            # The first of all, or it was lost: what else should be in it the reconciler finds out.
            self._index.create(place)
            self._index.write(place, entities)

    def _put_off(self, items: Sequence[ClaimedEvent], reason: str, *, is_outage: bool) -> int:
        for item in items:
            is_last = not is_outage and item.attempts >= ATTEMPTS_BEFORE_PARKING
            with self._units.organization(item.organization_id) as uow:
                if is_last:
                    park(uow, item, reason=reason)
                else:
                    delay = min(LONGEST_DELAY, timedelta(seconds=2 ** min(item.attempts, 6)))
                    postpone(uow, item, delay=delay, reason=reason)
            self._events.labels("parked" if is_last else "postponed").inc()
        return 0


def _known(items: Sequence[ClaimedEvent]) -> dict[UUID, int]:
    """The greatest version that is known of each entity."""
    known: dict[UUID, int] = {}
    for item in items:
        version = item.event.payload.get("version")
        newest = version if isinstance(version, int) else 0
        known[item.event.entity_id] = max(newest, known.get(item.event.entity_id, 0))
    return known
