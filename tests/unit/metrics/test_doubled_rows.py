"""Rows of a batch with one series and time: the last stays, whichever sort was quick enough."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strata_stores.duckdb.doubles import NewestTimes, single_rows

_TIMES = st.integers(0, 5) | st.sampled_from([-(2**62), 2**62, -1])


@given(st.lists(st.tuples(st.integers(0, 4) | st.just(2**31 - 1), _TIMES), max_size=50))
def test_the_last_of_each_series_and_time_is_kept_in_order(rows):
    sid = np.array([number for number, _ in rows], np.int32)
    time_ns = np.array([time for _, time in rows], np.int64)
    last = {row: position for position, row in enumerate(rows)}
    assert single_rows(sid, time_ns).tolist() == [last[row] for row in sorted(last)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 3000), st.integers(-5, 5)), min_size=1, max_size=20), max_size=6))
def test_a_row_that_exists_is_always_looked_at(batches):
    newest = NewestTimes.of(np.empty(0, np.int32), np.empty(0, np.int64))
    written: set[tuple[int, int]] = set()
    for rows in batches:
        single = sorted(set(rows))
        sid = np.array([number for number, _ in single], np.int32)
        time_ns = np.array([time for _, time in single], np.int64)
        looked_at = {row for row, late in zip(single, newest.might_double(sid, time_ns), strict=True) if late}
        assert written & set(single) <= looked_at
        newest.advance(sid, time_ns)
        written |= set(single)
