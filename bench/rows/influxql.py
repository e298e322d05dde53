"""The panel that InfluxDB's users draw most, over HTTP, and InfluxDB's own answer to it from the same lines."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bench.bare.influx_server import DATABASE, InfluxServer, influx_server
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import DRAIN_S, Plan, at_rest
from bench.server import Server, fresh_server

_HOSTS: Final = 100
_HOURS: Final = 6
_EVERY_S: Final = 10
_STEPS_PER_BODY: Final = 60
_FIELDS: Final = 2
_ROUNDS: Final = 15
_WARM: Final = 2
_TIMEOUT_S: Final = 60.0
_NEAR: Final = 1e-9
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns. Both hold the same points, and both answers are compared."""
    hosts = plan.bodies(_HOSTS)
    begin_s = (int(time.time()) // 3_600 - _HOURS - 1) * 3_600
    with influx_server(plan.cores.server) as influx, fresh_server(plan.cores) as server:
        influx.make_bucket()
        _fill(server, influx, hosts, begin_s)
        at_rest(server)
        asked = {"q": _query(begin_s), "epoch": "ms", "db": DATABASE}

        def ours() -> Any:
            url = f"http://127.0.0.1:{server.api_port}/influxdb/query"
            return _asked(url, asked, {"Authorization": f"Bearer {server.admin_key}"})

        def theirs() -> Any:
            return _asked(f"{influx.url}/query", {**asked, "rp": "raw"}, {})

        _compare(ours(), theirs(), hosts)
        spent = {"ours": (0.0, 0.0), "theirs": (0.0, 0.0)}
        for number in range(_WARM + _ROUNDS):
            turns = (("ours", ours, lambda: server.cpu().all_s), ("theirs", theirs, influx.cpu_s))
            for name, ask, cpu_s in turns if (number + repeat) % 2 else turns[::-1]:
                took = _timed(ask, cpu_s)
                if number >= _WARM:
                    spent[name] = (spent[name][0] + took[0], spent[name][1] + took[1])
    (cpu, wall), (bare_cpu, bare_wall) = spent["ours"], spent["theirs"]
    return {
        "ratio": wall / bare_wall,
        "ratio_cpu": cpu / bare_cpu,
        "wall_ms": wall / _ROUNDS * 1_000,
        "bare_wall_ms": bare_wall / _ROUNDS * 1_000,
        "cpu_ms": cpu / _ROUNDS * 1_000,
        "bare_cpu_ms": bare_cpu / _ROUNDS * 1_000,
    }


def _query(begin_s: int) -> str:
    end_s = begin_s + _HOURS * 3_600
    return (
        f"SELECT mean(usage) FROM cpu WHERE time >= {begin_s}s AND time < {end_s}s GROUP BY time(1m), host fill(none)"
    )


def _fill(server: Server, influx: InfluxServer, hosts: int, begin_s: int) -> None:
    points = 0
    for body in _bodies(hosts, begin_s):
        own = {"Authorization": f"Token {server.ingest_key}"}
        _sent(f"http://127.0.0.1:{server.ingest_port}/write?db=x&precision=s", body, own)
        _sent(f"{influx.url}/write?db={DATABASE}&rp=raw&precision=s", body, {})
        points += (body.count(b"\n") + 1) * _FIELDS
    server.wait_until_written("metrics", points, DRAIN_S)


def _bodies(hosts: int, begin_s: int) -> Iterator[bytes]:
    steps = _HOURS * 3_600 // _EVERY_S
    for first in range(0, steps, _STEPS_PER_BODY):
        lines = [
            f"cpu,host=h{host:03d},region=r{host % 4} usage={(step * 7 + host * 13) % 1_000 / 10},idle={step % 97}.5 "
            f"{begin_s + step * _EVERY_S}"
            for step in range(first, first + _STEPS_PER_BODY)
            for host in range(hosts)
        ]
        yield "\n".join(lines).encode()


def _sent(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain", **headers})
    _OPENER.open(request, timeout=_TIMEOUT_S).close()


def _asked(url: str, asked: Mapping[str, str], headers: Mapping[str, str]) -> Any:
    request = urllib.request.Request(f"{url}?{urllib.parse.urlencode(asked)}", headers=dict(headers))
    with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


def _timed(ask: Callable[[], Any], cpu_s: Callable[[], float]) -> tuple[float, float]:
    began_cpu_s, began_s = cpu_s(), time.perf_counter()
    ask()
    took_s = time.perf_counter() - began_s
    return cpu_s() - began_cpu_s, took_s


def _compare(ours: Any, theirs: Any, hosts: int) -> None:
    found, expected = (answer["results"][0].get("series", []) for answer in (ours, theirs))
    if len(found) != len(expected) or len(found) != hosts:
        raise BenchError(f"{len(found)} series were answered, {len(expected)} by InfluxDB, of {hosts}")
    for one, other in zip(expected, found, strict=True):
        if one["tags"] != other["tags"] or len(one["values"]) != len(other["values"]):
            raise BenchError(f"{one['tags']}: {len(other['values'])} rows of {other['tags']} were answered")
        for (at, value), (our_at, our_value) in zip(one["values"], other["values"], strict=True):
            if at != our_at or not math.isclose(value, our_value, rel_tol=_NEAR):
                raise BenchError(f"{one['tags']} at {at}: {our_value} was answered, and {value} by InfluxDB")


ROW: Final = Row(
    "influxql",
    "mean by minute and host over 6 h by HTTP ÷ InfluxDB's own on the same lines, by time and by CPU",
    measure,
    (
        Figure("ratio", "time of an answer ÷ InfluxDB's", is_ratio=True),
        Figure("ratio_cpu", "CPU of an answer ÷ InfluxDB's", is_ratio=True),
        Figure("wall_ms", "time of an answer", "ms"),
        Figure("bare_wall_ms", "time of InfluxDB's answer", "ms"),
        Figure("cpu_ms", "CPU of an answer", "ms"),
        Figure("bare_cpu_ms", "CPU of InfluxDB's answer", "ms"),
    ),
)
