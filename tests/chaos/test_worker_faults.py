"""Workers that are killed, stopped, drained and cut off from Redis or PostgreSQL, with sagas and events under way."""

import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from chaos.chaos_saga import POINTS, Outside, calls_of
from chaos.soaking import MINUTES, SEED
from chaos.workshop import HANDLERS, Place, Victim, chaos_worker
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.outbox.commands import LEASE, append
from strata_core.outbox.events import Event
from strata_core.sagas.claiming import LEASE as SAGA_LEASE
from strata_datamodel.ids import OutboxId
from strata_stores.clock import ShiftedClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.postgres.roles import WORKER
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300 + MINUTES * 60)]


@pytest.fixture
def place(database, embedded_valkey, tmp_path: Path) -> Place:
    for name in ("archive", "mail"):
        (tmp_path / name).mkdir()
    return Place(database.url(WORKER), embedded_valkey.url(), str(tmp_path / "archive"), str(tmp_path / "mail"))


@pytest.fixture
def valkey_of_its_own() -> Iterator[EmbeddedValkey]:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    server = EmbeddedValkey(folder / "valkey", folder / "run/valkey.sock", settings={"appendonly": "no"})
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def outside(database, tmp_path: Path) -> Outside:
    return Outside(database, tmp_path / "archive", tmp_path / "provider")


@pytest.fixture
def start(outside, system_units, two_organizations) -> Callable[..., None]:
    """Starts sagas, by turns of both organizations, and refuses every fourth somewhere on its way."""

    def begin(count: int = 1, refused: tuple[str, ...] = ("", "", "", "count", "", "", "", "tell")) -> None:
        actor = Actor(ActorKind.USER, None, "ana@acme.test")
        for number in range(count):
            organization_id = (two_organizations.first, two_organizations.second)[number % 2]
            ctx = Context(organization_id, actor, PERMISSIONS, "chaos")
            with system_units.organization(organization_id) as uow:
                outside.start(ctx, uow, refused=refused[number % len(refused)])

    return begin


@pytest.fixture
def happen(system_units, two_organizations) -> Callable[..., OutboxId]:
    def add(how: str = "") -> OutboxId:
        with system_units.organization(two_organizations.first) as uow:
            return append(uow, Event("chaos.event", 1, "thing", uuid4(), {"how": how}))

    return add


@pytest.fixture
def victim(place, tmp_path: Path) -> Iterator[Callable[..., Victim]]:
    started: list[Victim] = []

    def begin(**faults: str) -> Victim:
        log = tmp_path / f"victim-{len(started)}.log"
        started.append(Victim(place, log, faults={name.replace("__", "."): what for name, what in faults.items()}))
        return started[-1].start()

    yield begin
    for each in started:
        each.end(signal.SIGKILL)


def at(point: str, what: str) -> dict[str, str]:
    return {point.replace(".", "__"): what}


def all_ended(outside: Outside) -> bool:
    assert outside.breaches() == []
    return True


def after_leases(lease: timedelta) -> ShiftedClock:
    """Of a worker that comes when the leases of those before are over."""
    return ShiftedClock(lease + timedelta(seconds=1))


def test_fault_01_killed_at_a_boundary_of_a_step_a_process_leaves_all_or_nothing(place, outside, start, victim):
    """In a process that is truly killed: at one boundary that the seed chooses, in the long form at each."""
    points = POINTS if MINUTES else [random.Random(SEED).choice(POINTS)]
    for number, point in enumerate(points):
        start(refused=("",))
        process = victim(**at(point, "kill"))
        process.until(lambda each=process: not each.is_alive, what=f"a death at {point} (seed {SEED})")
        with chaos_worker(place, after_leases(SAGA_LEASE * (number + 1))):
            eventually(lambda: all_ended(outside), 60, what=f"the saga killed at {point} (seed {SEED})")
    assert outside.states() == {"done": len(points)}


