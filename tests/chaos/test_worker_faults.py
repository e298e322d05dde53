"""Workers that are killed, stopped, drained and cut off from Redis or PostgreSQL, with sagas and events under way."""

import random
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from chaos.chaos_saga import POINTS, calls_of
from chaos.soaking import MINUTES, SEED
from chaos.workshop import HANDLERS, chaos_worker
from strata_core.outbox.commands import LEASE, append
from strata_core.outbox.events import Event
from strata_core.sagas.claiming import LEASE as SAGA_LEASE
from strata_datamodel.ids import OutboxId
from strata_stores.clock import ShiftedClock
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300 + MINUTES * 60)]


@pytest.fixture
def happen(system_units, two_organizations) -> Callable[..., OutboxId]:
    def add(how: str = "") -> OutboxId:
        with system_units.organization(two_organizations.first) as uow:
            return append(uow, Event("chaos.event", 1, "thing", uuid4(), {"how": how}))

    return add


def at(point: str, what: str) -> dict[str, str]:
    return {point.replace(".", "__"): what}


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
            eventually(outside.is_whole, 60, what=f"the saga killed at {point} (seed {SEED})")
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
        eventually(outside.is_whole, 30)
        done = "SELECT FROM outbox WHERE id = %s AND state = 'done' AND attempts = 2 AND abandoned = 1"
        eventually(lambda: database.rows(done, event), 30, what="the event")


def test_fault_03_a_runner_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    place, outside, start, victim, database
):
    start(refused=("",))
    process = victim(**at("saga.chaos.tell.after_effect", "stop"))
    process.until(process.is_stopped, what="SIGSTOP at the point")
    with chaos_worker(place, after_leases(SAGA_LEASE)):
        eventually(outside.is_whole, 30)

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
        eventually(outside.is_whole, 60)
