"""What `bench/run.py` understands."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from bench.cores import Cores
from bench.failure import BenchError, LackingError
from bench.figures import Row, RowResult
from bench.harness import Plan
from bench.machine import machine_facts
from bench.report import facts, save, table
from bench.rows import (
    allocator,
    authenticated_get,
    cached_panel,
    hot_list,
    influxql,
    ingest_auth,
    ingest_bulk,
    ingest_honest,
    ingest_influx,
    ingest_line_protocol,
    ingest_steps,
    line_protocol_parse,
    otlp_parse,
    panel_tiers,
    promql,
    remote_write_parse,
    rollup,
    saga_throughput,
)

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        ingest_line_protocol.ROW,
        ingest_honest.ROW,
        ingest_bulk.ROW,
        ingest_influx.ROW,
        ingest_steps.ROW,
        line_protocol_parse.ROW,
        remote_write_parse.ROW,
        otlp_parse.ROW,
        ingest_auth.ROW,
        authenticated_get.ROW,
        cached_panel.ROW,
        panel_tiers.ROW,
        promql.ROW,
        influxql.ROW,
        hot_list.ROW,
        allocator.ROW,
        rollup.ROW,
        saga_throughput.ROW,
    )
}
_REPEATS: Final = 5
_QUICK_SCALE: Final = 0.2


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    if asked.list:
        for row in ROWS.values():
            print(f"{row.name:<24}{row.title}")
        return 0
    repeats = asked.repeats or (1 if asked.quick else _REPEATS)
    plan = Plan(Cores.found(), repeats, _QUICK_SCALE if asked.quick else 1.0)
    known = machine_facts(plan.cores)
    print("\n".join(facts(known)))
    results: list[RowResult] = []
    code = 0
    try:
        for name in asked.row or ROWS:
            try:
                results.append(_measured(ROWS[name], plan))
            except LackingError as lacking:
                print(f"\n{name}: SKIPPED: {lacking}", flush=True)
                continue
            print(table(results[-1]), flush=True)
    except BenchError as error:
        print(f"\nNOT VALID: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        code = 130
    if results:
        print(f"\n{save(known, results, is_quick=asked.quick)}")
    return code


def _measured(row: Row, plan: Plan) -> RowResult:
    result = RowResult(row)
    for repeat in range(plan.repeats):
        print(f"{row.name}: repeat {repeat + 1} of {plan.repeats}", file=sys.stderr, flush=True)
        result.samples.append(row.measure(plan, repeat))
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description="Ratio benchmarks. Each repeat starts a fresh Strata on one core, sends to it from another, checks"
        " that all of it came back exactly once, and feeds the same data to the bare store.",
    )
    parser.add_argument("--row", action="append", choices=tuple(ROWS), help="only this row; may be given again")
    parser.add_argument("--quick", action="store_true", help="one repeat, a fifth of the data: does it work?")
    parser.add_argument("--repeats", type=_at_least_one, help=f"how often each row is measured ({_REPEATS})")
    parser.add_argument("--list", action="store_true", help="the rows, and nothing else")
    return parser


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
