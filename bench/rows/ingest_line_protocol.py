"""Line protocol over HTTP until it is committed, over bare DuckDB fed the same points."""

import time
from typing import Final

from bench.bare.duckdb_inserts import Fed, insert_rates
from bench.bare.process import in_fresh_process
from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.ingest_run import RUN_FIGURES, loaded_server, run_values
from bench.rows.returned_points import check_points
from bench.workloads.points import FIELDS, PointWorkload

_WARM_BODIES: Final = 2
_BODIES: Final = 25


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    bodies = plan.bodies(_BODIES)
    workload = new_workload(_WARM_BODIES + bodies, is_gzipped=True)
    with loaded_server(workload, _WARM_BODIES + bodies, plan.cores) as (server, load):
        run = ingested(
            server,
            load,
            "metrics",
            warm_bodies=_WARM_BODIES,
            bodies=bodies,
            connections=workload.connections,
            items_per_body=workload.points_per_body,
        )
        check_points(server.ask, workload, _WARM_BODIES + bodies)
    bare = in_fresh_process(insert_rates, Fed(workload, _WARM_BODIES, bodies), plan.cores.server)
    rate = run.items / run.own_cpu_s
    return {
        "ratio_bulk": rate / bare["bulk"],
        "ratio_request": rate / bare["request"],
        "ratio_bulk_all": run.items / (run.own_cpu_s + run.children_cpu_s) / bare["bulk"],
        "points_per_cpu_s": rate,
        "lines_per_cpu_s": rate / len(FIELDS),
        "bare_bulk": bare["bulk"],
        "bare_request": bare["request"],
        "ms_per_body": run.own_cpu_s / run.sent.requests * 1000,
        **run_values(run),
        "points": run.items,
    }


def new_workload(bodies: int, *, is_gzipped: bool) -> PointWorkload:
    """Ends now."""
    shape = PointWorkload(start_s=0, is_gzipped=is_gzipped)
    return PointWorkload(start_s=int(time.time()) - bodies * shape.seconds_per_body, is_gzipped=is_gzipped)


ROW: Final = Row(
    "ingest_line_protocol",
    "line protocol, gzip, 5,000 lines a body: FastAPI to committed ÷ bare DuckDB fed the same points",
    measure,
    (
        Figure("ratio_bulk", "÷ bare DuckDB, 150,000 points a commit", is_ratio=True),
        Figure("ratio_request", "÷ bare DuckDB, 15,000 points a commit", is_ratio=True),
        Figure("ratio_bulk_all", "÷ bare DuckDB, 150,000 a commit, children's CPU counted too", is_ratio=True),
        Figure("points_per_cpu_s", "points committed", "/server CPU-s"),
        Figure("lines_per_cpu_s", "lines committed", "/server CPU-s"),
        Figure("bare_bulk", "bare DuckDB, 150,000 points a commit", "points/CPU-s"),
        Figure("bare_request", "bare DuckDB, 15,000 points a commit", "points/CPU-s"),
        Figure("ms_per_body", "server CPU a body", "ms"),
        *RUN_FIGURES,
        Figure("points", "points sent and found"),
    ),
)
