"""`_bulk` over HTTP until it is committed, over bare tantivy fed the same documents."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.bare.process import in_fresh_process
from bench.bare.tantivy_documents import Fed, indexing_rates
from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.load import Target, load_generator
from bench.rows.returned_documents import check_documents
from bench.server import fresh_server
from bench.workloads.documents import DocumentWorkload

_WARM_BODIES: Final = 1
_BODIES: Final = 5


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    bodies = plan.bodies(_BODIES)
    workload = DocumentWorkload(datetime.now(UTC) - timedelta(seconds=_WARM_BODIES + bodies))
    with (
        fresh_server(plan.cores) as server,
        load_generator(
            workload, _WARM_BODIES + bodies, Target(server.ingest_port, server.ingest_key), plan.cores.load
        ) as load,
    ):
        run = ingested(
            server,
            load,
            "logs",
            warm_bodies=_WARM_BODIES,
            bodies=bodies,
            connections=workload.connections,
            items_per_body=workload.documents_per_body,
        )
        check_documents(server.ask, workload, _WARM_BODIES + bodies)
    bare = in_fresh_process(indexing_rates, Fed(workload, _WARM_BODIES, bodies, time.time_ns()), plan.cores.server)
    rate = run.items / run.own_cpu_s
    return {
        "ratio": rate / bare["plain"],
        "ratio_own": rate / bare["own"],
        "ratio_all": run.items / (run.own_cpu_s + run.children_cpu_s) / bare["plain"],
        "documents_per_cpu_s": rate,
        "bare_plain": bare["plain"],
        "bare_own": bare["own"],
        "us_per_document": 1e6 / rate,
        "children_cpu_share": run.children_cpu_s / run.own_cpu_s,
        "settling_cpu_s": run.settling_cpu_s,
        "idle_cpu_share": run.idle_cpu_share,
        "accept_cpu_share": run.accept_own_cpu_s / run.own_cpu_s,
        "accept_s": run.sent.elapsed_s,
        "wall_s": run.wall_s,
        "p50_ms": run.sent.p50_ms,
        "p99_ms": run.sent.p99_ms,
        "resident_mib": run.resident_bytes / (1 << 20),
        "documents": run.items,
    }


ROW: Final = Row(
    "ingest_bulk",
    "_bulk, plain, 5,000 documents a body: FastAPI to committed ÷ bare tantivy fed the same documents",
    measure,
    (
        Figure("ratio", "÷ bare tantivy, add_json, a commit a second", is_ratio=True),
        Figure("ratio_own", "÷ the same with the embedded store's schema", is_ratio=True),
        Figure("ratio_all", "÷ bare tantivy, children's CPU counted too", is_ratio=True),
        Figure("documents_per_cpu_s", "documents committed", "/server CPU-s"),
        Figure("bare_plain", "bare tantivy, a schema that fits", "documents/CPU-s"),
        Figure("bare_own", "bare tantivy, the embedded store's schema", "documents/CPU-s"),
        Figure("us_per_document", "server CPU a document", "µs"),
        Figure("children_cpu_share", "children's CPU, of the server's"),
        Figure("settling_cpu_s", "CPU for new hosts, before the run", "s"),
        Figure("idle_cpu_share", "server and children when idle, of a core"),
        Figure("accept_cpu_share", "CPU spent when the last body was acknowledged"),
        Figure("accept_s", "all acknowledged after", "s"),
        Figure("wall_s", "all committed after", "s"),
        Figure("p50_ms", "acknowledged, p50 of 8 connections flat out", "ms"),
        Figure("p99_ms", "acknowledged, p99", "ms"),
        Figure("resident_mib", "resident memory of the server", "MiB"),
        Figure("documents", "documents sent and found"),
    ),
)
