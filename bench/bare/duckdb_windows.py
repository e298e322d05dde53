"""Bare DuckDB: the windows of a minute that a roll-up makes, with the same columns, as one statement over one table."""

import math
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from bench.failure import BenchError

_MINUTE_NS: Final = 60 * 1_000_000_000
_LOG_RATIO: Final = math.log(1.01 / 0.99)
_ROUNDS: Final = 3
_WINDOWS: Final = f"""
    CREATE OR REPLACE TABLE windows AS
    SELECT sid, start_ns, count(*) AS n, sum(v) AS total, min(v) AS least, max(v) AS most, arg_min(v, ts_ns) AS first,
        min(ts_ns) AS first_ns, arg_max(v, ts_ns) AS last, max(ts_ns) AS last_ns,
        sum(CASE WHEN before IS NULL THEN 0 WHEN v >= before THEN v - before ELSE v END) AS rise,
        list(CASE WHEN v = 0 THEN 0 ELSE ceil(ln(abs(v)) / {_LOG_RATIO!r})::INTEGER END) AS bins
    FROM (
        SELECT sid, ts_ns, v, ts_ns // {_MINUTE_NS} * {_MINUTE_NS} AS start_ns,
            lag(v) OVER (PARTITION BY sid ORDER BY ts_ns) AS before
        FROM points
    ) GROUP BY sid, start_ns
"""


def windows_rate(batches: Iterable[pa.Table]) -> tuple[float, int]:
    """Points per CPU-second, and how many windows they made."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-windows-") as directory:
        connection = duckdb.connect(
            str(Path(directory) / "points.duckdb"), config={"threads": "1", "memory_limit": "1024MiB"}
        )
        try:
            connection.execute("CREATE TABLE points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v DOUBLE NOT NULL)")
            points = 0
            for batch in batches:
                connection.register("incoming", batch)
                connection.execute("INSERT INTO points SELECT sid, ts_ns, v FROM incoming ORDER BY sid, ts_ns")
                connection.unregister("incoming")
                points += batch.num_rows
            connection.execute("CHECKPOINT")
            best_s = min(_cpu_s(connection) for _ in range(_ROUNDS))
            found = connection.execute("SELECT count(*), sum(n) FROM windows").fetchone()
        finally:
            connection.close()
    if found is None or found[1] != points:
        raise BenchError(f"bare DuckDB has windows of {found}, not of {points} points")
    return points / best_s, found[0]


def _cpu_s(connection: duckdb.DuckDBPyConnection) -> float:
    began_s = time.process_time()
    connection.execute(_WINDOWS)
    return time.process_time() - began_s
