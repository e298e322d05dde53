"""A page of 50 hosts over HTTP, over the same statement asked of the same PostgreSQL by pgbench."""

import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy.dialects.postgresql.base import PGDialect

from bench.asking import Asked, asked
from bench.bare.process import in_fresh_process
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from bench.server import Server, fresh_server
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.inventory.lists import HOSTS
from strata_datamodel.ids import OrganizationId
from strata_stores.embedded.directory import running_instance
from strata_stores.embedded.wheels import postgres_home

_HOSTS: Final = 200
_PAGE: Final = 50
_ROUNDS: Final = 3
_REQUESTS: Final = 1_000
_PGBENCH_S: Final = 2.0
_LIMIT_S: Final = 60.0
_COUNT: Final = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Bare:
    """`same` is the statement of the list, `plain` the same rows without their JSON."""

    program: str
    url: str
    seconds: int
    statements: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    program: str
    url: str
    seconds: int
    sql: str


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns, one connection each, and both by CPU: the clock also counts what else the machine does."""
    with fresh_server(plan.cores) as server:
        given = _filled(server, max(1, round(_PGBENCH_S * plan.scale)))
        path, headers = (
            f"/api/v1/orgs/{server.slug}/hosts?limit={_PAGE}",
            {"Authorization": f"Bearer {server.admin_key}"},
        )
        listed: list[Asked] = []
        bare: list[dict[str, float]] = []
        for _ in range(_ROUNDS):
            bare.append({name: _per_cpu_s(server, given, sql, plan.cores.server) for name, sql in given.statements})
            listed.append(asked(server, path, headers, plan.bodies(_REQUESTS)))
    same, plain = max(each["same"] for each in bare), max(each["plain"] for each in bare)
    own, everything = max(each.per_own_cpu_s for each in listed), max(each.per_cpu_s for each in listed)
    return {
        "ratio": own / same,
        "ratio_all": everything / same,
        "ratio_plain": own / plain,
        "per_own_cpu_s": own,
        "per_cpu_s": everything,
        "bare_per_cpu_s": same,
        "plain_per_cpu_s": plain,
        "p50_ms": min(each.p50_ms for each in listed),
        "size_bytes": float(listed[0].size_bytes),
    }


def _per_cpu_s(server: Server, given: _Bare, sql: str, core: int | None) -> float:
    """Statements a second of CPU, that of pgbench and of its backend."""
    before = server.cpu()
    done = in_fresh_process(by_pgbench, _Asked(given.program, given.url, given.seconds, sql), core)
    return done["count"] / (done["cpu_s"] + server.cpu().since(before).children_s)


def _statements(organization_id: OrganizationId) -> tuple[tuple[str, str], ...]:
    actor = Actor(ActorKind.SYSTEM, None, "bench")
    reader = Context(organization_id, actor, frozenset(PERMISSIONS), request_id="bench")
    question = HOSTS.question(reader, limit=_PAGE + 1)
    statement = str(question.statement.compile(dialect=PGDialect()))  # type: ignore[no-untyped-call]
    for name, value in question.values.items():
        statement = statement.replace(f"%({name})s", f"'{value}'")
    rows = f"SELECT * FROM hosts WHERE organization_id = '{organization_id}' ORDER BY name LIMIT {_PAGE + 1}"
    return (("same", statement), ("plain", rows))


def by_pgbench(asked_for: _Asked) -> dict[str, float]:
    """Prepared, on one connection."""
    # pgbench takes a colon and a letter for a variable, in quotes too.
    script = asked_for.sql.replace("'YYYY", "E'YYYY").replace(":MI:SS", r"\x3aMI\x3aSS")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(f"{' '.join(script.split())};\n")
        file.flush()
        words = [
            asked_for.program,
            "-n",
            "-M",
            "prepared",
            "-T",
            str(asked_for.seconds),
            "-f",
            file.name,
            asked_for.url,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    found = _COUNT.search(done.stdout)
    if done.returncode or found is None:
        raise BenchError(f"pgbench failed: {done.stderr[-500:]}")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"count": float(found[1]), "cpu_s": spent.ru_utime + spent.ru_stime}


def _filled(server: Server, seconds: int) -> _Bare:
    for number in range(_HOSTS):
        server.ask("hosts", {"name": f"host-{number:04}", "environment": "prod", "tags": {"rack": "a", "os": "linux"}})
    running = running_instance(server.data_dir)
    if running is None or running.relational_url is None:
        raise BenchError("the server does not say where its PostgreSQL is")
    with psycopg.connect(running.relational_url) as connection:
        major_version = connection.info.server_version // 10_000
        row = connection.execute("SELECT id FROM organizations WHERE slug = %s", [server.slug]).fetchone()
    if row is None:
        raise BenchError("the organization is not there")
    program = postgres_home(major_version) / "bin" / "pgbench"
    return _Bare(str(program), running.relational_url, seconds, _statements(OrganizationId(row[0])))


ROW: Final = Row(
    "hot_list",
    "50 hosts over HTTP with a key ÷ the same statement by pgbench, prepared, on one connection",
    measure,
    (
        Figure(
            "ratio",
            "requests per CPU second of the server ÷ statements per CPU second of pgbench and PostgreSQL",
            is_ratio=True,
        ),
        Figure("ratio_all", "the same, PostgreSQL's CPU counted too", is_ratio=True),
        Figure("ratio_plain", "requests per CPU second of the server ÷ the rows without their JSON", is_ratio=True),
        Figure("per_own_cpu_s", "over HTTP", "/server CPU-s"),
        Figure("per_cpu_s", "over HTTP, PostgreSQL's CPU counted too", "/CPU-s"),
        Figure("bare_per_cpu_s", "the statement by pgbench", "/CPU-s"),
        Figure("plain_per_cpu_s", "the rows without their JSON by pgbench", "/CPU-s"),
        Figure("p50_ms", "over HTTP, p50", "ms"),
        Figure("size_bytes", "an answer", "bytes"),
    ),
)
