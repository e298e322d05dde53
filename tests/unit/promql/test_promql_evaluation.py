"""What is worth seeing without a Prometheus beside it: bounds, and what no other server can show."""

from contextvars import copy_context

import numpy as np
import pytest

from fakes.manual_clock import ManualClock
from strata_core.departures import Departure, work_for
from strata_core.promql.budget import Budget
from strata_core.promql.checking import checked
from strata_core.promql.errors import PromqlExecutionError
from strata_core.promql.evaluating import Evaluation
from strata_core.promql.matrix import Matrix
from strata_core.promql.numerals import go_fixed, go_shortest
from strata_core.promql.parser import parsed
from strata_core.promql.samples import Samples
from strata_core.promql.stretches import stretches_of
from strata_core.promql.windows import Ranges, gathers
from strata_core.rollups.queries import TierState
from strata_datamodel.errors import CallerLeftError, DeadlineError, LimitError
from strata_datamodel.tiers import Stretch, Tier

MINUTE_MS = 60_000
MINUTE_NS = 60 * 10**9
COUNTER = (("__name__", "a_total"),)


class Held:
    """Series of one selector, in memory."""

    def __init__(self, *series: tuple[tuple[tuple[str, str], ...], list[tuple[int, float]]]) -> None:
        self.series = series

    def samples(self, matchers, from_ms, to_ms):
        kept = [[point for point in points if from_ms <= point[0] <= to_ms] for _, points in self.series]
        flat = [point for points in kept for point in points]
        return Samples(
            [labels for labels, _ in self.series],
            np.cumsum([0, *map(len, kept)]),
            np.array([at for at, _ in flat], np.int64),
            np.array([value for _, value in flat], np.float64),
        )


def evaluated(query, held, steps=(0,), clock=None, ends_at_s=1e9):
    expression = parsed(query)
    checked(query, expression)
    budget = Budget(clock or ManualClock(), ends_at_s)
    at = np.array(steps, np.int64)
    return Evaluation(at, (steps[0], steps[-1]), held, budget).value(expression)


def test_a_rate_counts_what_a_counter_had_before_it_fell():
    points = [(at * MINUTE_MS, value) for at, value in enumerate([0.0, 10.0, 4.0, 10.0, 2.0])]
    found = evaluated("increase(a_total[4m])", Held((COUNTER, points)), [4 * MINUTE_MS])
    # 10, then 4 from zero, then 6 more, then 2 from zero.
    assert found.values[0, 0] == pytest.approx(22)


def test_a_small_rise_is_not_lost_beside_a_huge_fall_of_another_series():
    huge = [(0, 1e18), (MINUTE_MS, 0.0), (2 * MINUTE_MS, 1.0)]
    small = [(0, 5.0), (MINUTE_MS, 1.0), (2 * MINUTE_MS, 1.001)]
    held = Held(((("__name__", "a"), ("x", "1")), huge), ((("__name__", "a"), ("x", "2")), small))
    found = evaluated("increase(a[2m])", held, [2 * MINUTE_MS])
    assert found.values[1, 0] == pytest.approx(5 - 5 + 1.001, rel=1e-12)


def test_windows_are_gathered_in_parts_and_each_once():
    times = np.arange(5_000, dtype=np.int64)
    samples = Samples([COUNTER], np.array([0, 5_000]), times, times.astype(np.float64))
    ends = np.arange(1_000, 5_000, dtype=np.int64)
    ((_, windows),) = Ranges(samples, ends, 999, Budget(ManualClock(), 1e9)).blocks()
    cells = np.arange(len(ends))
    seen, parts = [], 0
    for chosen, gathered in gathers(windows, windows.first, windows.end, cells, samples.values):
        seen += chosen.tolist()
        parts += 1
        assert len(gathered.values) <= 2_000_000
        assert (np.maximum.reduceat(gathered.values, gathered.offsets) == ends[chosen]).all()
    assert seen == cells.tolist()
    assert parts > 1


def test_a_query_ends_when_its_time_is_over_or_nobody_waits():
    held = Held((COUNTER, [(0, 1.0)]))
    with pytest.raises(DeadlineError, match="timed out"):
        evaluated("a_total + a_total", held, ends_at_s=-1.0)
    departure = Departure()
    departure.leave()

    def ask():
        work_for(departure)
        return evaluated("a_total", held)

    with pytest.raises(CallerLeftError):
        copy_context().run(ask)


def test_values_are_bounded_before_they_are_made():
    held = Held(*(((("__name__", "a"), ("x", str(number))), [(0, 1.0)]) for number in range(1_000)))
    with pytest.raises(LimitError, match="are more than"):
        evaluated("a", held, range(10_000))
    with pytest.raises(LimitError, match="are more than"):
        evaluated("max_over_time(sum(a)[10w:1s])", held)


def test_a_join_of_all_with_all_is_refused_before_it_is_made():
    held = Held(*(((("__name__", "a"), ("x", str(number))), [(0, 1.0)]) for number in range(3_000)))
    with pytest.raises(PromqlExecutionError, match="many-to-many"):
        evaluated("a * on() group_left a", held)


@pytest.mark.parametrize(
    ("value", "shortest", "fixed"),
    [
        (1.0, "1", "1"),
        (-0.0, "-0", "-0"),
        (1e21, "1e+21", "1" + "0" * 21),
        (1.5e-7, "1.5e-07", "0.00000015"),
        (float("nan"), "NaN", "NaN"),
        (float("-inf"), "-Inf", "-Inf"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value, shortest, fixed):
    assert (go_shortest(value), go_fixed(value)) == (shortest, fixed)


def test_before_raw_points_there_are_windows_the_finest_first():
    state = TierState(
        {Tier.RAW: 100 * MINUTE_NS, Tier.MINUTE: 50 * MINUTE_NS, Tier.FIVE_MINUTES: 0},
        {Tier.MINUTE: 90 * MINUTE_NS, Tier.FIVE_MINUTES: 85 * MINUTE_NS},
    )
    assert stretches_of(state, 7 * MINUTE_NS + 1, 120 * MINUTE_NS) == (
        Stretch(Tier.FIVE_MINUTES, 10 * MINUTE_NS, 50 * MINUTE_NS),
        Stretch(Tier.MINUTE, 50 * MINUTE_NS, 90 * MINUTE_NS),
        Stretch(Tier.RAW, 100 * MINUTE_NS, 120 * MINUTE_NS),
    )
    assert stretches_of(state, 100 * MINUTE_NS, 120 * MINUTE_NS) == (
        Stretch(Tier.RAW, 100 * MINUTE_NS, 120 * MINUTE_NS),
    )


def test_elements_that_are_not_there_are_told_from_nan():
    held = Held((COUNTER, [(0, float("nan"))]))
    found = evaluated("a_total", held, [0, 20 * MINUTE_MS])
    assert isinstance(found, Matrix)
    assert found.present.tolist() == [[True, False]]
    assert np.isnan(found.values[0, 0])
