"""An organization, asked for with a key, over a route that asks nobody: what recognising and limiting callers costs."""

from typing import Final

from bench.asking import asked
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.server import fresh_server

_ROUNDS: Final = 5
_REQUESTS: Final = 1_000


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns, so that what else the machine does falls on both."""
    with fresh_server(plan.cores) as server:
        headers = {"Authorization": f"Bearer {server.admin_key}"}
        count = plan.bodies(_REQUESTS)
        static, authenticated = [], []
        for _ in range(_ROUNDS):
            static.append(asked(server, "/healthz", {}, count))
            authenticated.append(asked(server, f"/api/v1/orgs/{server.slug}", headers, count))
    cpu_static = _ROUNDS / sum(1 / each.per_own_cpu_s for each in static)
    cpu_authenticated = _ROUNDS / sum(1 / each.per_own_cpu_s for each in authenticated)
    return {
        "ratio": cpu_authenticated / cpu_static,
        "ratio_p50": min(each.p50_ms for each in static) / min(each.p50_ms for each in authenticated),
        "per_cpu_s": cpu_authenticated,
        "static_per_cpu_s": cpu_static,
        "p50_ms": min(each.p50_ms for each in authenticated),
        "static_p50_ms": min(each.p50_ms for each in static),
    }


ROW: Final = Row(
    "authenticated_get",
    "GET of an organization with a key ÷ GET of /healthz, one connection",
    measure,
    (
        Figure("ratio", "requests per CPU second of the server: with a key ÷ static", is_ratio=True),
        Figure("ratio_p50", "p50 of the best of five rounds: static ÷ with a key", is_ratio=True),
        Figure("per_cpu_s", "with a key", "/server CPU-s"),
        Figure("static_per_cpu_s", "static", "/server CPU-s"),
        Figure("p50_ms", "with a key, p50", "ms"),
        Figure("static_p50_ms", "static, p50", "ms"),
    ),
)
