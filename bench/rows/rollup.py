"""Windows out of points, over the bare SQL of the same windows; and how small points are once their day is over."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from bench.bare.duckdb_windows import windows_rate
from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.workloads.points import FIELDS, MEASUREMENT, PointWorkload
from strata_datamodel.ids import OrganizationId, uuid7
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.tiers import KEPT_NS, ROLLED_UP, Tier
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

_HOURS: Final = 24
_HOSTS: Final = 100
_STEP_NS: Final = 10 * 1_000_000_000
_HOUR_NS: Final = 3_600 * 1_000_000_000
_DAY_NS: Final = 24 * _HOUR_NS
_ROUNDS: Final = 3
_ORGANIZATION: Final = OrganizationId(uuid7(0))


@dataclass(frozen=True, slots=True)
class Given:
    """A day of so many hosts, a reading of each field every 10 s, ten minutes a batch."""

    start_ns: int
    hosts: int

    @property
    def end_ns(self) -> int:
        return self.start_ns + _HOURS * _HOUR_NS

    def batches(self) -> Iterator[pa.Table]:
        workload = PointWorkload(start_s=0, connections=1, hosts_per_agent=self.hosts, seconds_per_body=60)
        for number in range(_HOURS * 6):
            table = workload.columns(0, number)
            seconds = table["ts_ns"].to_numpy() // 1_000_000_000
            yield table.set_column(1, "ts_ns", pa.array(self.start_ns + seconds * _STEP_NS)).combine_chunks()


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    yesterday_ns = time.time_ns() // _DAY_NS * _DAY_NS - 2 * _DAY_NS
    given = Given(yesterday_ns, plan.bodies(_HOSTS))
    ours = in_fresh_process(_rolled_up, given, plan.cores.server)
    bare = in_fresh_process(_bare, given, plan.cores.server)
    if bare["windows"] != ours["windows"]:
        raise BenchError(f"{ours['windows']} windows were made, and {bare['windows']} by bare SQL")
    return {**ours, "ratio": ours["rate"] / bare["rate"], "bare": bare["rate"]}


def _bare(given: Given) -> dict[str, float]:
    rate, windows = windows_rate(given.batches())
    return {"rate": rate, "windows": windows}


def _rolled_up(given: Given) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="strata-bench-rollup-") as directory:
        store = DuckDbMetricStore(Path(directory), SystemClock(), threads=1)
        try:
            points = _fill(store, given)
            before = _bytes_of(directory, Tier.RAW)
            cpu_s = {tier: min(_cpu_s(store, tier, given) for _ in range(_ROUNDS)) for tier in ROLLED_UP}
            windows = store.count_windows(_ORGANIZATION, Tier.MINUTE)
            for _ in Tier:
                store.keep({tier: 10 * kept_ns for tier, kept_ns in KEPT_NS.items()})
            if store.count_points(_ORGANIZATION) != points:
                raise BenchError("sealing changed how many points there are")
            sealed = _bytes_of(directory, Tier.RAW)
        finally:
            store.close()
    return {
        "rate": points / cpu_s[Tier.MINUTE],
        "rate_all": points / sum(cpu_s.values()),
        "windows": windows,
        "points": points,
        "bytes_open": before / points,
        "bytes_sealed": sealed / points,
    }


def _fill(store: DuckDbMetricStore, given: Given) -> int:
    keys = tuple(
        SeriesKey(MEASUREMENT, (("host", f"h{host:04d}"),), name, FieldClass.NUMBER)
        for host in range(given.hosts)
        for name in FIELDS
    )
    points = 0
    for table in given.batches():
        index, times, values = (table[name].to_numpy() for name in ("sid", "ts_ns", "v"))
        store.write(PointBatch(_ORGANIZATION, keys, index.astype(np.int32), times, values))
        points += len(times)
    return points


def _cpu_s(store: DuckDbMetricStore, tier: Tier, given: Given) -> float:
    began_s = time.process_time()
    store.roll_up(tier, given.start_ns, given.end_ns)
    return time.process_time() - began_s


def _bytes_of(directory: str, tier: Tier) -> int:
    return sum(path.stat().st_size for path in Path(directory).glob(f"{tier.value}-*"))


ROW: Final = Row(
    "rollup",
    "points every 10 s rolled up to minutes ÷ the bare SQL of the same windows; bytes a point once its day is over",
    measure,
    (
        Figure("ratio", "÷ bare SQL, windows of a minute", is_ratio=True),
        Figure("rate", "points rolled up to minutes", "/CPU-s"),
        Figure("rate_all", "points rolled up to minutes, then five, then hours", "/CPU-s"),
        Figure("bare", "bare SQL", "points/CPU-s"),
        Figure("bytes_sealed", "a point in a sealed file", "bytes"),
        Figure("bytes_open", "a point in a file that is written to, its log counted", "bytes"),
        Figure("windows", "windows of a minute"),
        Figure("points", "points"),
    ),
)
