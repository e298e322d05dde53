"""A panel over thirty days as the planner has it, from windows of an hour, over the same from raw points."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from strata_datamodel.ids import OrganizationId, uuid7
from strata_datamodel.metrics import Aggregate, FieldClass, MetricAnswer, MetricQuery, PointBatch, SeriesKey
from strata_datamodel.tiers import ROLLED_UP, Stretch, Tier
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

_DAYS: Final = 30
_HOSTS: Final = 10
_STEP_NS: Final = 10 * 1_000_000_000
_HOUR_NS: Final = 3_600 * 1_000_000_000
_DAY_NS: Final = 24 * _HOUR_NS
_ROUNDS: Final = 5
_ORGANIZATION: Final = OrganizationId(uuid7(0))


@dataclass(frozen=True, slots=True)
class _Given:
    start_ns: int
    hosts: int

    @property
    def end_ns(self) -> int:
        return self.start_ns + _DAYS * _DAY_NS


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    today_ns = time.time_ns() // _DAY_NS * _DAY_NS
    return in_fresh_process(_measured, _Given(today_ns - (_DAYS + 1) * _DAY_NS, plan.bodies(_HOSTS)), plan.cores.server)


def _measured(given: _Given) -> dict[str, float]:
    """In turns."""
    query = MetricQuery(
        _ORGANIZATION, "cpu", "usage", Aggregate.AVG, given.start_ns, given.end_ns, _HOUR_NS, group_by=("host",)
    )
    stitched = replace(query, stretches=(Stretch(Tier.HOUR, given.start_ns, given.end_ns),))
    with tempfile.TemporaryDirectory(prefix="strata-bench-panel-") as directory:
        store = DuckDbMetricStore(Path(directory), SystemClock())
        try:
            points = _fill(store, given)
            _compare(store.query(query), store.query(stitched))
            took = [(_took_s(store, query), _took_s(store, stitched)) for _ in range(_ROUNDS)]
        finally:
            store.close()
    raw_s, tiers_s = (sorted(each)[_ROUNDS // 2] for each in zip(*took, strict=True))
    return {"ratio": tiers_s / raw_s, "raw_ms": raw_s * 1_000, "tiers_ms": tiers_s * 1_000, "points": points}


def _fill(store: DuckDbMetricStore, given: _Given) -> int:
    keys = tuple(SeriesKey("cpu", (("host", f"h{n:03d}"),), "usage", FieldClass.NUMBER) for n in range(given.hosts))
    steps, points = np.arange(_DAY_NS // _STEP_NS, dtype=np.int64), 0
    for day in range(_DAYS):
        times = np.tile(given.start_ns + day * _DAY_NS + steps * _STEP_NS, given.hosts)
        index = np.repeat(np.arange(given.hosts, dtype=np.int32), len(steps))
        store.write(PointBatch(_ORGANIZATION, keys, index, times, (times // _STEP_NS % 997 + index) / 10))
        points += len(times)
    for tier in ROLLED_UP:
        store.roll_up(tier, given.start_ns, given.end_ns)
    return points


def _took_s(store: DuckDbMetricStore, query: MetricQuery) -> float:
    began_s = time.perf_counter()
    store.query(query)
    return time.perf_counter() - began_s


def _compare(raw: MetricAnswer, tiers: MetricAnswer) -> None:
    pairs = zip(raw.series, tiers.series, strict=True)
    if not all(
        np.allclose(np.array(one.points, np.float64), np.array(other.points, np.float64)) for one, other in pairs
    ):
        raise BenchError("tiers do not answer what raw points do")


ROW: Final = Row(
    "panel_tiers",
    "a mean by hour and host over 30 days, from windows of an hour ÷ from raw points, embedded",
    measure,
    (
        Figure("ratio", "time of an answer from tiers ÷ from raw points", is_ratio=True),
        Figure("tiers_ms", "from tiers", "ms"),
        Figure("raw_ms", "from raw points", "ms"),
        Figure("points", "points"),
    ),
)
