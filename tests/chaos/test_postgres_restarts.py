"""PostgreSQL is killed again and again under sagas and events: what was under way is done once, or undone."""

import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import insert

from chaos.chaos_saga import Outside
from chaos.soaking import MINUTES, SEED
from chaos.workshop import HANDLERS, Place, chaos_worker
from fixtures.relational import Database
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import LEASE, append
from strata_core.outbox.events import Event
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.organizations import organizations
from strata_stores.breaker import Breaker
from strata_stores.clock import ShiftedClock, SystemClock
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.migrating import upgrade
from strata_stores.postgres.roles import WORKER, allow_local_login
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from waiting import eventually

SAGAS = 5_000 if MINUTES else 200
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300 + MINUTES * 120)]


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """Of this test alone, with its true settings: what it says it has written has to be there after a kill."""
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    server = EmbeddedPostgres(folder / "pg", folder / "run")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(own_postgres) -> Database:
    own_postgres.create_database("strata")
    upgrade(own_postgres.url())
    allow_local_login(own_postgres.url())
    return Database(own_postgres, "strata")


@pytest.fixture
def units(database) -> Iterator[SystemUnitsOfWork]:
    clock = SystemClock()
    engine = open_engine(database.url(WORKER), role=WORKER, pool_size=2)
    yield PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
    engine.dispose()


def two_more(units: SystemUnitsOfWork) -> list[OrganizationId]:
    made = []
    with units.system() as uow:
        for slug in ("acme", "globex"):
            made.append(OrganizationId(new_id(uow)))
            uow.execute(insert(organizations), {"id": made[-1], "slug": slug, "name": slug})
    return made


def test_fault_10_with_postgres_killed_again_and_again_every_saga_ends_all_or_nothing(
    own_postgres, database, units, embedded_valkey, tmp_path
):
    """Immediate restarts, without a checkpoint, under sagas and events of two organizations."""
    for name in ("archive", "mail"):
        (tmp_path / name).mkdir()
    place = Place(database.url(WORKER), embedded_valkey.url(), str(tmp_path / "archive"), str(tmp_path / "mail"))
    outside = Outside(database, tmp_path / "archive", tmp_path / "provider")
    both, dice, rest = two_more(units), random.Random(SEED), threading.Event()
    actor = Actor(ActorKind.USER, None, "ana@acme.test")
    for number in range(SAGAS):
        ctx = Context(both[number % 2], actor, PERMISSIONS, "chaos")
        with units.organization(ctx.organization_id) as uow:
            outside.start(ctx, uow, refused="tell" if number % 10 == 0 else "")
            append(uow, Event("chaos.event", 1, "thing", uuid4()))
    restarts, clock = 0, ShiftedClock()
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(chaos_worker(place, clock, handlers=HANDLERS))

        def ended() -> int:
            with suppress(psycopg.OperationalError):
                states = outside.states()
                return states["done"] + states["compensated"]
            return 0

        while ended() < SAGAS and (MINUTES or restarts < 2):
            rest.wait(dice.uniform(5, 40) if MINUTES else dice.uniform(0.3, 1.0))
            assert own_postgres.pid is not None
            os.kill(own_postgres.pid, signal.SIGQUIT)
            eventually(lambda: not own_postgres.is_alive(), 30)
            own_postgres.start()
            restarts += 1

        clock.advance(LEASE)  # of what was claimed when the last one came

        def all_right() -> bool:
            assert outside.breaches() == [], f"seed {SEED}, {restarts} restarts"
            assert database.rows("SELECT state FROM outbox WHERE state <> 'done'") == []
            return True

        eventually(all_right, 120 + MINUTES * 60)
    assert restarts >= 2, "it was over before anything happened"
    assert outside.states() == {"done": SAGAS - SAGAS // 10, "compensated": SAGAS // 10}
