"""A panel that is kept, asked for with a key, over FastAPI that answers with as many bytes and knows nobody."""

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from bench.bare.fastapi_static import static_server
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.flat_out import FlatOut, request_of
from bench.harness import DRAIN_S, Plan, at_rest
from bench.server import Server, fresh_server

_HOSTS: Final = 10
_MINUTES: Final = 100
_ROUNDS: Final = 5
_REQUESTS: Final = 10_000
_PANELS: Final = 400
_MISSES: Final = 200
_WARM: Final = 300
_IDLE_S: Final = 5.0
_TIMEOUT_S: Final = 30.0
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns. A panel is kept for its step, a minute: in between it is asked of the store."""
    with fresh_server(plan.cores) as server:
        _fill(server)
        panel = _question("now-2h")
        size = len(_answer(server, panel))
        others = [_question(f"now-{7_200 + number}s") for number in range(_PANELS)]
        misses = _origin_asked_by_misses(server)
        count = plan.bodies(_REQUESTS)
        kept, answering, shared, static, passing = [], [], [], [], []
        with static_server(size, plan.cores.server) as bare, ExitStack() as stack:
            ours, theirs = FlatOut(server.api_port), FlatOut(bare.port)
            stack.callback(ours.close)
            stack.callback(theirs.close)
            ask_panel = [request_of(_path(server), _headers(server), panel)]
            ask_others = [request_of(_path(server), _headers(server), each) for each in others]
            ask_static = [request_of("/static", _headers(server), panel)]
            ours.ask(ask_others, _PANELS)  # all of them into the cache, by the long way
            at_rest(server)
            idle = _idle_share(server)
            for _ in range(_ROUNDS):
                static.append(_timed(theirs, ask_static, count, bare.cpu_s))
                before_s, began_s = server.main_thread_cpu_s(), time.monotonic()
                kept.append(_timed(ours, ask_panel, count, lambda: server.cpu().own_s))
                passing.append((time.monotonic() - began_s) / (count + _WARM))
                answering.append((count + _WARM) / max(server.main_thread_cpu_s() - before_s, 0.01))
                shared.append(_timed(ours, ask_others, _PANELS, lambda: server.cpu().own_s))
    cpu_static, cpu_kept, cpu_answering, cpu_shared = (
        _ROUNDS / sum(1 / each for each in found) for found in (static, kept, answering, shared)
    )
    at_rest_s = idle * sum(passing) / _ROUNDS  # of the time a panel took, what loops would have worked all the same
    return {
        "ratio": cpu_kept / cpu_static,
        "ratio_of_work": 1 / max(1 / cpu_kept - at_rest_s, 1 / cpu_answering) / cpu_static,
        "idle_share": idle,
        "ratio_answering": cpu_answering / cpu_static,
        "ratio_shared": cpu_shared / cpu_static,
        "kept_per_cpu_s": cpu_kept,
        "shared_per_cpu_s": cpu_shared,
        "static_per_cpu_s": cpu_static,
        "size_bytes": float(size),
        "origin_of_misses": misses,
    }


def _idle_share(server: Server) -> float:
    """Of a core, by the server's own process: workers, writers and embedded servers' watchers are in it."""
    before_s = server.cpu().own_s
    time.sleep(_IDLE_S)
    return (server.cpu().own_s - before_s) / _IDLE_S


def _question(begin: str) -> bytes:
    question = {"measurement": "cpu", "field": "usage", "aggregate": "avg", "from": begin, "step": "60s"}
    return json.dumps({**question, "group_by": ["host"]}).encode()


def _fill(server: Server) -> None:
    now_s = int(time.time())
    lines = [
        f"cpu,host=h{host} usage={host}.{minute:02d} {now_s - 60 * minute}"
        for host in range(_HOSTS)
        for minute in range(1, _MINUTES + 1)
    ]
    headers = {"Authorization": f"Bearer {server.ingest_key}"}
    url = f"http://127.0.0.1:{server.ingest_port}/api/v2/write?precision=s"
    with _OPENER.open(urllib.request.Request(url, "\n".join(lines).encode(), headers), timeout=_TIMEOUT_S):
        server.wait_until_written("metrics", len(lines), DRAIN_S)


def _path(server: Server) -> str:
    return f"/api/v1/orgs/{server.slug}/metrics/query"


def _headers(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.admin_key}", "Content-Type": "application/json"}


def _answer(server: Server, question: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.api_port, timeout=_TIMEOUT_S)
    try:
        return _post(connection, _path(server), _headers(server), question)
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], body: bytes) -> bytes:
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise BenchError(f"{path} was answered {response.status}: {answer[:300].decode(errors='replace')}")
    return answer


def _timed(flat_out: FlatOut, requests: Sequence[bytes], count: int, cpu_s: Callable[[], float]) -> float:
    """Requests per second of CPU."""
    flat_out.ask(requests[:1], _WARM)
    before_s = cpu_s()
    answered = flat_out.ask(requests, count)
    return answered / max(cpu_s() - before_s, 0.01)


def _origin_asked_by_misses(server: Server) -> float:
    """Of as many at once as the row says, by connections of their own. Raises BenchError unless one of them asked."""
    before = _origin_asked(server)
    question = _question("now-3h")
    with ThreadPoolExecutor(_MISSES) as pool:
        answers = set(pool.map(lambda _: _answer(server, question), range(_MISSES)))
    asked = _origin_asked(server) - before
    if len(answers) != 1 or asked != 1:
        raise BenchError(f"{_MISSES} misses at once asked the store {asked:g} times and got {len(answers)} answers")
    return asked


def _origin_asked(server: Server) -> float:
    with _OPENER.open(f"http://127.0.0.1:{server.api_port}/metrics", timeout=_TIMEOUT_S) as response:
        figures = response.read().decode()
    found = re.search(
        r'^strata_cache_answers_total\{kind="aggregations",outcome="origin"\} (\S+)$', figures, re.MULTILINE
    )
    return float(found[1]) if found else 0.0


ROW: Final = Row(
    "cached_panel",
    "a kept panel with a key ÷ FastAPI with as many static bytes, 8 connections",
    measure,
    (
        Figure("ratio", "requests per CPU second of the server: a kept panel ÷ static bytes", is_ratio=True),
        Figure("ratio_of_work", "the same without what the process does while nobody asks", is_ratio=True),
        Figure("ratio_answering", "the same by the thread that answers, without what others do", is_ratio=True),
        Figure("ratio_shared", "400 panels in turn, each from Redis ÷ static bytes", is_ratio=True),
        Figure("kept_per_cpu_s", "a kept panel", "/server CPU-s"),
        Figure("shared_per_cpu_s", "400 in turn, from Redis", "/server CPU-s"),
        Figure("static_per_cpu_s", "static bytes", "/server CPU-s"),
        Figure("idle_share", "the server while nobody asks", "of a core"),
        Figure("size_bytes", "an answer", "bytes"),
        Figure("origin_of_misses", "times the store was asked by 200 misses at once"),
    ),
)
