"""Where the CPU of the two ingest rows goes: each step alone."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bench.bare.process import in_fresh_process
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.rows.ingest_line_protocol import new_workload
from bench.rows.step_costs import ROUNDS, Given, step_costs
from bench.workloads.documents import DocumentWorkload


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    documents = DocumentWorkload(datetime.now(UTC) - timedelta(seconds=ROUNDS + 1))
    given = Given(new_workload(ROUNDS + 1, is_gzipped=True), documents)
    return in_fresh_process(step_costs, given, plan.cores.server)


ROW: Final = Row(
    "ingest_steps",
    "CPU of each step of ingest, alone: line protocol of 5,000 lines (15,000 points), _bulk of 5,000 documents",
    measure,
    (
        Figure("lp_inflate", "line protocol: inflate (when accepted; by the writer if not handed over)", "ms/body"),
        Figure("lp_parse", "line protocol: parse (when accepted; by the writer if not handed over)", "ms/body"),
        Figure("lp_merge", "line protocol: merge 8 bodies", "ms/body"),
        Figure("lp_write", "line protocol: write them to DuckDB", "ms/body"),
        Figure("lp_sightings", "line protocol: look for hosts and services", "ms/body"),
        Figure("bulk_parse", "_bulk: parse (when accepted; by the writer if not handed over)", "ms/body"),
        Figure("bulk_answer", "_bulk: the answer with its 5,000 items", "ms/body"),
        Figure("bulk_merge", "_bulk: merge 8 bodies", "ms/body"),
        Figure("bulk_write", "_bulk: write them to tantivy", "ms/body"),
        Figure("bulk_sightings", "_bulk: look for hosts and services", "ms/body"),
    ),
)
