"""Each step that a body takes through ingest, alone, in one thread: a budget for the rows that measure all of it."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from bench.workloads.documents import DocumentWorkload
from bench.workloads.points import PointWorkload
from strata_datamodel.ids import BatchId, OrganizationId, uuid7
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_ingest.merging import merged_events, merged_points
from strata_ingest.sightings import sightings_in_events, sightings_in_series
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_wire.bulk import parse_bulk
from strata_wire.bulk_answer import bulk_answer
from strata_wire.decompression import GZIP, decompress
from strata_wire.known_series import KnownSeries
from strata_wire.line_protocol import parse_lines

ROUNDS: Final = 5
_TOGETHER: Final = 8
"""Bodies that the writer takes into one write."""

_ORGANIZATION: Final = OrganizationId(uuid7(0))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Given:
    points: PointWorkload
    documents: DocumentWorkload


class _Stopwatch:
    """CPU milliseconds a body, summed over rounds."""

    def __init__(self) -> None:
        self._spent_s: dict[str, float] = {}

    def timed(self, name: str, act: Callable[[], T]) -> T:
        began_s = time.process_time()
        result = act()
        self._spent_s[name] = self._spent_s.get(name, 0.0) + time.process_time() - began_s
        return result

    def ms_per_body(self) -> dict[str, float]:
        return {name: spent_s * 1000 / ROUNDS / _TOGETHER for name, spent_s in self._spent_s.items()}


def step_costs(given: Given) -> dict[str, float]:
    """CPU milliseconds of each step for a body, the first round (new series, a new index) left out."""
    return _line_costs(given.points) | _bulk_costs(given.documents)


def _line_costs(workload: PointWorkload) -> dict[str, float]:
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory(prefix="strata-bench-steps-") as directory:
        store = DuckDbMetricStore(Path(directory), SystemClock())
        known = KnownSeries()
        known.prepare()
        for number in range(ROUNDS + 1):
            bodies = [workload.body(agent, number) for agent in range(_TOGETHER)]
            _line_round(watch if number else _Stopwatch(), store, known, bodies)
        store.close()
    return watch.ms_per_body()


def _line_round(watch: _Stopwatch, store: DuckDbMetricStore, known: KnownSeries, bodies: list[bytes]) -> None:
    envelope = _envelope(Signal.METRICS, WireFormat.INFLUX_LINE)
    plain = watch.timed("lp_inflate", lambda: [decompress(body, GZIP) for body in bodies])
    parsed = watch.timed("lp_parse", lambda: [parse_lines(body, envelope, known=known).batch for body in plain])
    merged = watch.timed("lp_merge", lambda: merged_points(parsed, None)[0])
    watch.timed("lp_write", lambda: store.write(merged))
    watch.timed("lp_sightings", lambda: [list(sightings_in_series(batch.series, _now())) for batch in parsed])


def _bulk_costs(workload: DocumentWorkload) -> dict[str, float]:
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory(prefix="strata-bench-steps-") as directory:
        store = TantivyLogStore(Path(directory), SystemClock())
        store.prepare()
        for number in range(ROUNDS + 1):
            bodies = [workload.body(connection, number) for connection in range(_TOGETHER)]
            _bulk_round(watch if number else _Stopwatch(), store, bodies)
        store.close()
    return watch.ms_per_body()


def _bulk_round(watch: _Stopwatch, store: TantivyLogStore, bodies: list[bytes]) -> None:
    envelopes = [_envelope(Signal.LOGS, WireFormat.ES_BULK) for _ in bodies]
    parsed = watch.timed("bulk_parse", lambda: list(map(parse_bulk, bodies, envelopes)))
    watch.timed("bulk_answer", lambda: [bulk_answer(bulk.items, 1, "") for bulk in parsed])
    merged = watch.timed("bulk_merge", lambda: merged_events([bulk.batch for bulk in parsed], None)[0])
    watch.timed("bulk_write", lambda: store.write(merged))
    watch.timed("bulk_sightings", lambda: list(sightings_in_events(merged.events, _now())))


def _now() -> datetime:
    return datetime.now(UTC)


def _envelope(signal: Signal, wire_format: WireFormat) -> Envelope:
    received_at_ns = time.time_ns()
    return Envelope(
        organization_id=_ORGANIZATION,
        batch_id=BatchId(uuid7(received_at_ns // 1_000_000)),
        received_at_ns=received_at_ns,
        signal=signal,
        wire_format=wire_format,
        parameters={},
    )
