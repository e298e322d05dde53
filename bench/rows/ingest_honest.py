"""Line protocol of a million series that come and go, some points late: what of the ingest rate is left."""

import time
from typing import Final

from bench.bare.duckdb_inserts import Fed, insert_rates
from bench.bare.process import in_fresh_process
from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.ingest_run import RUN_FIGURES, loaded_server, run_values
from bench.rows.ingest_line_protocol import measure as measure_steady
from bench.workloads.churning import ChurningWorkload
from bench.workloads.points import FIELDS

_BODIES_PER_PASS: Final = 8
_PASSES: Final = 3
_AGO_S: Final = 60


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    each = plan.bodies(_BODIES_PER_PASS)
    workload = ChurningWorkload(int(time.time()) - _AGO_S, each)
    bodies = _PASSES * each
    with loaded_server(workload, each + bodies, plan.cores) as (server, load):
        run = ingested(
            server,
            load,
            "metrics",
            warm_bodies=each,
            bodies=bodies,
            connections=workload.connections,
            items_per_body=workload.points_per_body,
        )
    bare = in_fresh_process(insert_rates, Fed(workload, each, bodies), plan.cores.server)
    rate = run.items / run.own_cpu_s
    steady = measure_steady(plan, repeat)
    return {
        "ratio_bulk": rate / bare["bulk"],
        "ratio_request": rate / bare["request"],
        "ratio_steady": rate / steady["points_per_cpu_s"],
        "steady_ratio_bulk": steady["ratio_bulk"],
        "points_per_cpu_s": rate,
        "steady_points_per_cpu_s": steady["points_per_cpu_s"],
        "bare_bulk": bare["bulk"],
        "bare_request": bare["request"],
        **run_values(run),
        "series": workload.hosts * len(FIELDS),
        "points": run.items,
    }


ROW: Final = Row(
    "ingest_honest",
    "line protocol, gzip, a million series, a tenth of them new each hour, one point of 20 late: to committed",
    measure,
    (
        Figure("ratio_bulk", "÷ bare DuckDB, 150,000 points a commit", is_ratio=True),
        Figure("ratio_request", "÷ bare DuckDB, 15,000 points a commit", is_ratio=True),
        Figure("ratio_steady", "÷ 2,400 series, in order, none late", is_ratio=True),
        Figure("steady_ratio_bulk", "of those 2,400: ÷ bare DuckDB, 150,000 points a commit", is_ratio=True),
        Figure("points_per_cpu_s", "points committed", "/server CPU-s"),
        Figure("steady_points_per_cpu_s", "of the 2,400 series: points committed", "/server CPU-s"),
        Figure("bare_bulk", "bare DuckDB, 150,000 points a commit", "points/CPU-s"),
        Figure("bare_request", "bare DuckDB, 15,000 points a commit", "points/CPU-s"),
        *RUN_FIGURES,
        Figure("series", "series at any time"),
        Figure("points", "points sent and written, after all series were sent once"),
    ),
)
