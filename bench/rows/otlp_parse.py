"""OTLP metrics to columns, against Google's parser of protocol buffers alone."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.workloads.otlp import OtlpWorkload
from strata_datamodel.ids import BatchId, OrganizationId, uuid7
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_wire.known_series import KnownSeries
from strata_wire.otlp_metrics import parse_otlp_protobuf

_DATA_POINTS: Final = 5_000
_BODIES: Final = 20
_ROUNDS: Final = 25
_WARM: Final = 2
_PAST_NS: Final = 600_000_000_000  # the bodies' times end before now


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    return in_fresh_process(_costs, max(1, plan.bodies(_ROUNDS)), plan.cores.server)


def _costs(rounds: int) -> dict[str, float]:
    known = KnownSeries()
    known.prepare()
    now_ns = time.time_ns()
    workload = OtlpWorkload(now_ns - _PAST_NS, _DATA_POINTS)
    numbers = range(_BODIES)
    return {
        **_compared("numbers", [workload.body(number) for number in numbers], rounds, now_ns, known),
        **_compared("shuffled", [workload.body(n, shuffled=True) for n in numbers], rounds, now_ns, known),
        **_compared("histograms", [workload.histograms(number) for number in numbers], rounds, now_ns, known),
    }


def _compared(name: str, bodies: Sequence[bytes], rounds: int, now_ns: int, known: KnownSeries) -> dict[str, float]:
    """Both take turns, round for round: a machine that is slower for a while is slower for both."""
    envelope = Envelope(
        organization_id=OrganizationId(uuid7(0)),
        batch_id=BatchId(uuid7(now_ns // 1_000_000)),
        received_at_ns=now_ns,
        signal=Signal.METRICS,
        wire_format=WireFormat.OTLP_METRICS_PROTOBUF,
    )

    def ours() -> None:
        for body in bodies:
            parsed = parse_otlp_protobuf(body, envelope, known=known)
            if parsed.accepted != _DATA_POINTS:
                raise BenchError(f"{parsed.accepted} data points of {_DATA_POINTS} were taken")

    def theirs() -> None:
        for body in bodies:
            ExportMetricsServiceRequest.FromString(body)

    spent = {"columns": 0.0, "protobuf": 0.0}
    for number in range(rounds + _WARM):
        for key, act in (("columns", ours), ("protobuf", theirs)):
            took_s = _cpu_s(act)
            if number >= _WARM:
                spent[key] += took_s
    us = {key: took_s * 1e6 / rounds / len(bodies) for key, took_s in spent.items()}
    return {
        f"{name}_ratio": us["protobuf"] / us["columns"],
        f"{name}_columns": us["columns"],
        f"{name}_protobuf": us["protobuf"],
    }


def _cpu_s(act: Callable[[], None]) -> float:
    began_s = time.process_time()
    act()
    return time.process_time() - began_s


ROW: Final = Row(
    "otlp_parse",
    "OTLP metrics of 5,000 data points: protobuf to columns ÷ protobuf's FromString alone",
    measure,
    (
        Figure("numbers_ratio", "gauges and sums: speed of columns ÷ of FromString", is_ratio=True),
        Figure("shuffled_ratio", "the same, in another order each time", is_ratio=True),
        Figure("histograms_ratio", "histograms of 12 buckets: the same", is_ratio=True),
        Figure("numbers_columns", "gauges and sums: columns", "µs/body"),
        Figure("numbers_protobuf", "gauges and sums: FromString", "µs/body"),
        Figure("shuffled_columns", "in another order: columns", "µs/body"),
        Figure("shuffled_protobuf", "in another order: FromString", "µs/body"),
        Figure("histograms_columns", "histograms: columns", "µs/body"),
        Figure("histograms_protobuf", "histograms: FromString", "µs/body"),
    ),
)
