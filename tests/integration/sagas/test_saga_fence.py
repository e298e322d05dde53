"""Whoever lost a saga writes nothing more of it; whoever has it is the only one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from factories.all_kinds_saga import TOOLS, Ledger, hosts_of, start
from scenario.saga_kills import SagaWorld, drive_to_end, saga_row, steps_of
from strata_core.context import Context
from strata_core.sagas.claiming import LEASE, claim_sagas, renew_leases
from strata_core.sagas.definitions import LocalStep, SagaDefinition, catalogue
from strata_core.sagas.rules import SUSPECTED_AFTER, SagaRecord
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_workers.saga_driver import SagaDriver
from strata_workers.saga_runner import SagaRunner
from waiting import eventually


def claim_one(world: SagaWorld) -> SagaRecord:
    with world.units.system() as uow:
        (saga,) = claim_sagas(uow, "test", limit=1)
    return saga


def driver_of(world: SagaWorld, definition: SagaDefinition) -> SagaDriver:
    return SagaDriver(world.units, catalogue([definition]), TOOLS)


def with_step(definition: SagaDefinition, seq: int, **changes: object) -> SagaDefinition:
    steps = list(definition.steps)
    steps[seq] = replace(steps[seq], **changes)  # type: ignore[arg-type]
    return replace(definition, steps=tuple(steps))


@pytest.mark.usefixtures("second_unmoved")
def test_fault_03_a_runner_paused_past_its_lease_writes_nothing_when_it_comes_back(world, ctx):
    ledger, paused, goes_on = Ledger(), threading.Event(), threading.Event()

    def stand_still(tools, intent):
        stored = ledger.put(tools, intent)
        paused.set()
        assert goes_on.wait(20)
        return stored

    definition = ledger.definition()
    saga_id = start(world, ctx, definition)
    first = threading.Thread(
        target=driver_of(world, with_step(definition, 1, effect=stand_still)).drive, args=(claim_one(world),)
    )
    first.start()
    assert paused.wait(20)
    world.clock.advance(LEASE + timedelta(seconds=1))
    assert drive_to_end(world, definition, TOOLS, saga_id) == "done"
    finished = (saga_row(world, saga_id), steps_of(world, saga_id), hosts_of(world, ctx), dict(ledger.letters))
    goes_on.set()
    first.join(20)
    assert not first.is_alive()
    assert (saga_row(world, saga_id), steps_of(world, saga_id), hosts_of(world, ctx), ledger.letters) == finished
    assert finished[0]["epoch"] == 2


@pytest.mark.usefixtures("second_unmoved")
def test_what_a_local_step_did_after_its_lease_was_lost_is_rolled_back(world, ctx):
    definition = Ledger().definition()
    saga_id = start(world, ctx, definition)
    stale = claim_one(world)
    world.clock.advance(LEASE + timedelta(seconds=1))
    newer = claim_one(world)
    driver_of(world, definition).drive(stale)
    assert hosts_of(world, ctx) == 0
    assert saga_row(world, saga_id)["epoch"] == newer.epoch
    driver_of(world, definition).drive(newer)
    assert hosts_of(world, ctx) == 1
    assert saga_row(world, saga_id)["state"] == "done"


def test_a_lease_that_is_renewed_is_not_taken_over_and_one_that_was_lost_is_not_renewed(world, ctx):
    start(world, ctx, Ledger().definition())
    held = claim_one(world)
    key = [(held.organization_id, held.id, held.epoch)]
    for _ in range(3):
        world.clock.advance(LEASE - timedelta(seconds=1))
        with world.units.system() as uow:
            renew_leases(uow, key)
            assert claim_sagas(uow, "other", limit=1) == []
    world.clock.advance(LEASE + timedelta(seconds=1))
    newer = claim_one(world)
    before = saga_row(world, newer.id)["lease_until"]
    world.clock.advance(timedelta(seconds=1))
    with world.units.system() as uow:
        renew_leases(uow, key)
    assert saga_row(world, newer.id)["lease_until"] == before


def test_a_step_longer_than_a_lease_leaves_the_lease_as_it_was_renewed(world, ctx):
    """Its commit is dated from its beginning: a lease counted from there would be over already."""
    plain, taken = Ledger().definition(), []

    def take_long(step_ctx, uow, saga):
        world.clock.advance(LEASE + timedelta(seconds=1))
        with world.units.system() as other:
            renew_leases(other, [(saga.organization_id, saga.id, 1)])
        return plain.steps[0].run(step_ctx, uow, saga)

    def intend_while_another_looks(step_ctx, uow, saga):
        with world.units.system() as other:
            taken.extend(claim_sagas(other, "other", limit=1))
        return plain.steps[1].intend(step_ctx, uow, saga)

    saga_id = start(world, ctx, plain)
    definition = with_step(with_step(plain, 0, run=take_long), 1, intend=intend_while_another_looks)
    driver_of(world, definition).drive(claim_one(world))
    assert taken == []
    assert saga_row(world, saga_id)["state"] == "done"


class AheadClock(SystemClock):
    """A machine whose clock is ten minutes fast: no more than that, the database's is right."""

    def now(self):
        return super().now() + timedelta(minutes=10)


