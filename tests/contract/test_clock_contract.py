"""What every clock promises, the real one and those of tests."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.manual_clock import ManualClock
from strata_core.ports.clock import Clock
from strata_stores.clock import ShiftedClock, SystemClock

HOUR = timedelta(hours=1)


@pytest.fixture(params=["system", "shifted", "manual"])
def clock(request) -> Clock:
    return {"system": SystemClock, "shifted": lambda: ShiftedClock(HOUR), "manual": ManualClock}[request.param]()


def test_now_is_aware_and_utc(clock):
    assert clock.now().utcoffset() == timedelta(0)


def test_both_forms_of_now_tell_one_instant(clock):
    before, between_ns, after = clock.now(), clock.now_ns(), clock.now()
    between = datetime.fromtimestamp(between_ns // 1_000 / 1_000_000, UTC)
    tolerance = timedelta(microseconds=2)  # of a float of this size
    assert before - tolerance <= between <= after + tolerance


def test_measured_seconds_never_go_back(clock):
    readings = [clock.monotonic_s() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_the_real_clock_is_not_ahead_of_itself():
    assert SystemClock().offset == timedelta(0)


def test_moving_a_shifted_clock_moves_now_and_leaves_measured_seconds_alone():
    clock, real = ShiftedClock(), SystemClock()
    before_s = clock.monotonic_s()
    clock.advance(HOUR)
    assert clock.offset == HOUR
    assert timedelta(minutes=59) < clock.now() - real.now() < timedelta(minutes=61)
    assert clock.monotonic_s() - before_s < 60
