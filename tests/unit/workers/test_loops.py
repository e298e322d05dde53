"""A loop goes on whatever happens, and says so when it does not."""

import threading
from collections.abc import Callable, Iterator

import pytest

from fakes.manual_clock import ManualClock
from strata_datamodel.errors import StoreUnavailableError
from strata_workers.heartbeat import loop_health
from strata_workers.loops import STEP_ALLOWANCE_S, Loop
from waiting import eventually


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def running(clock) -> Iterator[Callable[..., Loop]]:
    loops: list[Loop] = []

    def start(step: Callable[[], int], pause_s: float = 0.01) -> Loop:
        loops.append(Loop("test", step, clock, pause_s=pause_s))
        loops[-1].start()
        return loops[-1]

    yield start
    for loop in loops:
        loop.stop(10)


def test_a_step_that_did_something_is_followed_by_the_next_at_once(running):
    taken: list[int] = []

    def step() -> int:
        taken.append(1)
        return 1 if len(taken) < 5 else 0

    running(step, pause_s=3600)
    eventually(lambda: len(taken) == 5)


def test_a_failing_step_is_counted_told_and_taken_again(running):
    outcomes: list[Exception] = [LookupError("a bug"), StoreUnavailableError("postgres", "does not answer")]

    def step() -> int:
        if outcomes:
            raise outcomes.pop(0)
        return 0

    loop = running(step)
    eventually(lambda: loop.status().failures == 2)
    eventually(lambda: loop_health(loop.status()).is_ready)


def test_a_loop_says_what_keeps_it_from_working(running):
    def step() -> int:
        raise StoreUnavailableError("postgres", "does not answer")

    loop = running(step, pause_s=3600)
    eventually(lambda: not loop_health(loop.status()).is_ready)
    assert "does not answer" in loop_health(loop.status()).detail


def test_a_first_step_that_hangs_is_found(running, clock):
    release = threading.Event()
    loop = running(lambda: int(release.wait(30)) * 0)
    assert loop_health(loop.status()).is_ready
    clock.advance(STEP_ALLOWANCE_S + 1)
    assert not loop_health(loop.status()).is_ready
    release.set()
    eventually(lambda: loop_health(loop.status()).is_ready)


def test_a_loop_that_was_never_started_is_not_ready(clock):
    assert not loop_health(Loop("test", lambda: 0, clock, pause_s=1).status()).is_ready


def test_a_loop_stops_without_waiting_for_its_pause(running):
    loop = running(lambda: 0, pause_s=3600)
    eventually(lambda: loop.status().beats == 1)
    loop.stop(5)
    assert not any(thread.name == "loop-test" for thread in threading.enumerate())
