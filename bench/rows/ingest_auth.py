"""Recognising a sender whose key is in memory, limits included: alone, and as a share of the smallest write."""

import asyncio
import http.client
import time
from typing import Any, Final, cast
from uuid import UUID

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.server import Server, fresh_server
from strata_core.access.tokens import issue_token
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.quotas.rules import Quota, quota_bucket
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import KEPT_NS, Tier
from strata_ingest.callers import Caller
from strata_ingest.deps import IngestDeps
from strata_ingest.edge import Edge
from strata_stores.clock import SystemClock
from strata_stores.local_rate_limiter import LocalRateLimiter

_ROUNDS: Final = 5
_CALLS: Final = 20_000
_WRITES: Final = 2_000
_PLENTY: Final = 10**9
_KEPT_NS: Final = KEPT_NS[Tier.RAW]


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    found = in_fresh_process(recognition_cost, plan.bodies(_CALLS), plan.cores.server)
    with fresh_server(plan.cores) as server:
        write_us = _write_cost_us(server, plan.bodies(_WRITES))
    return {**found, "write_us": write_us, "share": found["recognition_us"] / write_us}


def recognition_cost(calls: int) -> dict[str, float]:
    """The best round's CPU a call, less what making the request object takes."""
    edge = _edge()
    try:
        return {"recognition_us": asyncio.run(_rounds(edge, calls)) * 1e6}
    finally:
        edge.close()


async def _rounds(edge: Edge, calls: int) -> float:
    best_s = float("inf")
    token = issue_token().text
    scope = _scope(token)
    for _ in range(_ROUNDS):
        edge._auth.remember(token, _caller())  # noqa: SLF001 - nobody else puts a key there unasked
        began_s = time.process_time()
        for _ in range(calls):
            Request(scope)
        between_s = time.process_time()
        for _ in range(calls):
            await edge.caller(Request(scope))
        best_s = min(best_s, (time.process_time() - between_s) - (between_s - began_s))
    return best_s / calls


def _edge() -> Edge:
    """With nobody to ask for keys."""
    clock = SystemClock()
    nobody = cast("UnitsOfWork", None)
    limiter = LocalRateLimiter(clock)
    return Edge(IngestDeps(nobody, {}, clock, CollectorRegistry(), limiter, address_requests_per_second=_PLENTY))


def _caller() -> Caller:
    organization_id = OrganizationId(UUID(int=1))
    values = dict.fromkeys(Quota, _PLENTY)
    of_key = quota_bucket(organization_id, Quota.INGEST_REQUESTS_OF_A_KEY, values, "key")
    of_all = quota_bucket(organization_id, Quota.INGEST_REQUESTS, values)
    of_bytes = quota_bucket(organization_id, Quota.INGEST_BYTES, values)
    of_points = quota_bucket(organization_id, Quota.INGEST_POINTS, values)
    return Caller(organization_id, "bench", "Bench", "key", None, (), (of_key, of_all), of_bytes, of_points, _KEPT_NS)


def _scope(token: str) -> dict[str, Any]:
    headers = {
        "host": "localhost:8401",
        "user-agent": "Telegraf/1.39",
        "content-type": "text/plain; charset=utf-8",
        "accept-encoding": "gzip",
        "content-length": "20",
        "authorization": f"Token {token}",
    }
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v2/write",
        "query_string": b"org=bench&bucket=any&precision=ns",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 40_000),
        "state": {},
    }


def _write_cost_us(server: Server, writes: int) -> float:
    """The server's CPU for a write of one line, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ingest_port, timeout=30)
    try:
        _write(connection, server.ingest_key, writes // 10)
        before = server.cpu()
        _write(connection, server.ingest_key, writes)
        return server.cpu().since(before).own_s / writes * 1e6
    finally:
        connection.close()


def _write(connection: http.client.HTTPConnection, key: str, writes: int) -> None:
    for number in range(writes):
        headers = {"Authorization": f"Token {key}"}
        connection.request("POST", "/api/v2/write", f"cpu,host=a v={number}", headers)
        response = connection.getresponse()
        response.read()
        if response.status != 204:
            raise BenchError(f"a write was answered {response.status}")


ROW: Final = Row(
    "ingest_auth",
    "a sender whose key is in memory: recognised and within its limits, of a write of one line",
    measure,
    (
        Figure("share", "recognition, of the CPU of a one-line write", is_ratio=True),
        Figure("recognition_us", "recognition, three limits included", "µs"),
        Figure("write_us", "a one-line write, server's CPU", "µs"),
    ),
)
