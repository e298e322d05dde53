"""What PostgreSQL learns from telemetry that is in its store: new hosts and services."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter

from strata_core.inventory.sightings import record_sightings
from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.inventory import Sighting
from strata_datamodel.metrics import SeriesKey
from strata_ingest.quiet_series import QuietSeries
from strata_ingest.sightings import SightingThrottle, sightings_in_series

_SIGHTINGS_PER_UNIT: Final = 500
_log = structlog.get_logger(__name__)


class InventoryNotes:
    def __init__(self, units: UnitsOfWork, clock: Clock, missed: Counter) -> None:
        self._units = units
        self._throttle = SightingThrottle(clock)
        self._quiet = QuietSeries(clock)
        self._missed = missed

    def note(self, organization_id: OrganizationId, sightings: Iterable[Sighting]) -> None:
        """Raises for new hosts that could not be noted. That a known one was seen again may be missed in an outage:
        the next batch says it too, and points must not wait for it."""
        due = self._throttle.due(organization_id, sightings)
        self._tell(organization_id, due.new)
        try:
            self._tell(organization_id, due.touches)
        except UnavailableError as error:
            self._missed.inc(len(due.touches))
            _log.warning("sightings_missed", count=len(due.touches), error=error.detail)

    def note_series(
        self, organization_id: OrganizationId, sent: Iterable[tuple[Sequence[SeriesKey], datetime]]
    ) -> None:
        """As `note`, of what series say that came at these times."""
        loud = [(others, at) for series, at in sent if (others := self._quiet.others(organization_id, series))]
        if loud:
            self.note(organization_id, (each for series, at in loud for each in sightings_in_series(series, at)))
            for series, _ in loud:
                self._quiet.add(organization_id, series)

    def forget(self, organization_id: OrganizationId) -> None:
        self._throttle.forget(organization_id)
        self._quiet.forget(organization_id)

    def _tell(self, organization_id: OrganizationId, sightings: Sequence[Sighting]) -> None:
        for start in range(0, len(sightings), _SIGHTINGS_PER_UNIT):
            part = sightings[start : start + _SIGHTINGS_PER_UNIT]
            with self._units.organization(organization_id) as uow:
                record_sightings(uow, part)
            self._throttle.told(organization_id, part)
