"""The allocator settings of `strata up`: large bodies with and without them."""

from typing import Final

from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.load import Target, load_generator
from bench.rows.ingest_line_protocol import new_workload
from bench.rows.returned_points import check_points
from bench.server import Server, fresh_server
from bench.workloads.comments import CommentWorkload

_WARM_BODIES: Final = 2
_BODIES: Final = 10
_COMMENTS: Final = 250
_WARM_COMMENTS: Final = 10


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """Which of the two goes first takes turns."""
    found: dict[str, float] = {}
    for is_tuned in (True, False) if repeat % 2 else (False, True):
        name = "tuned" if is_tuned else "untuned"
        with fresh_server(plan.cores, is_tuned=is_tuned) as server:
            found[f"bodies_{name}"] = _bodies_per_cpu_s(plan, server)
            found[f"points_{name}"] = _points_per_cpu_s(plan, server)
            found[f"resident_mib_{name}"] = server.resident_bytes() / (1 << 20)
    found["bodies_ratio"] = found["bodies_tuned"] / found["bodies_untuned"]
    found["points_ratio"] = found["points_tuned"] / found["points_untuned"]
    return found


def _bodies_per_cpu_s(plan: Plan, server: Server) -> float:
    workload = CommentWorkload()
    count = plan.bodies(_COMMENTS)
    target = Target(server.ingest_port, server.ingest_key)
    with load_generator(workload, _WARM_COMMENTS + count, target, plan.cores.load) as load:
        load.send(0, _WARM_COMMENTS)
        before = server.cpu()
        sent = load.send(_WARM_COMMENTS, count)
        return sent.requests / server.cpu().since(before).own_s


def _points_per_cpu_s(plan: Plan, server: Server) -> float:
    bodies = plan.bodies(_BODIES)
    workload = new_workload(_WARM_BODIES + bodies, is_gzipped=False)
    target = Target(server.ingest_port, server.ingest_key)
    with load_generator(workload, _WARM_BODIES + bodies, target, plan.cores.load) as load:
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
    return run.items / run.own_cpu_s


ROW: Final = Row(
    "allocator",
    "plain bodies of half a megabyte, with the allocator settings of `strata up` ÷ without",
    measure,
    (
        Figure("bodies_ratio", "bodies that hold one comment: with ÷ without", is_ratio=True),
        Figure("points_ratio", "5,000 lines a body until committed: with ÷ without", is_ratio=True),
        Figure("bodies_tuned", "comment bodies, with", "/server CPU-s"),
        Figure("bodies_untuned", "comment bodies, without", "/server CPU-s"),
        Figure("points_tuned", "points committed, with", "/server CPU-s"),
        Figure("points_untuned", "points committed, without", "/server CPU-s"),
        Figure("resident_mib_tuned", "resident memory, with", "MiB"),
        Figure("resident_mib_untuned", "resident memory, without", "MiB"),
    ),
)