def test_fault_02_a_killed_worker_leaves_no_horse_and_its_claims_are_taken_over(
    place, outside, start, happen, victim, database
):
    """RQ's own worker would have forked, and the fork outlived it: ours works in its own threads."""
    event = happen("hang")
    start(refused=("",))
    process = victim(**at("saga.chaos.store.after_effect", "hang"))

    def is_claimed() -> bool:
        (row,) = database.rows("SELECT claimed_by FROM outbox WHERE id = %s", event)
        (saga,) = outside.rows()
        return str(row["claimed_by"]).startswith("chaos-") and saga["lease_owner"] is not None

    process.until(is_claimed, what="both claims")
    process.until(lambda: any(Path(place.archive).rglob("chaos/*/store")), what="the effect")
    assert process.process.children(recursive=True) == []
    assert process.end(signal.SIGKILL) == -signal.SIGKILL
    database.run("UPDATE outbox SET payload = '{}' WHERE id = %s", event)  # what made it hang is gone
    with chaos_worker(place, after_leases(LEASE), handlers=HANDLERS):
        eventually(lambda: all_ended(outside), 30)
        done = "SELECT FROM outbox WHERE id = %s AND state = 'done' AND attempts = 2 AND abandoned = 1"
        eventually(lambda: database.rows(done, event), 30, what="the event")


def test_fault_03_a_runner_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    place, outside, start, victim, database
):
    start(refused=("",))
    process = victim(**at("saga.chaos.tell.after_effect", "stop"))
    process.until(process.is_stopped, what="SIGSTOP at the point")
    with chaos_worker(place, after_leases(SAGA_LEASE)):
        eventually(lambda: all_ended(outside), 30)

    def written() -> tuple[object, ...]:
        steps = database.rows("SELECT * FROM saga_steps ORDER BY saga_id, seq")
        return outside.rows(), steps, calls_of(outside.provider)

    before = written()
    process.process.resume()
    # Its heartbeat tells that it runs again, and a saga that it can have shows that it is whole.
    start(refused=("",))
    process.until(lambda: outside.states() == {"done": 2}, what="another saga, by the same process")
    rows, steps, calls = written()
    assert rows[0] == before[0][0]
    assert [step for step in steps if step["saga_id"] == rows[0]["id"]] == before[1]
    assert {key: number for key, number in calls.items() if str(rows[0]["id"]) in key} == before[2]
    assert process.end() == 0


@pytest.mark.parametrize("count", [500 if MINUTES else 60])
def test_fault_04_with_redis_flushed_again_and_again_and_killed_all_sagas_finish(
    place, outside, start, valkey_of_its_own, tmp_path, count
):
    """FLUSHALL every second, and once the server itself, which keeps nothing on disk."""
    own = Place(place.database_url, valkey_of_its_own.url(), place.archive, place.mail)
    stopping = threading.Event()
    flushes = []

    def keep_flushing() -> None:
        while not stopping.wait(1.0 if MINUTES else 0.1):
            try:
                with redis.Redis.from_url(valkey_of_its_own.url(), socket_timeout=2) as client:
                    flushes.append(client.flushall())
            except redis.RedisError:
                continue  # it is down: nothing is in it

    thread = threading.Thread(target=keep_flushing)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(chaos_worker(own, ShiftedClock()))
        thread.start()
        try:
            start(count)
            eventually(lambda: outside.states()["done"] >= count // 10, 60, what="the first of them")
            os.kill(valkey_of_its_own.pid, signal.SIGKILL)
            eventually(lambda: not valkey_of_its_own.is_alive())
            start(count // 10)
            valkey_of_its_own.start()
            eventually(lambda: all_ended(outside), 60 + count, what="the end of all sagas")
        finally:
            stopping.set()
            thread.join(10)
    assert flushes
    assert sum(outside.states().values()) == count + count // 10
    assert min(outside.states()["done"], outside.states()["compensated"]) > 0


def test_a_worker_that_is_told_to_stop_finishes_its_step_and_begins_nothing(place, outside, start, victim, database):
    """SIGTERM in the middle of hundreds: it exits with 0 in time, holds nothing, and another goes on at once."""
    start(200)
    process = victim()
    process.until(lambda: outside.states()["done"] >= 5, what="some that are done")
    assert process.end(timeout_s=30) == 0, process.log()
    left = outside.states()
    assert left.keys() - {"done", "compensated"}, "all was done before it was told to stop"
    assert database.rows("SELECT id, lease_owner FROM sagas WHERE lease_until > app.now()") == []
    assert database.rows("SELECT claimed_by FROM outbox WHERE state = 'pending' AND claimed_by <> 'rung'") == []
    assert database.rows("SELECT name FROM leases WHERE lease_until > app.now()") == []
    assert database.rows("SELECT FROM workers") == []
    with chaos_worker(place, ShiftedClock()):
        eventually(lambda: all_ended(outside), 60)
