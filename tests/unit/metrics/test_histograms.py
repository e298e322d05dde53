"""Percentiles from histograms are those of the numbers, within one hundredth, however they were put together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.metrics.histograms import BUCKETS_PER_E, MIDDLE, buckets_of, merged, percentiles, values_of

_NORMAL = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
_EDGES = [math.exp(step / BUCKETS_PER_E) for step in (-36_000, -1, 0, 1, 51, 36_000)]
_EXTREMES = [np.finfo(float).max, np.finfo(float).tiny, -np.finfo(float).max, 0.0, -0.0, 1.0, -1.0, *_EDGES]


def _nearest_rank(values, percentile):
    return sorted(values)[max(math.floor(len(values) * percentile / 100 + 0.5), 1) - 1]


def _histogram(values, group):
    buckets = buckets_of(np.array(values, np.float64))
    return merged(np.full(len(values), group), buckets, np.ones(len(values), np.int64))


@pytest.mark.parametrize("value", _EXTREMES)
def test_a_bucket_answers_within_one_hundredth_also_at_its_edges(value):
    around = np.array([value, np.nextafter(value, 0.0)])
    assert values_of(buckets_of(around)) == pytest.approx(around, rel=0.0099, abs=1e-307)


def test_the_smallest_numbers_of_all_stay_in_order_on_their_side_of_zero():
    buckets = buckets_of(np.array([-1.0, -5e-324, 0.0, 5e-324, 1.0]))
    assert (np.diff(buckets) > 0).all()
    assert buckets[3] > 0


@given(st.lists(_NORMAL, min_size=1, max_size=60), st.floats(0.001, 100), st.integers(1, 59))
def test_a_percentile_of_merged_histograms_is_that_of_all_the_numbers(values, percentile, cut):
    parts = [part for part in (values[:cut], values[cut:]) if part]
    both = merged(*(np.concatenate(columns) for columns in zip(*(_histogram(part, 7) for part in parts), strict=True)))
    groups, found = percentiles(*both, percentile)
    assert groups.tolist() == [7]
    assert found[0] == pytest.approx(_nearest_rank(values, percentile), rel=0.01, abs=1e-307)


def test_each_group_has_a_percentile_of_its_own():
    groups, buckets, counts = merged(
        np.array([2, 1, 2, 1, 2]), buckets_of(np.array([30.0, 1.0, 10.0, 2.0, 20.0])), np.ones(5, np.int64)
    )
    assert percentiles(groups, buckets, counts, 50)[0].tolist() == [1, 2]
    assert percentiles(groups, buckets, counts, 50)[1] == pytest.approx([1.0, 20.0], rel=0.01)
    assert percentiles(groups, buckets, counts, 100)[1] == pytest.approx([2.0, 30.0], rel=0.01)


@given(st.lists(_NORMAL.filter(bool), min_size=1, max_size=30))
def test_the_rule_in_the_words_of_sql_is_the_same(values):
    said = [math.copysign(1, v) * (math.ceil(math.log(abs(v)) * BUCKETS_PER_E) + MIDDLE) for v in values]
    assert np.abs(buckets_of(np.array(values)) - np.array(said)).max() <= 1  # two libraries' logarithms, at an edge
