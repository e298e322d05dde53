"""Parsed arrivals into their store, and what follows from their being there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from strata_core.ports.log_store import LogStore
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import PointBatch
from strata_datamodel.spooling import Signal, SpoolRecord
from strata_ingest.arrivals import Arrival, B, by_organization, events_of, groups_held, groups_to_write, points_of
from strata_ingest.bookkeeping import InventoryNotes
from strata_ingest.burying import buried_batches, bury_events, bury_points
from strata_ingest.hand_over import HandOver, Shared
from strata_ingest.late_marks import LateMarks
from strata_ingest.merging import merged_events, merged_points
from strata_ingest.newest import NewestValues
from strata_ingest.series_admitting import SeriesAdmitting
from strata_ingest.sightings import sightings_in_events

METRIC_STORE: Final = "metrics"
LOG_STORE: Final = "logs"


@dataclass(frozen=True, slots=True)
class Landed:
    written: int
    buried: int


class Landing(Protocol[B]):
    """How one signal's records get from the spool into their store."""

    @property
    def signal(self) -> Signal: ...

    @property
    def store(self) -> str: ...

    def committed_sequence(self, spool_id: UUID) -> int | None: ...

    def parse(self, record: SpoolRecord) -> Arrival[B]:
        """Pure. Whatever it raises, it raises again for the same record."""
        ...

    def pass_by(self, sequence: int) -> None:
        """Records up to it will not be parsed again."""
        ...

    def forget(self, organization_id: OrganizationId) -> None:
        """Nothing of it is in the store when this returns, nor remembered here."""
        ...

    def land(self, arrivals: Sequence[Arrival[B]], committed: int) -> Landed:
        """Idempotent; in the store and on the books when it returns. Points of sequences up to `committed` are in the
        store already: for those only the books and the dead letters are brought up to date."""
        ...


class MetricLanding:
    signal = Signal.METRICS
    store = METRIC_STORE

    def __init__(
        self,
        store: MetricStore,
        units: UnitsOfWork,
        series: SeriesAdmitting,
        inventory: InventoryNotes,
        shared: Shared,
        newest: NewestValues,
        late: LateMarks,
    ) -> None:
        self._store = store
        self._units = units
        self._series = series
        self._inventory = inventory
        self._shared = shared
        self._newest = newest
        self._late = late

    def committed_sequence(self, spool_id: UUID) -> int | None:
        return self._store.committed_sequence(spool_id)

    def parse(self, record: SpoolRecord) -> Arrival[PointBatch]:
        handed = self._shared.points.take(record)
        batch = points_of(record, self._shared.series) if handed is None else handed
        return Arrival(record, batch, len(batch), was_handed=handed is not None)

    def pass_by(self, sequence: int) -> None:
        self._shared.points.pass_by(sequence)

    def forget(self, organization_id: OrganizationId) -> None:
        self._shared.registered.forget(organization_id)
        self._newest.forget(organization_id)
        self._inventory.forget(organization_id)
        if self._store.count_points(organization_id):
            self._store.delete_organization(organization_id)

    def land(self, arrivals: Sequence[Arrival[PointBatch]], committed: int) -> Landed:
        # Before they are written: no refusal is forgotten by a crash between the store and the letters.
        arrivals, buried = self._series.admitted(arrivals, committed)
        written = 0
        for group, source in groups_to_write(arrivals, committed):
            batch, merged = merged_points([arrival.batch for arrival in group], source)
            outcome = self._store.write(batch)
            self._late.mark(batch)
            written += outcome.written
            buried += len(outcome.rejected)
            refused = merged.rejections(outcome.rejected)
            for place, arrival in enumerate(group):
                # One by one: senders repeat their series, and what was written together never comes together again.
                self._newest.note(arrival.batch, refused.get(place, ()))
            for place, rejected in refused.items():
                arrival = group[place]
                bury_points(self._units, self.store, arrival.batch, arrival.record.envelope, rejected)
        buried += self._bury_what_was_refused(arrivals, committed)
        for organization_id, group in by_organization(arrivals).items():
            self._inventory.note_series(
                organization_id, ((arrival.batch.series, arrival.received_at) for arrival in group)
            )
        return Landed(written, buried)

    def _bury_what_was_refused(self, arrivals: Sequence[Arrival[PointBatch]], committed: int) -> int:
        """The points are in, but a database that was down, or a kill, may have come between them and the letters."""
        buried = 0
        for group, source in groups_held(arrivals, committed):
            batch, merged = merged_points([arrival.batch for arrival in group], source)
            self._late.mark(batch)
            self._newest.doubt(batch.organization_id)
            refused = merged.rejections(self._store.write(batch).rejected)
            if not refused:
                continue
            batch_ids = [group[place].record.envelope.batch_id for place in refused]
            done = buried_batches(self._units, batch.organization_id, batch_ids)
            for place, rejected in refused.items():
                arrival, envelope = group[place], group[place].record.envelope
                if envelope.batch_id not in done:
                    bury_points(self._units, self.store, arrival.batch, envelope, rejected)
                    buried += len(rejected)
        return buried


class LogLanding:
    signal = Signal.LOGS
    store = LOG_STORE

    def __init__(
        self, store: LogStore, units: UnitsOfWork, inventory: InventoryNotes, handed: HandOver[LogBatch]
    ) -> None:
        self._store = store
        self._units = units
        self._inventory = inventory
        self._handed = handed

    def committed_sequence(self, spool_id: UUID) -> int | None:
        """Log stores find doubles by the ids of events."""
        return None

    def parse(self, record: SpoolRecord) -> Arrival[LogBatch]:
        handed = self._handed.take(record)
        batch = events_of(record) if handed is None else handed
        return Arrival(record, batch, len(batch.events))

    def pass_by(self, sequence: int) -> None:
        self._handed.pass_by(sequence)

    def forget(self, organization_id: OrganizationId) -> None:
        self._inventory.forget(organization_id)
        self._store.refresh()
        if self._store.count(organization_id):
            self._store.delete_organization(organization_id)

    def land(self, arrivals: Sequence[Arrival[LogBatch]], committed: int) -> Landed:
        written = buried = 0
        for group, source in groups_to_write(arrivals, committed):
            batch, merged = merged_events([arrival.batch for arrival in group], source)
            outcome = self._store.write(batch)
            written += outcome.written
            buried += len(outcome.rejected)
            for place, rejected in merged.rejections(outcome.rejected).items():
                arrival = group[place]
                bury_events(self._units, self.store, arrival.batch, arrival.record.envelope, rejected)
        for organization_id, group in by_organization(arrivals).items():
            self._inventory.note(
                organization_id,
                (
                    sighting
                    for arrival in group
                    for sighting in sightings_in_events(arrival.batch.events, arrival.received_at)
                ),
            )
        return Landed(written, buried)
