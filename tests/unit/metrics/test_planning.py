"""Which tier answers for which part of a range, and what is said of the parts that nothing answers for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.metrics.planning import Asked, Plan, plan
from strata_core.rollups.queries import TierState
from strata_datamodel.errors import InvalidError
from strata_datamodel.tiers import KEPT_NS, RESOLUTION_NS, ROLLED_UP, Tier

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 20_000 * DAY + 10 * HOUR + 30 * MINUTE
RAW, ONE, FIVE, LONG = Tier
KEPT = {tier: (NOW - KEPT_NS[tier]) // HOUR * HOUR for tier in Tier}
THROUGH = {ONE: NOW - 3 * MINUTE, FIVE: NOW - 5 * MINUTE, LONG: NOW - 30 * MINUTE}
CAUGHT_UP = TierState(KEPT, THROUGH)


def parts(found: Plan) -> list[tuple[str, int, int, float]]:
    """In minutes before NOW."""
    return [
        (each.tier.value, (NOW - each.from_ns) // MINUTE, (NOW - each.to_ns) // MINUTE, each.coverage)
        for each in found.segments
    ]


def ago(from_minutes: float, to_minutes: float = 0, step: int | None = MINUTE, **more: bool) -> Asked:
    return Asked(NOW - int(from_minutes * MINUTE), NOW - int(to_minutes * MINUTE), step, **more)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ago(60), [("1m", 60, 3, 1), ("raw", 3, 0, 1)]),
        (ago(60, step=10 * SECOND), [("raw", 60, 0, 1)]),
        (ago(60, step=90 * SECOND), [("raw", 60, 0, 1)]),
        (ago(60, step=2 * MINUTE), [("1m", 60, 3, 1), ("raw", 3, 0, 1)]),
        (ago(150, step=HOUR), [("1h", 150, 30, 1), ("5m", 30, 5, 1), ("1m", 5, 3, 1), ("raw", 3, 0, 1)]),
        (
            ago(156.5, 40.5, step=None),
            [
                ("raw", 156, 156, 1),
                ("1m", 156, 155, 1),
                ("5m", 155, 150, 1),
                ("1h", 150, 90, 1),
                ("5m", 90, 45, 1),
                ("1m", 45, 41, 1),
                ("raw", 41, 40, 1),
            ],
        ),
        # Minutes of 60 days ago are gone: those of five are not, and what lies at their edge is.
        (
            ago(60 * 1440 + 2, 59 * 1440, step=5 * MINUTE),
            [("5m", 86402, 86400, 0), ("5m", 86400, 84960, 1)],
        ),
        (ago(400 * 1440, 380 * 1440, step=HOUR), [("1h", 400 * 1440, 380 * 1440, 0)]),
        (ago(8 * 1440, 0, step=10 * SECOND), [("raw", 11520, 10110, 0), ("raw", 10110, 0, 1)]),
        (ago(60, is_exact=False), [("raw", 60, 0, 1)]),
        (ago(8 * 1440, 1440, step=5 * MINUTE, is_exact=False), [("5m", 11520, 1440, 1)]),
        (ago(60, step=HOUR, needs_points=True), [("raw", 60, 0, 1)]),
        (ago(30, -30), [("1m", 30, 3, 1), ("raw", 3, -30, 1)]),
    ],
)
def test_a_range_is_answered_by_the_coarsest_tiers_that_fit_it(asked, expected):
    found = plan(asked, CAUGHT_UP)
    assert [(tier, begin, end, share) for tier, begin, end, share in parts(found)] == expected


def test_a_dirty_hour_is_read_where_the_late_points_are():
    hour = NOW // HOUR * HOUR - 3 * HOUR
    state = TierState(KEPT, THROUGH, (hour,))
    assert parts(plan(ago(330, 60, step=MINUTE), state)) == [
        ("1m", 330, 210, 1),
        ("raw", 210, 150, 1),
        ("1m", 150, 60, 1),
    ]
    old = NOW // HOUR * HOUR - 20 * 24 * HOUR
    asked = Asked(old - HOUR, old + 2 * HOUR, HOUR)
    found = plan(asked, TierState(KEPT, THROUGH, (old,)))
    assert [each.tier for each in found.segments] == [LONG, ONE, LONG]


def test_what_is_not_rolled_up_yet_is_read_from_points():
    """After a worker was down for two hours: stitched where it stands, and not where it should."""
    behind = dict.fromkeys(ROLLED_UP, NOW // HOUR * HOUR - 2 * HOUR)
    assert parts(plan(ago(300, step=HOUR), TierState(KEPT, behind))) == [
        ("5m", 300, 270, 1),
        ("1h", 270, 150, 1),
        ("raw", 150, 0, 1),
    ]


def test_before_any_roll_up_all_is_read_from_points():
    assert parts(plan(ago(300, step=HOUR), TierState(KEPT, {}))) == [("raw", 300, 0, 1)]


def test_a_hole_between_tiers_is_told_and_the_parts_still_follow_each_other():
    """A worker was down for longer than raw points are kept."""
    behind = dict.fromkeys(ROLLED_UP, NOW // DAY * DAY - 10 * DAY)
    found = plan(ago(12 * 1440, step=MINUTE), TierState(KEPT, behind))
    assert [(each.tier, each.coverage) for each in found.segments] == [(ONE, 1), (ONE, 0), (RAW, 1)]
    assert [each.tier for each in found.stretches] == [ONE, RAW, RAW]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ago(8 * 1440, 0, step=HOUR, needs_points=True), "aggregate_not_kept"),
        (ago(9 * 1440, 8 * 1440, step=10 * SECOND), "step_not_kept"),
        (ago(60 * 1440, 50 * 1440, step=90 * SECOND), "step_not_kept"),
    ],
)
def test_what_no_tier_can_tell_is_refused_with_the_reason(asked, code):
    with pytest.raises(InvalidError) as refused:
        plan(asked, CAUGHT_UP)
    assert refused.value.code == code
    assert refused.value.hint


def test_many_dirty_hours_do_not_make_many_parts():
    first = NOW // HOUR * HOUR - 100 * HOUR
    state = TierState(KEPT, THROUGH, tuple(first + n * 2 * HOUR for n in range(40)))
    found = plan(ago(5 * 1440, step=MINUTE), state)
    assert len(found.stretches) < 8
    dirty = {hour for each in found.stretches if each.tier is RAW for hour in range(each.from_ns, each.to_ns, HOUR)}
    assert set(state.dirty_hours) <= dirty


def plan_or_none(asked: Asked, state: TierState) -> Plan | None:
    """None for a range with no part that any window of such a step is left of."""
    try:
        return plan(asked, state)
    except InvalidError as error:
        if error.code != "step_not_kept":
            raise
        return None


@given(
    begin=st.integers(NOW - 500 * DAY, NOW),
    length=st.integers(1, 40 * DAY),
    step=st.sampled_from([None, 10 * SECOND, MINUTE, 5 * MINUTE, 90 * SECOND, 10 * MINUTE, HOUR, DAY]),
    behind=st.lists(st.integers(0, 20 * 24 * 60), min_size=3, max_size=3),
    dirty=st.lists(st.integers(0, 24 * 40), max_size=30, unique=True),
    is_exact=st.booleans(),
)
def test_a_plan_covers_its_range_once_with_whole_windows_that_are_there(begin, length, step, behind, dirty, is_exact):
    through = {
        tier: (NOW - late * MINUTE) // RESOLUTION_NS[tier] * RESOLUTION_NS[tier]
        for tier, late in zip(ROLLED_UP, sorted(behind), strict=True)
    }
    hours = tuple(sorted(NOW // HOUR * HOUR - hour * HOUR for hour in dirty))
    state = TierState(KEPT, through, hours)
    asked = Asked(begin, begin + length, step, is_exact=is_exact)
    if (found := plan_or_none(asked, state)) is None:
        return
    assert found.segments[0].from_ns == asked.from_ns
    assert found.segments[-1].to_ns == asked.to_ns
    for several in (found.segments, found.stretches):
        for one, following in pairwise(several):
            assert one.to_ns == following.from_ns
    for each in found.segments:
        assert each.from_ns < each.to_ns
        if not each.coverage:
            assert each.to_ns <= NOW
            continue
        assert each.from_ns >= KEPT[each.tier]
        if each.tier is not RAW:
            width = RESOLUTION_NS[each.tier]
            assert each.from_ns % width == each.to_ns % width == 0
            assert step is None or step % width == 0
            assert each.to_ns <= through[each.tier]
            for hour in hours:
                touched = max(hour, each.from_ns) < min(hour + HOUR, each.to_ns)
                assert not touched or max(hour, each.from_ns) < KEPT[RAW]
