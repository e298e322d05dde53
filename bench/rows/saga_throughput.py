"""Sagas of three local steps, over the same rows claimed and committed by plain SQL."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import psycopg
from sqlalchemy import insert, text

from bench.bare.process import in_fresh_process
from bench.cores import on_core
from bench.failure import BenchError
from bench.figures import Figure, Row
from bench.harness import Plan
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.claiming import FIRST_ORGANIZATION, claim_sagas
from strata_core.sagas.definitions import LocalStep, Saga, SagaDefinition, catalogue
from strata_core.sagas.starting import start_saga
from strata_core.sagas.tools import SagaTools
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.organizations import organizations, settings
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.migrating import upgrade
from strata_stores.postgres.roles import WORKER, allow_local_login
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_workers.saga_driver import SagaDriver

_SAGAS: Final = 800
_ROUNDS: Final = 3
_BATCH: Final = 4
_ORGANIZATION: Final = OrganizationId(UUID("00000000-0000-7000-8000-0000000000ff"))
_STEPS: Final = ("reserve", "fill", "open")
_NOBODY: Final = cast("SagaTools", None)


def _write(_: Context, uow: UnitOfWork, saga: Saga) -> dict[str, object]:
    """What a local step is for: a row of its own."""
    key = f"{saga.id}-{len(saga.outputs)}"
    uow.execute(insert(settings), {"organization_id": uow.organization_id, "key": key, "value": {"by": "saga"}})
    return {"key": key}


DEFINITION: Final = SagaDefinition(
    "bench", 1, tuple(LocalStep(name, _write) for name in _STEPS), pivot=_STEPS[0], deadline=timedelta(hours=1)
)

_CLAIM: Final = """
UPDATE sagas SET epoch = epoch + 1, lease_owner = 'bench', lease_until = now() + interval '10 s', state = 'running'
WHERE (organization_id, id) IN (
    SELECT organization_id, id FROM sagas WHERE due_at <= now() AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, epoch
"""
_OWN_ROW: Final = "INSERT INTO settings (organization_id, key, value) VALUES (%s, %s, %s)"
_STEP: Final = """
UPDATE saga_steps SET state = 'done', attempts = attempts + 1, output = %s, started_at = now(), done_at = now()
WHERE organization_id = %s AND saga_id = %s AND seq = %s
"""
_GO_ON: Final = """
UPDATE sagas SET lease_until = now() + interval '10 s', updated_at = now()
WHERE organization_id = %s AND id = %s AND epoch = %s
"""
_END: Final = """
UPDATE sagas SET state = 'done', lease_owner = NULL, lease_until = NULL, due_at = NULL, ended_at = now(),
    updated_at = now() WHERE organization_id = %s AND id = %s AND epoch = %s
"""


def measure(plan: Plan, repeat: int) -> dict[str, float]:
    """In turns on one server. Counted is the CPU of the process and of its backend; what a commit waits for the disk is
    the same for both, and in the rates by the clock only."""
    del repeat
    count = plan.bodies(_SAGAS)
    driven: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    with on_core(plan.cores.server), _server() as url:
        for _ in range(_ROUNDS):
            bare.append(in_fresh_process(bare_rates, (url, count), plan.cores.server))
            driven.append(in_fresh_process(saga_rates, (url, count), plan.cores.server))
    best = {name: (max(run[name] for run in driven), max(run[name] for run in bare)) for name in driven[0]}
    return {
        "ratio": best["per_cpu_s"][0] / best["per_cpu_s"][1],
        "ratio_clock": best["per_s"][0] / best["per_s"][1],
        "per_cpu_s": best["per_cpu_s"][0],
        "bare_per_cpu_s": best["per_cpu_s"][1],
        "per_s": best["per_s"][0],
        "bare_per_s": best["per_s"][1],
    }


def saga_rates(given: tuple[str, int]) -> dict[str, float]:
    """Claimed as workers claim, driven as workers drive, on one connection."""
    url, count = given
    clock = SystemClock()
    engine = open_engine(url, role=WORKER, pool_size=1)
    units = PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
    driver = SagaDriver(units, catalogue([DEFINITION]), _NOBODY)
    try:
        _start(units, count)
        with units.system() as uow:
            watch = _Watch(uow.execute(text("SELECT pg_backend_pid()")).scalar_one())
        done = 0
        while done < count:
            with units.system() as uow:
                claimed = claim_sagas(uow, "bench", limit=_BATCH, after=FIRST_ORGANIZATION)
            for saga in claimed:
                driver.drive(saga)
            done += len(claimed)
        rates = watch.rates(count)
        _check(url, count)
    finally:
        engine.dispose()
    return rates


def bare_rates(given: tuple[str, int]) -> dict[str, float]:
    """The same rows, in the same number of transactions: prepared statements in psycopg, and nothing asked of them."""
    url, count = given
    clock = SystemClock()
    engine = open_engine(url, role=WORKER, pool_size=1)
    units = PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
    try:
        _start(units, count)
    finally:
        engine.dispose()
    with psycopg.connect(url, prepare_threshold=1) as connection:
        # As the superuser: no row security in the way of what is bare.
        watch, done = _Watch(connection.info.backend_pid), 0
        while done < count:
            claimed = connection.execute(_CLAIM, (_BATCH,)).fetchall()
            connection.commit()
            for saga_id, epoch in claimed:
                _take_steps(connection, saga_id, epoch)
            done += len(claimed)
        rates = watch.rates(count)
    _check(url, count)
    return rates


def _take_steps(connection: psycopg.Connection[tuple[object, ...]], saga_id: UUID, epoch: int) -> None:
    for seq in range(len(_STEPS)):
        key = f"{saga_id}-{seq}"
        connection.execute(_OWN_ROW, (_ORGANIZATION, key, '{"by": "bare"}'))
        connection.execute(_STEP, (f'{{"key": "{key}"}}', _ORGANIZATION, saga_id, seq))
        connection.execute(_GO_ON if seq < len(_STEPS) - 1 else _END, (_ORGANIZATION, saga_id, epoch))
        connection.commit()


class _Watch:
    def __init__(self, backend: int) -> None:
        self._backend = backend
        self._began = (time.monotonic(), self._cpu_s())

    def rates(self, count: int) -> dict[str, float]:
        clock_s, cpu_s = self._began
        return {"per_s": count / (time.monotonic() - clock_s), "per_cpu_s": count / (self._cpu_s() - cpu_s)}

    def _cpu_s(self) -> float:
        """Of this process and of the backend that works for it."""
        fields = Path(f"/proc/{self._backend}/stat").read_text("ascii").rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _server() -> Iterator[str]:
    """As durable as it comes: a commit is on disk."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as directory:
        postgres = EmbeddedPostgres(Path(directory) / "postgres", Path(directory) / "run")
        postgres.start()
        try:
            postgres.create_database("strata")
            url = postgres.url(database="strata")
            upgrade(url)
            allow_local_login(url)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    f"INSERT INTO {organizations.name} (id, slug, name) VALUES (%s, 'bench', 'Bench')",
                    (_ORGANIZATION,),
                )
            yield url
        finally:
            postgres.stop()


