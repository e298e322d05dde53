"""A page of 50 hosts over HTTP, over the same statement prepared on one connection to the same PostgreSQL."""

import time
from dataclasses import dataclass
from typing import Final

import psycopg

from bench.asking import asked
from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.server import fresh_server
from strata_stores.embedded.directory import running_instance

_HOSTS: Final = 200
_PAGE: Final = 50
_ROUNDS: Final = 3
_REQUESTS: Final = 400
_STATEMENT: Final = (
    "SELECT * FROM hosts WHERE organization_id = (SELECT id FROM organizations WHERE slug = %s) ORDER BY name LIMIT %s"
)


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    slug: str
    count: int


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns, one connection each."""
    with fresh_server(plan.cores) as server:
        for number in range(_HOSTS):
            server.ask(
                "hosts", {"name": f"host-{number:04}", "environment": "prod", "tags": {"rack": "a", "os": "linux"}}
            )
        running = running_instance(server.data_dir)
        if running is None or running.relational_url is None:
            raise BenchError("the server does not say where its PostgreSQL is")
        count = plan.bodies(_REQUESTS)
        bare_given = _Asked(running.relational_url, server.slug, count)
        headers = {"Authorization": f"Bearer {server.admin_key}"}
        path = f"/api/v1/orgs/{server.slug}/hosts?limit={_PAGE}"
        listed, bare = [], []
        for _ in range(_ROUNDS):
            bare.append(in_fresh_process(statement_rate, bare_given, plan.cores.server)["per_s"])
            listed.append(asked(server, path, headers, count))
    best = max(each.per_s for each in listed)
    return {
        "ratio": best / max(bare),
        "per_s": best,
        "bare_per_s": max(bare),
        "p50_ms": min(each.p50_ms for each in listed),
        "per_cpu_s": max(each.per_own_cpu_s for each in listed),
        "size_bytes": float(listed[0].size_bytes),
    }


def statement_rate(given: _Asked) -> dict[str, float]:
    """Rows are fetched and thrown away, as pgbench does with a prepared statement."""
    with psycopg.connect(given.url, autocommit=True) as connection, connection.cursor() as cursor:
        for _ in range(50):
            cursor.execute(_STATEMENT, (given.slug, _PAGE), prepare=True).fetchall()
        began_s = time.perf_counter()
        for _ in range(given.count):
            rows = cursor.execute(_STATEMENT, (given.slug, _PAGE), prepare=True).fetchall()
        per_s = given.count / (time.perf_counter() - began_s)
    if len(rows) != _PAGE:
        raise BenchError(f"{len(rows)} hosts came back")
    return {"per_s": per_s}


ROW: Final = Row(
    "hot_list",
    "50 hosts over HTTP with a key ÷ the statement alone, prepared, on one connection",
    measure,
    (
        Figure("ratio", "a second: over HTTP ÷ the statement", is_ratio=True),
        Figure("per_s", "over HTTP", "/s"),
        Figure("bare_per_s", "the statement", "/s"),
        Figure("p50_ms", "over HTTP, p50", "ms"),
        Figure("per_cpu_s", "over HTTP", "/server CPU-s"),
        Figure("size_bytes", "an answer", "bytes"),
    ),
)
