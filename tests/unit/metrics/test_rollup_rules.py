"""No late point hides behind a watermark, and no window is made from what is left of gone ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.rollups.rules import (
    FIRST_PIECE_NS,
    HOUR_NS,
    LAG_NS,
    LONGEST_PIECE_NS,
    SKEW_NS,
    closed_before,
    gone_before,
    late_hours,
    next_piece,
    piece_after,
    rewound,
    shorter_piece,
    spans_again,
)
from strata_core.tier_retentions.rules import DEFAULT_S, LONGEST_S, check_retentions
from strata_datamodel.errors import InvalidError
from strata_datamodel.tiers import KEPT_NS, RESOLUTION_NS, ROLLED_UP, Tier

MINUTE = 60_000_000_000
DAY = 24 * HOUR_NS
NOW = 20_000 * DAY + 10 * HOUR_NS + 30 * MINUTE


@given(
    age=st.integers(-10 * MINUTE, 3 * HOUR_NS),
    began_before=st.integers(1, 10 * MINUTE),
    skew=st.integers(-SKEW_NS, SKEW_NS),
)
def test_a_point_that_a_roll_up_may_have_missed_marks_its_hour(age, began_before, skew):
    """The roll-up read its clock, and began, before the store had the point; the clocks differ."""
    written_at = NOW
    began_by_its_clock = NOW - began_before + skew
    at = NOW - age
    is_rolled_up = at < closed_before(Tier.MINUTE, began_by_its_clock, {})
    is_marked = at - at % HOUR_NS in late_hours(np.array([at], np.int64), written_at)
    assert is_marked or not is_rolled_up


def test_points_in_time_cost_a_glance_and_older_ones_than_any_that_is_kept_nothing():
    assert late_hours(np.array([NOW, NOW - LAG_NS + SKEW_NS], np.int64), NOW) == []
    assert late_hours(np.array([], np.int64), NOW) == []
    assert late_hours(np.array([NOW - 400 * DAY, NOW - HOUR_NS, NOW - HOUR_NS - 1], np.int64), NOW) == [
        9 * HOUR_NS + 20_000 * DAY
    ]


def test_each_tier_follows_the_one_above_it():
    through = {Tier.MINUTE: NOW - 7 * MINUTE, Tier.FIVE_MINUTES: NOW - 3 * HOUR_NS, Tier.HOUR: NOW - 5 * HOUR_NS}
    assert closed_before(Tier.MINUTE, NOW, through) == NOW - 2 * MINUTE
    assert closed_before(Tier.FIVE_MINUTES, NOW, through) == NOW - 10 * MINUTE
    assert closed_before(Tier.HOUR, NOW, through) == NOW - 3 * HOUR_NS - 30 * MINUTE


@given(tier=st.sampled_from(ROLLED_UP), times=st.integers(0, 12), length=st.integers(0, 3 * DAY))
def test_pieces_are_whole_windows_and_always_get_on(tier, times, length):
    piece = FIRST_PIECE_NS[tier]
    for _ in range(times):
        piece = shorter_piece(tier, piece)
        assert piece <= piece_after(tier, piece, 0.1) <= LONGEST_PIECE_NS[tier]
        assert piece_after(tier, piece, 2.0) == piece
    at, end = 20_000 * DAY, 20_000 * DAY + length - length % RESOLUTION_NS[tier]
    following = next_piece(tier, at, end, piece)
    assert (following is None) == (at == end)
    if following is not None:
        assert following % RESOLUTION_NS[tier] == 0
        assert at < following <= end


def test_only_windows_that_were_made_and_can_be_are_made_again():
    hour = NOW - NOW % HOUR_NS - 2 * HOUR_NS
    through = {Tier.MINUTE: hour + 30 * MINUTE, Tier.FIVE_MINUTES: hour + 25 * MINUTE, Tier.HOUR: hour}
    whole = dict.fromkeys(Tier, hour - DAY)
    spans = spans_again(hour, through, whole)
    assert [(each.tier, (each.to_ns - each.from_ns) // MINUTE) for each in spans] == [
        (Tier.MINUTE, 30),
        (Tier.FIVE_MINUTES, 25),
    ]
    done = dict.fromkeys(ROLLED_UP, NOW)
    partly = {**whole, Tier.RAW: hour + 10 * MINUTE + 1}
    assert [(each.tier, (each.from_ns - hour) // MINUTE) for each in spans_again(hour, done, partly)] == [
        (Tier.MINUTE, 11),
        (Tier.FIVE_MINUTES, 0),
        (Tier.HOUR, 0),
    ]
    assert spans_again(hour, done, dict.fromkeys(Tier, NOW)) == ()


@pytest.mark.parametrize("dirty", [None, NOW - 3 * DAY, NOW - 8 * DAY, NOW - 20 * DAY])
def test_nothing_goes_that_another_tier_is_still_to_be_made_from(dirty):
    through = {Tier.MINUTE: NOW - 9 * DAY, Tier.FIVE_MINUTES: NOW - 10 * DAY, Tier.HOUR: NOW - 100 * DAY}
    due = gone_before(NOW, KEPT_NS, through, dirty)
    assert due[Tier.RAW] <= NOW - 9 * DAY
    assert due[Tier.FIVE_MINUTES] == NOW - 100 * DAY
    assert due[Tier.HOUR] == NOW - 365 * DAY - HOUR_NS


def test_a_dirty_hour_is_waited_for_a_day_and_no_longer():
    through = dict.fromkeys(ROLLED_UP, NOW)
    due = NOW - 7 * DAY - HOUR_NS
    found = [gone_before(NOW, KEPT_NS, through, due + at)[Tier.RAW] for at in (HOUR_NS, -HOUR_NS, -9 * DAY)]
    assert found == [due, due - HOUR_NS, due - DAY]


def test_coarser_tiers_go_back_with_the_one_they_are_made_from():
    back = rewound(Tier.MINUTE, NOW + 7 * MINUTE)
    assert back == {Tier.MINUTE: NOW + 7 * MINUTE, Tier.FIVE_MINUTES: NOW + 5 * MINUTE, Tier.HOUR: NOW - 30 * MINUTE}
    assert set(rewound(Tier.HOUR, NOW)) == {Tier.HOUR}


@pytest.mark.parametrize(
    "changed",
    [
        {Tier.RAW: 3_599},
        {Tier.RAW: LONGEST_S[Tier.RAW] + 1},
        {Tier.RAW: DEFAULT_S[Tier.MINUTE] + 1, Tier.MINUTE: DEFAULT_S[Tier.MINUTE]},
        {Tier.HOUR: DEFAULT_S[Tier.FIVE_MINUTES] - 1},
    ],
)
def test_a_retention_outside_the_limits_is_refused(changed):
    with pytest.raises(InvalidError, match="kept for"):
        check_retentions({**DEFAULT_S, **changed})
    check_retentions(LONGEST_S)
