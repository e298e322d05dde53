"""Prometheus remote write to columns, against Google's parser of protocol buffers alone."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from cramjam import snappy

from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.workloads.remote_write import RemoteWriteWorkload, request_class
from strata_datamodel.ids import BatchId, OrganizationId, uuid7
from strata_datamodel.limits import MIB
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_wire.decompression import SNAPPY, decompress
from strata_wire.known_series import KnownSeries
from strata_wire.remote_write import parse_remote_write

_SERIES: Final = 5_000
_BODIES: Final = 20
_ROUNDS: Final = 25
_WARM: Final = 2
_FREED_BYTES: Final = 30 * MIB
_FORMATS: Final = {1: WireFormat.REMOTE_WRITE_1, 2: WireFormat.REMOTE_WRITE_2}


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    rounds = max(_WARM + 1, plan.bodies(_ROUNDS))
    return in_fresh_process(_costs, rounds, plan.cores.server)


def _costs(rounds: int) -> dict[str, float]:
    # glibc gives memory back to the system and takes it again for each message until something this large was freed.
    bytearray(_FREED_BYTES)
    known = KnownSeries()
    known.prepare()
    now_ns = time.time_ns()
    workload = RemoteWriteWorkload(now_ns // 1_000_000, _SERIES)
    figures: dict[str, float] = {}
    for version in (1, 2):
        bodies = [workload.body(version, number) for number in range(_BODIES)]
        figures |= _of_version(version, bodies, rounds, now_ns, known, f"v{version}")
    shuffled = [workload.body(1, number, shuffled=True) for number in range(_BODIES)]
    return figures | _of_version(1, shuffled, rounds, now_ns, known, "shuffled")


def _of_version(
    version: int, bodies: Sequence[bytes], rounds: int, now_ns: int, known: KnownSeries, name: str
) -> dict[str, float]:
    """Both take turns, round for round: a machine that is slower for a while is slower for both."""
    message = request_class(version)
    sent = [bytes(snappy.compress_raw(body)) for body in bodies]
    envelope = _envelope(version, now_ns)

    def ours() -> None:
        for body in sent:
            parsed = parse_remote_write(decompress(body, SNAPPY), envelope, known=known)
            if parsed.samples != _SERIES:
                raise BenchError(f"{parsed.samples} samples of {_SERIES} were taken")

    def theirs() -> None:
        for body in bodies:
            message.FromString(body)

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


def _envelope(version: int, now_ns: int) -> Envelope:
    return Envelope(
        organization_id=OrganizationId(uuid7(0)),
        batch_id=BatchId(uuid7(now_ns // 1_000_000)),
        received_at_ns=now_ns,
        signal=Signal.METRICS,
        wire_format=_FORMATS[version],
    )


ROW: Final = Row(
    "remote_write_parse",
    "remote write of 5,000 series with a sample each: snappy to columns ÷ protobuf's FromString alone",
    measure,
    (
        Figure("v1_ratio", "version 1: speed of snappy to columns ÷ of FromString", is_ratio=True),
        Figure("v2_ratio", "version 2: the same", is_ratio=True),
        Figure("shuffled_ratio", "version 1, series in another order each time: the same", is_ratio=True),
        Figure("v1_columns", "version 1: snappy to columns", "µs/body"),
        Figure("v1_protobuf", "version 1: FromString", "µs/body"),
        Figure("v2_columns", "version 2: snappy to columns", "µs/body"),
        Figure("v2_protobuf", "version 2: FromString", "µs/body"),
        Figure("shuffled_columns", "version 1 shuffled: snappy to columns", "µs/body"),
        Figure("shuffled_protobuf", "version 1 shuffled: FromString", "µs/body"),
    ),
)
