"""What every row says of a run that sends bodies until their items are in the store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bench.cores import Cores
from bench.figures import Figure
from bench.harness import Ingested
from bench.load import Load, Target, load_generator
from bench.server import NO_SETTINGS, Server, fresh_server
from bench.workloads.sending import Workload

RUN_FIGURES: Final = (
    Figure("children_cpu_share", "children's CPU, of the server's"),
    Figure("settling_cpu_s", "CPU for new hosts, before the run", "s"),
    Figure("idle_cpu_share", "server and children when idle, of a core"),
    Figure("accept_cpu_share", "CPU spent when the last body was acknowledged"),
    Figure("accept_s", "all acknowledged after", "s"),
    Figure("wall_s", "all committed after", "s"),
    Figure("p50_ms", "acknowledged, p50 of 8 connections flat out", "ms"),
    Figure("p99_ms", "acknowledged, p99", "ms"),
    Figure("resident_mib", "resident memory of the server", "MiB"),
)


def run_values(run: Ingested) -> dict[str, float]:
    """By the names of RUN_FIGURES."""
    return {
        "children_cpu_share": run.children_cpu_s / run.own_cpu_s,
        "settling_cpu_s": run.settling_cpu_s,
        "idle_cpu_share": run.idle_cpu_share,
        "accept_cpu_share": run.accept_own_cpu_s / run.own_cpu_s,
        "accept_s": run.sent.elapsed_s,
        "wall_s": run.wall_s,
        "p50_ms": run.sent.p50_ms,
        "p99_ms": run.sent.p99_ms,
        "resident_mib": run.resident_bytes / (1 << 20),
    }


@contextmanager
def loaded_server(
    workload: Workload, bodies: int, cores: Cores, settings: Mapping[str, str] = NO_SETTINGS
) -> Iterator[tuple[Server, Load]]:
    """A server of its own, and what will send it the workload."""
    with (
        fresh_server(cores, settings=settings) as server,
        load_generator(workload, bodies, Target(server.ingest_port, server.ingest_key), cores.load) as load,
    ):
        yield server, load
