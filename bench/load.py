"""The load generator: a process of its own, with bodies built beforehand and connections that stay open."""

import http.client
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from bench.cores import stay_on
from bench.failure import BenchError
from bench.workloads.sending import Workload

_BUILD_S: Final = 300.0
_REQUEST_S: Final = 60.0
_GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    port: int
    key: str


@dataclass(frozen=True, slots=True)
class Sent:
    requests: int
    elapsed_s: float
    cpu_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class _Slice:
    """Bodies `first` to `first + count` of every connection."""

    first: int
    count: int
    limit_s: float


class Load:
    """Made by `load_generator`."""

    def __init__(self, pipe: "Connection[object, object]") -> None:
        self._pipe = pipe

    def send(self, first: int, count: int, *, limit_s: float = 300.0) -> Sent:
        """All connections at once; returns when each has the answer to its last body. Raises BenchError for a body
        that was not taken whole, and when it takes longer than `limit_s`."""
        self._pipe.send(_Slice(first, count, limit_s))
        sent = _answer(self._pipe, limit_s + _REQUEST_S + _GRACE_S)
        if not isinstance(sent, Sent):
            raise BenchError(f"the load generator answered {sent!r}")
        return sent


@contextmanager
def load_generator(workload: Workload, bodies: int, target: Target, core: int | None) -> Iterator[Load]:
    """Ready to send: `bodies` a connection are built."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, workload, bodies, target, core), daemon=True)
    process.start()
    theirs.close()
    try:
        _answer(ours, _BUILD_S)
        yield Load(ours)
    finally:
        ours.close()  # the process ends at the end of its pipe
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _answer(pipe: "Connection[object, object]", timeout_s: float) -> object:
    try:
        if not pipe.poll(timeout_s):
            raise BenchError(f"the load generator said nothing for {timeout_s:g} s")
        answer = pipe.recv()
    except EOFError:
        raise BenchError("the load generator ended") from None
    if isinstance(answer, BenchError):
        raise answer
    return answer


def _serve(
    pipe: "Connection[object, object]", workload: Workload, bodies: int, target: Target, core: int | None
) -> None:
    stay_on(core)
    lanes = [_Lane(workload, connection, bodies, target) for connection in range(workload.connections)]
    pipe.send("built")
    with ThreadPoolExecutor(len(lanes)) as pool:
        while True:
            try:
                part = pipe.recv()
            except (EOFError, ConnectionResetError):
                return
            if isinstance(part, _Slice):
                pipe.send(_sent(lanes, part, pool))


def _sent(lanes: "list[_Lane]", part: _Slice, pool: ThreadPoolExecutor) -> Sent | BenchError:
    started_s, cpu_s = time.monotonic(), time.process_time()
    try:
        times = sorted(took for taken in pool.map(lambda lane: lane.send(part), lanes) for took in taken)
    except BenchError as error:
        return error
    except OSError as error:
        return BenchError(f"a connection failed: {error!r}")
    return Sent(
        requests=len(times),
        elapsed_s=time.monotonic() - started_s,
        cpu_s=time.process_time() - cpu_s,
        p50_ms=_quantile(times, 0.5) * 1000,
        p99_ms=_quantile(times, 0.99) * 1000,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Lane:
    """One connection and its bodies."""

    def __init__(self, workload: Workload, connection: int, bodies: int, target: Target) -> None:
        self._workload = workload
        self._bodies = [workload.body(connection, number) for number in range(bodies)]
        self._headers = {"Authorization": f"Token {target.key}", **workload.headers}
        self._connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_REQUEST_S)

    def send(self, part: _Slice) -> list[float]:
        ends_s = time.monotonic() + part.limit_s
        took: list[float] = []
        for body in self._bodies[part.first : part.first + part.count]:
            began_s = time.perf_counter()
            if time.monotonic() > ends_s:
                raise BenchError(f"sending took longer than {part.limit_s:g} s")
            try:
                response = self._answered(body)
            except ConnectionError:
                if took:
                    raise
                self._connection.close()  # since the last slice the server may have given it up
                response = self._answered(body)
            answer = response.read()
            took.append(time.perf_counter() - began_s)
            if not self._workload.is_accepted(response.status, answer):
                raise BenchError(f"a body was answered {response.status}: {answer[:300].decode(errors='replace')}")
        return took

    def _answered(self, body: bytes) -> http.client.HTTPResponse:
        self._connection.request("POST", self._workload.path, body, self._headers)
        return self._connection.getresponse()
