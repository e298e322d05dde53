"""Whether every point that was sent is there, once, with its value: asked as a user would."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bench.failure import BenchError
from bench.server import Ask
from bench.workloads.points import AGENT_TAG, FIELDS, HOST_TAG, MEASUREMENT, PointWorkload

_POINTS_PER_QUESTION: Final = 100_000


def check_points(ask: Ask, workload: PointWorkload, bodies: int) -> None:
    at_once = max(1, _POINTS_PER_QUESTION // workload.lines_per_body)
    for agent in range(workload.connections):
        for first in range(0, bodies, at_once):
            numbers = range(first, min(bodies, first + at_once))
            values = np.concatenate([workload.values(agent, number) for number in numbers])
            seconds = np.concatenate([workload.seconds(number) for number in numbers])
            for place, field in enumerate(FIELDS):
                expected = values[:, :, place]
                _check(_answer(ask, agent, field, "count", seconds), seconds, np.ones_like(expected), agent)
                _check(_answer(ask, agent, field, "sum", seconds), seconds, expected, agent)


def _answer(ask: Ask, agent: int, field: str, aggregate: str, seconds: np.ndarray) -> Mapping[str, Any]:
    """A window a second: what is asked for is every single point."""
    question = {
        "measurement": MEASUREMENT,
        "field": field,
        "aggregate": aggregate,
        "filters": [{"tag": AGENT_TAG, "op": "=", "value": f"a{agent}"}],
        "group_by": [HOST_TAG],
        "from": int(seconds[0]) * 1000,
        "to": (int(seconds[-1]) + 1) * 1000,
        "step": "1s",
    }
    return {series["tags"][HOST_TAG]: series["points"] for series in ask("metrics/query", question)["series"]}


def _check(answer: Mapping[str, Any], seconds: np.ndarray, expected: np.ndarray, agent: int) -> None:
    hosts = expected.shape[1]
    if len(answer) != hosts:
        raise BenchError(f"agent {agent}: {len(answer)} hosts came back, not {hosts}")
    for host in range(hosts):
        name = f"h{agent * hosts + host:04d}"
        points = np.array(answer.get(name, []), dtype=np.float64).reshape(-1, 2)
        if not np.array_equal(points[:, 0], seconds * 1000.0) or not np.array_equal(points[:, 1], expected[:, host]):
            raise BenchError(
                f"host {name}: what came back is not what was sent ({len(points)} of {len(seconds)} points)"
            )
