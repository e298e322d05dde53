"""Writes what became of alerts among their organizations' metrics."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.alerting.events import POINT_DUE
from strata_core.alerting.history import alert_points, batch_of_points
from strata_core.organizations.tombstones import tombstone
from strata_core.outbox.commands import claim, finish_all, park, postpone
from strata_core.outbox.events import ClaimedEvent
from strata_core.outbox.queries import is_anything_due
from strata_core.ports.clock import Clock
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.rollups.commands import mark_dirty
from strata_core.rollups.rules import late_hours
from strata_core.series.commands import register
from strata_datamodel.errors import StoreUnavailableError, StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import PointBatch

log = structlog.get_logger(__name__)
EVENTS_PER_PASS: Final = 500
ATTEMPTS_BEFORE_PARKING: Final = 20
LONGEST_DELAY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Due:
    batch: PointBatch
    over_limits: int
    """Points of series that the organization's limits keep out."""


class AlertRecorder:
    """No spool stands before the store here, as there is one before it in ingest: the promise is the row in the outbox,
    which was written with the alert's change and stays until the point is in the store. The point's time and tags are
    the alert's, so that one which is written twice is there once. Its loop is its own: a metric store that is down or
    slow puts points off, and holds up no page."""

    def __init__(
        self, units: SystemUnitsOfWork, store: MetricStore, clock: Clock, worker: str, registry: CollectorRegistry
    ) -> None:
        self._units = units
        self._store = store
        self._clock = clock
        self._worker = worker
        self._points = Counter(
            "strata_alert_points", "Points of alert_events, by outcome.", ["outcome"], registry=registry
        )

    def step(self) -> int:
        with self._units.system() as uow:
            if not is_anything_due(uow, POINT_DUE):
                return 0
            claimed = claim(uow, self._worker, limit=EVENTS_PER_PASS, kinds=(POINT_DUE,))
        by_organization: defaultdict[OrganizationId, list[ClaimedEvent]] = defaultdict(list)
        for item in claimed:
            by_organization[item.organization_id].append(item)
        return sum(self._record(organization_id, items) for organization_id, items in by_organization.items())

    def _record(self, organization_id: OrganizationId, items: Sequence[ClaimedEvent]) -> int:
        """How many were finished."""
        try:
            due = self._due(organization_id, items)
            refused = len(self._store.write(due.batch).rejected) if len(due.batch) else 0
        except StoreUnavailableError as error:
            if error.store == "postgres":
                raise
            return self._put_off(items, error.detail, is_outage=True)
        except StrataError as error:
            return self._put_off(items, error.detail, is_outage=False)
        with self._units.organization(organization_id) as uow:
            # Once the store has them, as ingest does: a roll-up that begins later sees them.
            mark_dirty(uow, late_hours(due.batch.time_ns, self._clock.now_ns()))
            finished = finish_all(uow, items)
        self._points.labels("written").inc(len(due.batch) - refused)
        if refused or due.over_limits:
            self._points.labels("refused").inc(refused + due.over_limits)
            names = {"refused": refused, "over_limits": due.over_limits}
            log.warning("alert_points_refused", organization_id=str(organization_id), **names)
        return finished

    def _due(self, organization_id: OrganizationId, items: Sequence[ClaimedEvent]) -> _Due:
        """Before they are written their series are in the catalogue, under the limits that hold for all series. Nothing
        is written any more of an organization that is being deleted."""
        with self._units.organization(organization_id) as uow:
            is_closed = tombstone(uow) is not None
            points = [] if is_closed else alert_points(uow, [item.event for item in items])
            batch = batch_of_points(uow, points)
            outside = {each.series for each in register(uow, batch.series).refused}
            if not outside:
                return _Due(batch, 0)
            kept = batch_of_points(uow, [point for point in points if not outside.intersection(point.series())])
        return _Due(kept, len(batch) - len(kept))

    def _put_off(self, items: Sequence[ClaimedEvent], reason: str, *, is_outage: bool) -> int:
        log.warning("alert_points_put_off", events=len(items), reason=reason)
        for item in items:
            with self._units.organization(item.organization_id) as uow:
                if not is_outage and item.attempts >= ATTEMPTS_BEFORE_PARKING:
                    park(uow, item, reason=reason)
                else:
                    delay = min(LONGEST_DELAY, timedelta(seconds=2 ** min(item.attempts, 6)))
                    postpone(uow, item, delay=delay, reason=reason)
        return 0
