"""Line protocol through Strata into InfluxDB, over the same bodies sent to InfluxDB."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.bare.influx_server import BUCKET, DATABASE, InfluxServer, influx_server
from bench.figures import Figure, Row
from bench.harness import Ingested, Plan, ingested
from bench.ingest_run import RUN_FIGURES, loaded_server, run_values
from bench.load import Target, load_generator
from bench.rows.ingest_line_protocol import new_workload
from bench.rows.returned_points import check_points
from bench.workloads.points import PointWorkload

_WARM_BODIES: Final = 2
_BODIES: Final = 25


@dataclass(frozen=True, slots=True)
class _Through:
    run: Ingested
    influx_cpu_s: float


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """Per second of InfluxDB's CPU: it is what all processes of Strata share, and what is full first."""
    bodies = plan.bodies(_BODIES)
    workload = new_workload(_WARM_BODIES + bodies, is_gzipped=True)
    with influx_server(plan.cores.server) as influx:
        through = _through_strata(plan, influx, workload, bodies)
    with influx_server(plan.cores.server) as influx:
        direct_cpu_s = _directly(plan, influx, replace(workload, bucket=BUCKET), bodies)
    points = through.run.items
    strata_cpu_s = through.run.own_cpu_s + through.run.children_cpu_s
    return {
        "ratio": direct_cpu_s / through.influx_cpu_s,
        "ratio_all": direct_cpu_s / (through.influx_cpu_s + strata_cpu_s),
        "points_per_influx_cpu_s": points / through.influx_cpu_s,
        "points_per_strata_cpu_s": points / through.run.own_cpu_s,
        "bare": points / direct_cpu_s,
        **run_values(through.run),
        "points": points,
    }


def _through_strata(plan: Plan, influx: InfluxServer, workload: PointWorkload, bodies: int) -> _Through:
    settings: Mapping[str, str] = {"STRATA_METRICS_URL": influx.url, "STRATA_METRICS_DATABASE": DATABASE}
    with loaded_server(workload, _WARM_BODIES + bodies, plan.cores, settings) as (server, load):
        before: list[float] = []
        run = ingested(
            server,
            load,
            "metrics",
            warm_bodies=_WARM_BODIES,
            bodies=bodies,
            connections=workload.connections,
            items_per_body=workload.points_per_body,
            once_warm=lambda: before.append(influx.cpu_s()),
        )
        spent_s = influx.cpu_s() - before[0]
        check_points(server.ask, workload, _WARM_BODIES + bodies)
    return _Through(run, spent_s)


def _directly(plan: Plan, influx: InfluxServer, workload: PointWorkload, bodies: int) -> float:
    influx.make_bucket()
    target = Target(influx.port, "none needed")
    with load_generator(workload, _WARM_BODIES + bodies, target, plan.cores.load) as load:
        load.send(0, _WARM_BODIES)
        before = influx.cpu_s()
        load.send(_WARM_BODIES, bodies)
        return influx.cpu_s() - before


ROW: Final = Row(
    "ingest_influx",
    "line protocol, gzip, 5,000 lines a body: through Strata into InfluxDB ÷ the same bodies to InfluxDB",
    measure,
    (
        Figure("ratio", "by InfluxDB's CPU", is_ratio=True),
        Figure("ratio_all", "by all CPU, Strata's too", is_ratio=True),
        Figure("points_per_influx_cpu_s", "points committed through Strata", "/InfluxDB CPU-s"),
        Figure("points_per_strata_cpu_s", "points committed through Strata", "/server CPU-s"),
        Figure("bare", "points sent to InfluxDB", "/InfluxDB CPU-s"),
        *RUN_FIGURES,
        Figure("points", "points sent and found"),
    ),
)
