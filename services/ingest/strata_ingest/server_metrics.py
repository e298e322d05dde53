"""Rows of servers beside what the stores hold, for organizations that turned them on. It costs the others a look at
their settings now and then."""

from collections import Counter as Counted
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar
from uuid import UUID

import prometheus_client
import structlog

from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_core.server_metrics.commands import ErrorRow, keep_parts, write_errors, write_readings
from strata_core.server_metrics.queries import is_turned_on
from strata_core.server_metrics.readings import OUT_OF_TIME, UNKNOWN_HOST, Readings, readings_of
from strata_core.server_metrics.sources import Filling, filling_of
from strata_datamodel.errors import ConflictError, InvalidError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import (
    ERROR_LOG_MESSAGE_LENGTH,
    FUTURE_SECONDS,
    SERVER_METRICS_PER_UNIT,
    SERVER_METRICS_TAKEN_DAYS,
)
from strata_datamodel.logs import LogBatch, LogEvent, LogLevel
from strata_datamodel.metrics import PointBatch, SeriesKey
from strata_datamodel.spooling import SpoolRecord
from strata_ingest.arrivals import Arrival, B, by_organization
from strata_ingest.landing import Landed, Landing

_ASKED_AGAIN_S: Final = 30.0
_PARTS_KEPT_S: Final = 3_600.0
_SERIES_KNOWN: Final = 200_000
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_NS_PER_US: Final = 1_000
_ERRORS: Final = frozenset({LogLevel.ERROR, LogLevel.FATAL})
_REFUSED: Final = "database"
T = TypeVar("T")
log = structlog.get_logger(__name__)


class ServerRows:
    """One a writer. A database that is down is waited for, as it is for new series; what its rules refuse is counted,
    and stands in the stores all the same."""

    def __init__(self, units: UnitsOfWork, clock: Clock, refused: prometheus_client.Counter) -> None:
        self._units = units
        self._clock = clock
        self._refused = refused
        self._turned_on: dict[OrganizationId, tuple[bool, float]] = {}
        self._fillings: OrderedDict[SeriesKey, Filling | None] = OrderedDict()
        self._parts_until_s: float | None = None

    def note_points(self, organization_id: OrganizationId, batches: Sequence[PointBatch]) -> None:
        """The points are in their store, and the hosts in the inventory."""
        if not self._is_turned_on(organization_id):
            return
        found = Readings()
        first_ns, end_ns = self._taken()
        for batch in batches:  # one by one: what makes up a row must not hang on what was written together
            fillings = [self._filling(key) for key in batch.series]
            if any(fillings):
                found.add(readings_of(batch, fillings, first_ns=first_ns, end_ns=end_ns))
        self._count(found.refused)
        rows = iter(found.rows.items())
        while part := dict(islice(rows, SERVER_METRICS_PER_UNIT)):
            self._write(organization_id, part, write_readings)

    def note_events(self, organization_id: OrganizationId, batches: Sequence[LogBatch]) -> None:
        """As `note_points`."""
        if not self._is_turned_on(organization_id):
            return
        wanted = [event for batch in batches for event in batch.events if event.level in _ERRORS and event.host_id]
        first_ns, end_ns = self._taken()
        rows = [_row(event) for event in wanted if first_ns <= event.timestamp_ns < end_ns]
        self._count(Counted({OUT_OF_TIME: len(wanted) - len(rows)}))
        for start in range(0, len(rows), SERVER_METRICS_PER_UNIT):
            self._write(organization_id, rows[start : start + SERVER_METRICS_PER_UNIT], write_errors)

    def forget(self, organization_id: OrganizationId) -> None:
        self._turned_on.pop(organization_id, None)

    def _is_turned_on(self, organization_id: OrganizationId) -> bool:
        """In an outage what is known holds on: who does without rows must not wait for the database."""
        known = self._turned_on.get(organization_id)
        now_s = self._clock.monotonic_s()
        if known is not None and now_s < known[1]:
            return known[0]
        try:
            with self._units.organization(organization_id) as uow:
                is_on = is_turned_on(uow)
        except UnavailableError:
            if known is None:
                raise
            is_on = known[0]
        self._turned_on[organization_id] = (is_on, now_s + _ASKED_AGAIN_S)
        return is_on

    def _taken(self) -> tuple[int, int]:
        now_ns = self._clock.now_ns()
        return now_ns - SERVER_METRICS_TAKEN_DAYS * _DAY_NS, now_ns + FUTURE_SECONDS * _SECOND_NS

    def _filling(self, series: SeriesKey) -> Filling | None:
        if series in self._fillings:
            return self._fillings[series]
        filling = self._fillings[series] = filling_of(series)
        if len(self._fillings) > _SERIES_KNOWN:
            self._fillings.popitem(last=False)
        return filling

    def _write(self, organization_id: OrganizationId, rows: T, write: Callable[[UnitOfWork, T], int]) -> None:
        self._keep_parts(organization_id)
        try:
            with self._units.organization(organization_id) as uow:
                unknown = write(uow, rows)
        except (InvalidError, ConflictError) as error:
            if error.code == "concurrent_update":
                raise
            log.warning("server_rows_refused", organization_id=str(organization_id), error=error.detail)
            self._count(Counted({_REFUSED: len(rows)}))  # type: ignore[arg-type]
        else:
            self._count(Counted({UNKNOWN_HOST: unknown}))

    def _keep_parts(self, organization_id: OrganizationId) -> None:
        """The workers make weeks ahead. Before the first row there may have been none of them."""
        now_s = self._clock.monotonic_s()
        if self._parts_until_s is not None and now_s < self._parts_until_s:
            return
        with self._units.organization(organization_id) as uow:
            keep_parts(uow)
        self._parts_until_s = now_s + _PARTS_KEPT_S

    def _count(self, refused: Counted[str]) -> None:
        for reason, count in refused.items():
            if count:
                self._refused.labels(reason).inc(count)


def _row(event: LogEvent) -> ErrorRow:
    texts = [each.replace("\0", "") for each in (event.service_id, event.stream, event.message)]
    service, stream, message = (each.encode(errors="replace").decode() for each in texts)
    return ErrorRow(
        host=event.host_id,
        time_us=event.timestamp_ns // _NS_PER_US,
        id=UUID(hex=event.event_id),
        level=event.level.value,
        service=service,
        stream=stream,
        message=message[:ERROR_LOG_MESSAGE_LENGTH],
    )


class WithServerRows(Generic[B]):
    """A landing whose records' rows are written too, after all else and before they are acknowledged."""

    def __init__(
        self, landing: Landing[B], note: Callable[[OrganizationId, Sequence[B]], None], rows: ServerRows
    ) -> None:
        self.signal = landing.signal
        self.store = landing.store
        self._landing = landing
        self._note = note
        self._rows = rows

    def committed_sequence(self, spool_id: UUID) -> int | None:
        return self._landing.committed_sequence(spool_id)

    def parse(self, record: SpoolRecord) -> Arrival[B]:
        return self._landing.parse(record)

    def pass_by(self, sequence: int) -> None:
        self._landing.pass_by(sequence)

    def forget(self, organization_id: OrganizationId) -> None:
        self._rows.forget(organization_id)
        self._landing.forget(organization_id)

    def land(self, arrivals: Sequence[Arrival[B]], committed: int) -> Landed:
        landed = self._landing.land(arrivals, committed)
        for organization_id, group in by_organization(arrivals).items():
            self._note(organization_id, [arrival.batch for arrival in group])
        return landed
