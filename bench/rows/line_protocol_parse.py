"""Line protocol to columns, against a regular expression that only says whether the body is one."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import re2

from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.workloads.points import PointWorkload
from strata_datamodel.ids import BatchId, OrganizationId, uuid7
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_wire.known_series import KnownSeries
from strata_wire.line_protocol import parse_lines

_BODIES: Final = 16
_ROUNDS: Final = 25
_WARM: Final = 2
_PAST_S: Final = 3_600  # the bodies' times end before now

_NAME: Final = rb"(?:\\[,= ]|[^,= \n\\])+"
_NUMBER: Final = rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[iu]?"
_VALUE: Final = rb"(?:" + _NUMBER + rb'|[tTfF]|true|True|TRUE|false|False|FALSE|"(?:[^"\\]|\\.)*")'
_LINE: Final = (
    rb"(?:\\[, ]|[^, \n\\])+(?:," + _NAME + rb"=" + _NAME + rb")*"
    rb" " + _NAME + rb"=" + _VALUE + rb"(?:," + _NAME + rb"=" + _VALUE + rb")*(?: -?[0-9]+)?\n"
)
_GRAMMAR: Final = rb"(?:" + _LINE + rb")*"


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    return in_fresh_process(_costs, max(1, plan.bodies(_ROUNDS)), plan.cores.server)


def _costs(rounds: int) -> dict[str, float]:
    known = KnownSeries()
    known.prepare()
    now_s = int(time.time())
    workload = PointWorkload(start_s=now_s - _PAST_S, is_gzipped=False)
    bodies = [workload.body(number % workload.connections, number // workload.connections) for number in range(_BODIES)]
    shuffled = [_shuffled(body, number) for number, body in enumerate(bodies)]
    return {
        **_compared("ordered", bodies, workload.lines_per_body, rounds, known),
        **_compared("shuffled", shuffled, workload.lines_per_body, rounds, known),
    }


def _shuffled(body: bytes, seed: int) -> bytes:
    lines = body.splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    return b"".join(lines)


def _compared(name: str, bodies: Sequence[bytes], lines: int, rounds: int, known: KnownSeries) -> dict[str, float]:
    """Both take turns, round for round: a machine that is slower for a while is slower for both."""
    now_ns = time.time_ns()
    envelope = Envelope(
        organization_id=OrganizationId(uuid7(0)),
        batch_id=BatchId(uuid7(now_ns // 1_000_000)),
        received_at_ns=now_ns,
        signal=Signal.METRICS,
        wire_format=WireFormat.INFLUX_LINE,
    )
    grammar = re2.compile(_GRAMMAR)

    def ours() -> None:
        for body in bodies:
            parsed = parse_lines(body, envelope, known=known)
            if parsed.accepted != lines:
                raise BenchError(f"{parsed.accepted} lines of {lines} were taken")

    def theirs() -> None:
        for body in bodies:
            if grammar.fullmatch(body) is None:
                raise BenchError("the grammar refuses a body")

    spent = {"columns": 0.0, "grammar": 0.0}
    for number in range(rounds + _WARM):
        for key, act in (("columns", ours), ("grammar", theirs)):
            took_s = _cpu_s(act)
            if number >= _WARM:
                spent[key] += took_s
    us = {key: took_s * 1e6 / rounds / len(bodies) for key, took_s in spent.items()}
    return {
        f"{name}_ratio": us["grammar"] / us["columns"],
        f"{name}_columns": us["columns"],
        f"{name}_grammar": us["grammar"],
    }


def _cpu_s(act: Callable[[], None]) -> float:
    began_s = time.process_time()
    act()
    return time.process_time() - began_s


ROW: Final = Row(
    "line_protocol_parse",
    "line protocol, 5,000 lines a body: to columns ÷ re2's check of the grammar alone",
    measure,
    (
        Figure("ordered_ratio", "lines in the order of the last body: speed of columns ÷ of the check", is_ratio=True),
        Figure("shuffled_ratio", "lines of each body in another order: the same", is_ratio=True),
        Figure("ordered_columns", "in order: columns", "µs/body"),
        Figure("ordered_grammar", "in order: the check", "µs/body"),
        Figure("shuffled_columns", "shuffled: columns", "µs/body"),
        Figure("shuffled_grammar", "shuffled: the check", "µs/body"),
    ),
)
