"""Rates of counters."""

import numpy as np
import pytest

from strata_core.metrics.counters import rates_by_window

SECOND = 10**9


def rates(readings: list[tuple[float, float]], *, step_s: int | None = None) -> list[tuple[int, float]]:
    times = np.array([at * SECOND for at, _ in readings], np.int64)
    values = np.array([value for _, value in readings], np.float64)
    step_ns = None if step_s is None else step_s * SECOND
    starts, speeds = rates_by_window(times, values, from_ns=0, step_ns=step_ns)
    return [(start // SECOND, speed) for start, speed in zip(starts.tolist(), speeds.tolist(), strict=True)]


def test_a_steady_counter_has_its_speed_in_every_window():
    assert rates([(at, at * 4.0) for at in range(0, 180, 10)], step_s=60) == [(0, 4.0), (60, 4.0), (120, 4.0)]


def test_a_gap_neither_hides_nor_inflates_an_increase():
    assert rates([(0, 0.0), (600, 1200.0)], step_s=60) == [(600, 2.0)]


def test_a_fall_is_a_restart_from_zero():
    assert rates([(0, 1000.0), (10, 30.0)]) == [(0, 3.0)]


@pytest.mark.parametrize("readings", [[], [(5, 1.0)]])
def test_less_than_two_readings_have_no_rate(readings):
    assert rates(readings) == []
