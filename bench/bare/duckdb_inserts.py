"""Bare DuckDB with the embedded store's table, fed the points of a workload as ready Arrow tables."""

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import duckdb
import pyarrow as pa

from bench.failure import BenchError
from strata_stores.duckdb.schema import POINT_TABLES

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": "1",
    "memory_limit": "1024MiB",
    "checkpoint_threshold": "256MiB",
    "preserve_insertion_order": "false",
}
_BULK_POINTS: Final = 150_000
_LEAST_POINTS: Final = 3_000_000  # a round shorter than that says little
_LEAST_ROUNDS: Final = 3


class Points(Protocol):
    @property
    def connections(self) -> int: ...

    @property
    def points_per_body(self) -> int: ...

    def columns(self, connection: int, number: int) -> pa.Table:
        """The points of one body; no two of the workload have one series and time."""
        ...


@dataclass(frozen=True, slots=True)
class Fed:
    workload: Points
    first: int
    count: int


def insert_rates(fed: Fed) -> dict[str, float]:
    """Points per CPU-second: `request` with a commit a body, `bulk` with one every 150,000 points."""
    workload = fed.workload
    numbers = range(fed.first, fed.first + fed.count)
    bodies = [workload.columns(agent, number) for number in numbers for agent in range(workload.connections)]
    points = sum(body.num_rows for body in bodies)
    grouped = itertools.groupby(enumerate(bodies), lambda pair: pair[0] * workload.points_per_body // _BULK_POINTS)
    bulks = [pa.concat_tables([body for _, body in group]).combine_chunks() for _, group in grouped]
    rounds = max(_LEAST_ROUNDS, -(-_LEAST_POINTS // points))
    spent = {"request": 0.0, "bulk": 0.0}
    for _ in range(rounds):
        spent["request"] += _cpu_s_of_inserting(bodies, points)
        spent["bulk"] += _cpu_s_of_inserting(bulks, points)
    return {name: points * rounds / cpu_s for name, cpu_s in spent.items()}


def _cpu_s_of_inserting(tables: list[pa.Table], points: int) -> float:
    with tempfile.TemporaryDirectory(prefix="strata-bench-bare-") as directory:
        connection = duckdb.connect(str(Path(directory) / "points.duckdb"), config=_CONFIG)
        try:
            connection.execute(POINT_TABLES[0].format(file="points"))
            began_s = time.process_time()
            for table in tables:
                connection.register("incoming", table)
                connection.execute("INSERT INTO points SELECT sid, ts_ns, v FROM incoming")
                connection.unregister("incoming")
            spent_s = time.process_time() - began_s
            found = connection.execute("SELECT count(*), count(DISTINCT (sid, ts_ns)) FROM points").fetchone()
        finally:
            connection.close()
    if found != (points, points):
        raise BenchError(f"bare DuckDB holds {found} points, not {points}")
    return spent_s
