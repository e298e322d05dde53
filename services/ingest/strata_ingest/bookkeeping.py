"""What PostgreSQL learns from telemetry that is in its store: new series, hosts and services."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import structlog
from prometheus_client import Counter

from strata_core.inventory.sightings import record_sightings
from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.series.commands import register
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.inventory import Sighting
from strata_datamodel.metrics import SeriesKey
from strata_ingest.sightings import SightingThrottle

_SERIES_KNOWN: Final = 500_000
_SERIES_PER_UNIT: Final = 5_000
_SIGHTINGS_PER_UNIT: Final = 500
_log = structlog.get_logger(__name__)


class SeriesRegister:
    """Remembers what is in the catalogue, so that a batch of known series costs no query."""

    def __init__(self, units: UnitsOfWork, limit: int = _SERIES_KNOWN) -> None:
        self._units = units
        self._limit = limit
        self._known: OrderedDict[tuple[OrganizationId, SeriesKey], None] = OrderedDict()

    def add(self, organization_id: OrganizationId, series: Iterable[SeriesKey]) -> None:
        missing = iter([key for key in series if (organization_id, key) not in self._known])
        while part := list(islice(missing, _SERIES_PER_UNIT)):
            with self._units.organization(organization_id) as uow:
                register(uow, part)
            self._known.update(((organization_id, key), None) for key in part)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def forget(self, organization_id: OrganizationId) -> None:
        for key in [key for key in self._known if key[0] == organization_id]:
            del self._known[key]


class InventoryNotes:
    def __init__(self, units: UnitsOfWork, clock: Clock, missed: Counter) -> None:
        self._units = units
        self._throttle = SightingThrottle(clock)
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

    def forget(self, organization_id: OrganizationId) -> None:
        self._throttle.forget(organization_id)

    def _tell(self, organization_id: OrganizationId, sightings: Sequence[Sighting]) -> None:
        for start in range(0, len(sightings), _SIGHTINGS_PER_UNIT):
            part = sightings[start : start + _SIGHTINGS_PER_UNIT]
            with self._units.organization(organization_id) as uow:
                record_sightings(uow, part)
            self._throttle.told(organization_id, part)