def _start(units: PostgresUnitsOfWork, count: int) -> None:
    ctx = Context(_ORGANIZATION, Actor(ActorKind.SYSTEM, None, "bench"), frozenset(), "bench")
    with units.organization(_ORGANIZATION) as uow:
        for _ in range(count):
            start_saga(ctx, uow, DEFINITION, {})


def _check(url: str, count: int) -> None:
    """Every saga done, every row there; then all of it goes, for the next round."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM sagas WHERE state = 'done'),"
            " (SELECT count(*) FROM saga_steps WHERE state = 'done'),"
            " (SELECT count(*) FROM settings)"
        ).fetchone()
        if row != (count, 3 * count, 3 * count):
            raise BenchError(f"{row} sagas, steps and rows are there, of {count} sagas")
        connection.execute("TRUNCATE sagas, saga_steps, settings, outbox")
        connection.execute("VACUUM ANALYZE")


ROW: Final = Row(
    "saga_throughput",
    "sagas of three local steps, over plain SQL that claims and commits the same rows as often",
    measure,
    (
        Figure("ratio", "÷ plain SQL, a second of CPU", is_ratio=True),
        Figure("ratio_clock", "÷ plain SQL, by the clock", is_ratio=True),
        Figure("per_cpu_s", "sagas of three steps", "/CPU-s"),
        Figure("bare_per_cpu_s", "the same rows by plain SQL", "/CPU-s"),
        Figure("per_s", "sagas of three steps", "/s"),
        Figure("bare_per_s", "the same rows by plain SQL", "/s"),
    ),
)
