"""Loops that run once: by lease, by the database's clock, fenced against whoever was overtaken."""

from datetime import timedelta

import pytest

from strata_core.leases.commands import give_back, is_held, take_lease
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_workers.leading import SHORTEST, Led

MINUTE = timedelta(minutes=1)


class WrongClock(SystemClock):
    """A machine whose clock is ten minutes ahead; the database knows better."""

    def now(self):
        return super().now() + timedelta(minutes=10)


class Counted:
    def __init__(self) -> None:
        self.steps = 0

    def __call__(self) -> int:
        self.steps += 1
        return 1

    def write(self, uow: UnitOfWork) -> int:
        return self()


@pytest.fixture
def wrong_units(worker_engine) -> SystemUnitsOfWork:
    clock = WrongClock()
    return PostgresUnitsOfWork(worker_engine, clock, Breaker("postgres", clock))


def test_one_of_many_gets_it_and_the_next_when_its_time_is_over(system_units, shifted_clock):
    with system_units.system() as uow:
        first = take_lease(uow, "x", "a", duration=MINUTE)
        assert take_lease(uow, "x", "b", duration=MINUTE) is None
        assert take_lease(uow, "y", "b", duration=MINUTE) is not None
    shifted_clock.advance(MINUTE)
    with system_units.system() as uow:
        second = take_lease(uow, "x", "b", duration=MINUTE)
        assert (first.epoch, second.epoch) == (1, 2)
        assert not is_held(uow, first)
        assert is_held(uow, second)


def test_its_holder_keeps_it_and_nobody_who_was_overtaken_can_give_it_away(system_units, shifted_clock):
    with system_units.system() as uow:
        first = take_lease(uow, "x", "a", duration=MINUTE)
    shifted_clock.advance(2 * MINUTE)
    with system_units.system() as uow:
        assert take_lease(uow, "x", "a", duration=MINUTE) == first  # nobody wanted it meanwhile
    shifted_clock.advance(MINUTE)
    with system_units.system() as uow:
        second = take_lease(uow, "x", "b", duration=MINUTE)
        give_back(uow, first)
        assert take_lease(uow, "x", "c", duration=MINUTE) is None
        give_back(uow, second)
        assert take_lease(uow, "x", "c", duration=MINUTE).epoch == 3


def test_fault_06_of_two_schedulers_one_with_its_clock_ahead_one_runs(system_units, wrong_units):
    steps = [Counted(), Counted()]
    mine = Led(system_units, "purge", "right", SystemClock(), pause_s=1).step(steps[0])
    theirs = Led(wrong_units, "purge", "wrong", WrongClock(), pause_s=1).step(steps[1])
    assert [mine(), theirs(), mine(), theirs()] == [1, 0, 1, 0]
    assert [counted.steps for counted in steps] == [2, 0]


def test_a_leader_that_died_is_followed_and_one_that_stopped_at_once(system_units, shifted_clock):
    leds = [Led(system_units, "purge", f"w{number}", shifted_clock, pause_s=1) for number in range(3)]
    steps = [led.step(Counted()) for led in leds]
    assert [step() for step in steps] == [1, 0, 0]
    shifted_clock.advance(SHORTEST)  # the first says nothing any more
    assert [step() for step in steps[1:]] == [1, 0]
    leds[1].give_back()
    assert steps[2]() == 1


def test_fault_03_a_leader_stopped_past_its_lease_writes_nothing(system_units, shifted_clock):
    """It is stopped between asking and writing: only the row's lock and epoch stand in its way."""
    overtaken, writes = Led(system_units, "purge", "a", shifted_clock, pause_s=1), Counted()
    step = overtaken.write(writes.write)
    assert step() == 1
    shifted_clock.advance(SHORTEST)
    assert Led(system_units, "purge", "b", shifted_clock, pause_s=1).step(Counted())() == 1
    assert step() == 0
    assert writes.steps == 1
    assert step() == 0


def test_leases_run_out_in_a_process_that_only_asks_now_and_then(system_units, shifted_clock):
    """A loop that is led every ten minutes keeps its leader in between, or each worker would purge in turn."""
    leds = [Led(system_units, "purge", f"w{number}", shifted_clock, pause_s=600) for number in range(2)]
    steps = [led.step(Counted()) for led in leds]
    ran = []
    for _ in range(5):
        ran.append([step() for step in steps])
        shifted_clock.advance(timedelta(seconds=600))
        for led in leds:
            led._taken_s -= 600  # monotonic time is not shifted with it
    assert ran == [[1, 0]] * 5


@pytest.mark.parametrize("offset", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_worker_whose_clock_is_an_hour_off_neither_steals_nor_keeps(system_units, worker_engine, offset):
    class Off(SystemClock):
        def now(self):
            return super().now() + offset

    units = PostgresUnitsOfWork(worker_engine, Off(), Breaker("postgres", Off()))
    with system_units.system() as uow:
        assert take_lease(uow, "x", "right", duration=MINUTE)
    with units.system() as uow:
        assert take_lease(uow, "x", "off", duration=MINUTE) is None
        assert take_lease(uow, "z", "off", duration=timedelta(0))
    with system_units.system() as uow:
        assert take_lease(uow, "z", "right", duration=MINUTE)
