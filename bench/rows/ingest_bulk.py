"""`_bulk` over HTTP until it is committed, over bare tantivy fed the same documents."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.bare.process import in_fresh_process
from bench.bare.tantivy_documents import Fed, indexing_rates
from bench.figures import Figure, Row
from bench.harness import Plan, ingested
from bench.ingest_run import RUN_FIGURES, loaded_server, run_values
from bench.rows.returned_documents import check_documents
from bench.workloads.documents import DocumentWorkload

_WARM_BODIES: Final = 1
_BODIES: Final = 5


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    bodies = plan.bodies(_BODIES)
    workload = DocumentWorkload(datetime.now(UTC) - timedelta(seconds=_WARM_BODIES + bodies))
    with loaded_server(workload, _WARM_BODIES + bodies, plan.cores) as (server, load):
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
        **run_values(run),
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
        *RUN_FIGURES,
        Figure("documents", "documents sent and found"),
    ),
)
