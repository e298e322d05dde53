"""The breaker in front of every store."""

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fakes.manual_clock import ManualClock
from strata_datamodel.errors import (
    InvalidError,
    NotFoundError,
    StoreBusyError,
    StoreRefusedError,
    StoreUnavailableError,
)
from strata_stores.breaker import Breaker, BreakerState


def fail(breaker: Breaker) -> None:
    with pytest.raises(StoreUnavailableError, match="no answer"), breaker.guard():
        raise StoreUnavailableError("store", "no answer")


def succeed(breaker: Breaker) -> None:
    with breaker.guard():
        pass


def is_refused(breaker: Breaker) -> bool:
    try:
        with breaker.guard():
            return False
    except StoreUnavailableError:
        return True


def opened(clock: ManualClock) -> Breaker:
    breaker = Breaker("metrics", clock, failures_to_open=3, open_s=5.0, max_open_s=15.0)
    for _ in range(3):
        fail(breaker)
    return breaker


def test_it_opens_only_after_the_failures_in_a_row() -> None:
    breaker = Breaker("metrics", ManualClock(), failures_to_open=3)
    for _ in range(10):
        fail(breaker)
        fail(breaker)
        succeed(breaker)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.opened_total == 0
    assert breaker.failures_total == 20


def test_connections_that_are_all_in_use_are_no_failure() -> None:
    breaker = Breaker("metrics", ManualClock(), failures_to_open=3)
    for _ in range(10):
        with pytest.raises(StoreBusyError), breaker.guard():
            raise StoreBusyError("metrics", "all connections are in use")
    assert (breaker.state, breaker.failures_total) == (BreakerState.CLOSED, 0)


def test_an_open_breaker_names_its_store_and_when_to_come_back() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(1.5)
    with pytest.raises(StoreUnavailableError) as refused, breaker.guard():
        raise AssertionError("the store was called")
    assert refused.value.store == "metrics"
    assert refused.value.retry_after_s == 4
    assert breaker.refused_total == 1


def test_one_probe_at_a_time_passes_a_half_open_breaker() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(5)
    assert breaker.state is BreakerState.HALF_OPEN
    with breaker.guard():
        assert is_refused(breaker)
    assert breaker.state is BreakerState.CLOSED
    assert not is_refused(breaker)


def test_failed_probes_double_the_pause_up_to_the_cap_and_success_resets_it() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    for pause in (5, 10, 15, 15):
        clock.advance(pause - 0.01)
        assert is_refused(breaker)
        clock.advance(0.01)
        fail(breaker)
    clock.advance(15)
    succeed(breaker)
    for _ in range(3):
        fail(breaker)
    clock.advance(5)
    assert not is_refused(breaker)


@pytest.mark.parametrize("error", [StoreRefusedError("metrics", "no"), NotFoundError("gone")])
def test_a_refusal_of_the_store_is_an_answer(error: Exception) -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(5)
    with pytest.raises(type(error)), breaker.guard():
        raise error
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "error", [InvalidError("bad"), ZeroDivisionError(), KeyboardInterrupt(), StoreBusyError("metrics", "full")]
)
def test_an_error_that_says_nothing_of_the_store_leaves_the_probe_to_the_next(error: BaseException) -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(5)
    with pytest.raises(type(error)), breaker.guard():
        raise error
    assert breaker.state is BreakerState.HALF_OPEN
    assert not is_refused(breaker)


def test_a_call_that_began_before_the_opening_cannot_close_it() -> None:
    clock = ManualClock()
    breaker = Breaker("metrics", clock, failures_to_open=1)
    with breaker.guard():
        fail(breaker)
    assert breaker.state is BreakerState.OPEN


def test_of_many_threads_at_the_end_of_a_pause_exactly_one_probes() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(5)
    threads = 16
    start = threading.Barrier(threads)
    done = threading.Event()
    inside: list[bool] = []
    refused: list[bool] = []

    def call() -> None:
        start.wait()
        try:
            with breaker.guard():
                inside.append(True)
                done.wait(10)
        except StoreUnavailableError:
            refused.append(True)
            if len(refused) == threads - 1:
                done.set()

    workers = [threading.Thread(target=call) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert len(inside) == 1
    assert len(refused) == threads - 1


class BreakerMachine(RuleBasedStateMachine):
    """Against a model that only knows: failures in a row, when it opened, how long."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = Breaker("metrics", self.clock, failures_to_open=3, open_s=4.0, max_open_s=16.0)
        self.in_a_row = 0
        self.until: float | None = None
        self.pause = 4.0

    @rule(ok=st.booleans())
    def call(self, ok: bool) -> None:
        now = self.clock.monotonic_s()
        if self.until is not None and now < self.until:
            assert is_refused(self.breaker)
            return
        if ok:
            succeed(self.breaker)
            self.in_a_row, self.until, self.pause = 0, None, 4.0
            return
        fail(self.breaker)
        self.in_a_row += 1
        if self.until is not None or self.in_a_row == 3:
            self.until, self.pause, self.in_a_row = now + self.pause, min(self.pause * 2, 16.0), 0

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def state_is_the_models(self) -> None:
        expected = (
            BreakerState.CLOSED
            if self.until is None
            else BreakerState.OPEN
            if self.clock.monotonic_s() < self.until
            else BreakerState.HALF_OPEN
        )
        assert self.breaker.state is expected


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
