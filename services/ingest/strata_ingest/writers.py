"""The two writers, put together."""

from strata_core.latest.nowhere import Nowhere
from strata_core.ports.clock import Clock
from strata_core.ports.log_store import LogStore
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.spool import Spool
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import PointBatch
from strata_ingest.bookkeeping import InventoryNotes
from strata_ingest.hand_over import Shared
from strata_ingest.instruments import WriterInstruments
from strata_ingest.landing import METRIC_STORE, LogLanding, MetricLanding
from strata_ingest.late_marks import LateMarks
from strata_ingest.newest import NewestValues
from strata_ingest.series_admitting import SeriesAdmitting
from strata_ingest.series_gate import SeriesGate
from strata_ingest.server_metrics import ServerRows, WithServerRows
from strata_ingest.tombstones import Closed
from strata_ingest.writer import DEFAULT_BACKOFF, Backoff, SpoolWriter


def metric_writer(
    spool: Spool,
    store: MetricStore,
    units: UnitsOfWork,
    clock: Clock,
    instruments: WriterInstruments,
    backoff: Backoff = DEFAULT_BACKOFF,
    shared: Shared | None = None,
    closed: Closed | None = None,
    newest: NewestValues | None = None,
) -> SpoolWriter[PointBatch]:
    """`units` are those of the role worker, `shared` is that of the edge."""
    shared = shared or Shared()
    newest = newest or NewestValues(Nowhere(), instruments.newest_given_up)
    notes = InventoryNotes(units, clock, instruments.missed_sightings)
    gate = SeriesGate(units, shared.registered, clock)
    series = SeriesAdmitting(gate, units, store=METRIC_STORE, refused=instruments.refused_points)
    landing = MetricLanding(store, units, series, notes, shared, newest, LateMarks(units, clock))
    rows = ServerRows(units, clock, instruments.server_rows_refused)
    with_rows = WithServerRows(landing, rows.note_points, rows)
    return SpoolWriter(spool, with_rows, units, clock, instruments, backoff=backoff, closed=closed)


def log_writer(
    spool: Spool,
    store: LogStore,
    units: UnitsOfWork,
    clock: Clock,
    instruments: WriterInstruments,
    backoff: Backoff = DEFAULT_BACKOFF,
    shared: Shared | None = None,
    closed: Closed | None = None,
) -> SpoolWriter[LogBatch]:
    """`units` are those of the role worker, `shared` is that of the edge."""
    notes = InventoryNotes(units, clock, instruments.missed_sightings)
    landing = LogLanding(store, units, notes, (shared or Shared()).events)
    rows = ServerRows(units, clock, instruments.server_rows_refused)
    with_rows = WithServerRows(landing, rows.note_events, rows)
    return SpoolWriter(spool, with_rows, units, clock, instruments, backoff=backoff, closed=closed)
