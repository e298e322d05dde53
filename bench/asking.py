"""GET requests one after the other on one open connection, timed by the clock and by the server's own CPU."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.failure import BenchError
from bench.server import Server

_TIMEOUT_S: Final = 30.0
_WARM: Final = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """CPU is of the server's process and of its children, PostgreSQL among them."""

    per_s: float
    per_own_cpu_s: float
    per_cpu_s: float
    p50_ms: float
    size_bytes: int


def asked(server: Server, path: str, headers: Mapping[str, str], count: int) -> Asked:
    """Warm. Raises BenchError for any answer that is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", server.api_port, timeout=_TIMEOUT_S)
    try:
        _ask(connection, path, headers, _WARM)
        before, began_s = server.cpu(), time.perf_counter()
        took, size_bytes = _ask(connection, path, headers, count)
        elapsed_s, spent = time.perf_counter() - began_s, server.cpu().since(before)
    finally:
        connection.close()
    return Asked(
        count / elapsed_s, count / spent.own_s, count / spent.all_s, sorted(took)[count // 2] * 1000, size_bytes
    )


def _ask(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], count: int
) -> tuple[list[float], int]:
    took: list[float] = []
    body = b""
    for _ in range(count):
        began_s = time.perf_counter()
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        body = response.read()
        took.append(time.perf_counter() - began_s)
        if response.status != 200:
            raise BenchError(f"{path} was answered {response.status}: {body[:300].decode(errors='replace')}")
    return took, len(body)