def test_fault_06_a_dispatcher_whose_clock_is_ten_minutes_ahead_takes_nothing_from_another(world, ctx, worker_engine):
    ahead = AheadClock()
    other_units = PostgresUnitsOfWork(worker_engine, ahead, Breaker("postgres", ahead))
    ledger = Ledger()
    definition = ledger.definition()
    saga_id = start(world, ctx, definition)
    held = claim_one(world)
    with other_units.system() as uow:
        assert claim_sagas(uow, "ahead", limit=1) == []
    driver_of(world, definition).drive(held)
    assert saga_row(world, saga_id)["epoch"] == 1
    second = start(world, ctx, definition)
    with other_units.system() as uow:
        (taken,) = claim_sagas(uow, "ahead", limit=1)
    with world.units.system() as uow:
        assert claim_sagas(uow, "right", limit=1) == []
    assert taken.id == second


@pytest.mark.usefixtures("second_unmoved")
def test_fault_05_fifty_rings_at_once_are_one_execution(world, ctx):
    ledger = Ledger()
    definition = ledger.definition()
    runners = [runner_of(world, definition, name=f"runner-{number}") for number in range(2)]
    saga_id = start(world, ctx, definition)
    with ThreadPoolExecutor(10) as pool:
        claimed = sum(pool.map(lambda number: runners[number % 2].step(), range(50)))
    assert claimed == 1
    eventually(lambda: saga_row(world, saga_id)["state"] == "done")
    assert saga_row(world, saga_id)["epoch"] == 1
    assert ledger.letters == {f"{saga_id}:letter": 1}
    for runner in runners:
        runner.close()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_fault_11_a_transaction_that_the_database_breaks_off_is_done_again_with_one_effect(world, ctx, sqlstate):
    ledger, calls = Ledger(), []
    definition = ledger.definition()
    plain = definition.steps[0]
    assert isinstance(plain, LocalStep)

    def break_off_twice(ctx, uow, saga):
        output = plain.run(ctx, uow, saga)
        calls.append(saga.id)
        if len(calls) < 3:
            uow.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'broken off' USING ERRCODE = '{sqlstate}'; END $$"))
        return output

    changed = with_step(definition, 0, run=break_off_twice)
    saga_id = start(world, ctx, changed)
    assert drive_to_end(world, changed, TOOLS, saga_id) == "done"
    assert len(calls) == 3
    assert hosts_of(world, ctx) == 1


def runner_of(world: SagaWorld, *definitions: SagaDefinition, name: str = "runner", at_once: int = 8) -> SagaRunner:
    return SagaRunner(world.units, definitions, TOOLS, world.clock, CollectorRegistry(), name=name, at_once=at_once)


def test_fault_12_a_step_that_hangs_keeps_its_place_no_longer_than_its_time(world, ctx, two_organizations):
    ledger, released = Ledger(), threading.Event()
    plain = ledger.definition()

    def hang(tools, intent):
        assert released.wait(20)
        return ledger.put(tools, intent)

    hanging = replace(with_step(plain, 1, effect=hang, timeout=timedelta(0)), kind="hanging")
    runner = runner_of(world, plain, hanging, at_once=1)
    saga_id = start(world, ctx, hanging)
    assert runner.step() == 1
    eventually(lambda: steps_of(world, saga_id)[1]["state"] == "intended")
    until = saga_row(world, saga_id)["lease_until"]
    neighbour = start(world, Context(two_organizations.second, ctx.actor, ctx.permissions, "test"), plain)
    runner.keep()
    assert saga_row(world, saga_id)["lease_until"] == until, "it must run out"
    assert runner.step() == 1
    eventually(lambda: saga_row(world, neighbour)["state"] == "done")
    released.set()
    eventually(lambda: saga_row(world, saga_id)["state"] == "done")
    runner.close()


def test_a_runner_that_is_closed_keeps_the_lease_of_the_step_it_waits_for(world, ctx):
    ledger, begun, released = Ledger(), threading.Event(), threading.Event()
    plain = ledger.definition()

    def take_long(tools, intent):
        begun.set()
        assert released.wait(20)
        return ledger.put(tools, intent)

    saga_id = start(world, ctx, plain)
    runner = runner_of(world, with_step(plain, 1, effect=take_long))
    assert runner.step() == 1
    assert begun.wait(20)
    world.clock.advance(LEASE - timedelta(seconds=1))
    until = saga_row(world, saga_id)["lease_until"]
    closing = threading.Thread(target=runner.close)
    closing.start()
    eventually(lambda: saga_row(world, saga_id)["lease_until"] > until)
    released.set()
    closing.join(20)
    assert not closing.is_alive()
    row = saga_row(world, saga_id)
    assert (row["state"], row["lease_until"], row["epoch"]) == ("running", None, 1)
    assert steps_of(world, saga_id)[1]["state"] == "done"


def test_fault_12_sagas_that_may_have_killed_a_process_run_alone_and_the_others_after_them(world, ctx):
    ledger, running, crowds = Ledger(), set(), []
    plain = ledger.definition()

    def look_around(tools, intent):
        running.add(threading.get_ident())
        crowds.append(len(running))
        stored = ledger.put(tools, intent)
        running.discard(threading.get_ident())
        return stored

    definition = with_step(plain, 1, effect=look_around)
    suspected = [start(world, ctx, definition) for _ in range(2)]
    world.database.run("UPDATE sagas SET claims = %s", SUSPECTED_AFTER)
    others = [start(world, ctx, definition) for _ in range(2)]
    runner = runner_of(world, definition)
    assert runner.step() == len(others) + len(suspected), "what nobody suspects, and what is to be run alone"

    def all_done():
        runner.step()
        return {saga_row(world, saga_id)["state"] for saga_id in (*suspected, *others)} == {"done"}

    eventually(all_done, 30)
    assert max(crowds[len(others) :]) == 1
    assert {saga_row(world, saga_id)["epoch"] for saga_id in suspected} == {2}, "each was given back once"
    runner.close()
