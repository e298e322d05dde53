"""The commonest query of a dashboard, over HTTP, and Prometheus' own answer to it from the same samples."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from cramjam import snappy

from bench.bare.prometheus_server import PrometheusServer, prometheus_server
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import DRAIN_S, Plan, at_rest
from bench.server import Server, fresh_server
from bench.workloads.remote_write import request_class

_SERIES: Final = 1_000
_HOURS: Final = 6
_EVERY_MS: Final = 15_000
_SAMPLES_PER_BODY: Final = 80
_STEP_S: Final = 60
_QUERY: Final = "sum by (job) (rate(requests_total[5m]))"
_ROUNDS: Final = 15
_WARM: Final = 2
_TIMEOUT_S: Final = 60.0
_NEAR: Final = 1e-9
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns. Both hold the same samples, and both answers are compared."""
    series = _SERIES
    # Steps are whole minutes, so that none is asked of before the first sample.
    begin_ms = (int(time.time()) // 3_600 - _HOURS - 1) * 3_600_000
    with prometheus_server(plan.cores.server) as prometheus, fresh_server(plan.cores) as server:
        _fill(server, prometheus, series, begin_ms)
        at_rest(server)
        asked = urllib.parse.urlencode(
            {"query": _QUERY, "start": begin_ms // 1_000, "end": begin_ms // 1_000 + _HOURS * 3_600, "step": _STEP_S}
        ).encode()

        def ours() -> Any:
            url = f"http://127.0.0.1:{server.api_port}/prometheus/api/v1/query_range"
            return _asked(url, asked, {"Authorization": f"Bearer {server.admin_key}"})

        def theirs() -> Any:
            return _asked(f"{prometheus.url}/api/v1/query_range", asked, {})

        _compare(ours(), theirs())
        spent = {"ours": (0.0, 0.0), "theirs": (0.0, 0.0)}
        for number in range(_WARM + _ROUNDS):
            turns = (("ours", ours, lambda: server.cpu().all_s), ("theirs", theirs, prometheus.cpu_s))
            for name, ask, cpu_s in turns if (number + repeat) % 2 else turns[::-1]:
                took = _timed(ask, cpu_s)
                if number >= _WARM:
                    spent[name] = (spent[name][0] + took[0], spent[name][1] + took[1])
    (cpu, wall), (bare_cpu, bare_wall) = spent["ours"], spent["theirs"]
    return {
        "ratio": cpu / bare_cpu,
        "ratio_wall": wall / bare_wall,
        "cpu_ms": cpu / _ROUNDS * 1_000,
        "bare_cpu_ms": bare_cpu / _ROUNDS * 1_000,
        "wall_ms": wall / _ROUNDS * 1_000,
        "bare_wall_ms": bare_wall / _ROUNDS * 1_000,
    }


def _fill(server: Server, prometheus: PrometheusServer, series: int, begin_ms: int) -> None:
    scrapes = _HOURS * 3_600_000 // _EVERY_MS
    own = {"Authorization": f"Token {server.ingest_key}"}
    for first in range(0, scrapes, _SAMPLES_PER_BODY):
        body = bytes(snappy.compress_raw(_body(series, begin_ms, range(first, first + _SAMPLES_PER_BODY))))
        _sent(f"http://127.0.0.1:{server.ingest_port}/api/v1/write", body, own)
        _sent(f"{prometheus.url}/api/v1/write", body, {})
    server.wait_until_written("metrics", scrapes * series, DRAIN_S)


def _body(series: int, begin_ms: int, scrapes: range) -> bytes:
    request = request_class(1)()
    for place in range(series):
        one = request.timeseries.add()  # type: ignore[attr-defined]
        labels = {"__name__": "requests_total", "instance": f"host-{place // 10:03d}:9100", "job": f"job {place % 10}"}
        for name, value in labels.items():
            one.labels.add(name=name, value=value)
        for number in scrapes:
            # Each starts again at zero, one after the other.
            counted = (number + place) % 1_000 * (1 + place % 7)
            one.samples.add(value=float(counted), timestamp=begin_ms + number * _EVERY_MS)
    return request.SerializeToString()


def _sent(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    request = urllib.request.Request(url, body, {**_HEADERS, **headers})
    _OPENER.open(request, timeout=_TIMEOUT_S).close()


def _asked(url: str, form: bytes, headers: Mapping[str, str]) -> Any:
    with _OPENER.open(urllib.request.Request(url, form, dict(headers)), timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


def _timed(ask: Callable[[], Any], cpu_s: Callable[[], float]) -> tuple[float, float]:
    began_cpu_s, began_s = cpu_s(), time.perf_counter()
    ask()
    took_s = time.perf_counter() - began_s
    return cpu_s() - began_cpu_s, took_s


def _compare(ours: Any, theirs: Any) -> None:
    found, expected = (
        {each["metric"]["job"]: each["values"] for each in answer["data"]["result"]} for answer in (ours, theirs)
    )
    if found.keys() != expected.keys() or not found:
        raise BenchError(f"{len(found)} series were answered, and {len(expected)} by Prometheus")
    for job, points in expected.items():
        if [at for at, _ in points] != [at for at, _ in found[job]]:
            raise BenchError(f"{job}: other times were answered than by Prometheus")
        for (at, one), (_, other) in zip(points, found[job], strict=True):
            if not math.isclose(float(one), float(other), rel_tol=_NEAR):
                raise BenchError(f"{job} at {at}: {other} was answered, and {one} by Prometheus")


ROW: Final = Row(
    "promql",
    "sum by (rate) over 1,000 series and 6 h by HTTP ÷ Prometheus' own on the same samples, in CPU",
    measure,
    (
        Figure("ratio", "CPU of an answer ÷ Prometheus'", is_ratio=True),
        Figure("ratio_wall", "time of an answer ÷ Prometheus'", is_ratio=True),
        Figure("cpu_ms", "CPU of an answer", "ms"),
        Figure("bare_cpu_ms", "CPU of Prometheus' answer", "ms"),
        Figure("wall_ms", "time of an answer", "ms"),
        Figure("bare_wall_ms", "time of Prometheus' answer", "ms"),
    ),
)
