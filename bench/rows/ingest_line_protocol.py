"""Line protocol over HTTP until it is committed, over bare DuckDB fed the same points."""

import time
from typing import Final

from bench.bare.duckdb_inserts import Fed, insert_rates
from bench.bare.process import in_fresh_process
from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.load import Target, load_generator
from bench.rows.returned_points import check_points
from bench.server import fresh_server
from bench.workloads.points import FIELDS, PointWorkload

_WARM_BODIES: Final = 2
_BODIES: Final = 25


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    bodies = plan.bodies(_BODIES)
    workload = new_workload(_WARM_BODIES + bodies, is_gzipped=True)
    with (
        fresh_server(plan.cores) as server,
        load_generator(
            workload, _WARM_BODIES + bodies, Target(server.ingest_port, server.ingest_key), plan.cores.load
        ) as load,
    ):
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
        "children_cpu_share": run.children_cpu_s / run.own_cpu_s,
        "settling_cpu_s": run.settling_cpu_s,
        "idle_cpu_share": run.idle_cpu_share,
        "accept_cpu_share": run.accept_own_cpu_s / run.own_cpu_s,
        "accept_s": run.sent.elapsed_s,
        "wall_s": run.wall_s,
        "p50_ms": run.sent.p50_ms,
        "p99_ms": run.sent.p99_ms,
        "resident_mib": run.resident_bytes / (1 << 20),
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
        Figure("children_cpu_share", "children's CPU, of the server's"),
        Figure("settling_cpu_s", "CPU for new hosts, before the run", "s"),
        Figure("idle_cpu_share", "server and children when idle, of a core"),
        Figure("accept_cpu_share", "CPU spent when the last body was acknowledged"),
        Figure("accept_s", "all acknowledged after", "s"),
        Figure("wall_s", "all committed after", "s"),
        Figure("p50_ms", "acknowledged, p50 of 8 connections flat out", "ms"),
        Figure("p99_ms", "acknowledged, p99", "ms"),
        Figure("resident_mib", "resident memory of the server", "MiB"),
        Figure("points", "points sent and found"),
    ),
)
