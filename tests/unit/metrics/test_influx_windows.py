"""Windows as InfluxDB's answers bring them: whole, whatever the pieces, and back from the text they are kept as."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.metrics.histograms import merged
from strata_datamodel.metrics import FieldClass
from strata_datamodel.tiers import Tier
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.histogram_text import decoded, encoded
from strata_stores.influx.window_rows import gathered, windows_in
from strata_stores.influx.windows import Histograms, fold

_COUNTS = st.dictionaries(st.integers(-80_000, 80_000), st.integers(1, 20_000), max_size=8)
_LENGTHS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 7)), min_size=1, max_size=12)
_WIDTH_NS = 10


@given(st.lists(_COUNTS, max_size=5))
def test_a_histogram_is_the_same_after_it_was_text(rows):
    flat = [(row, bucket, count) for row, each in enumerate(rows) for bucket, count in sorted(each.items())]
    columns = [np.array([entry[place] for entry in flat], np.int64) for place in range(3)]
    texts = encoded(Histograms(*columns), len(rows))
    assert [len(text) % 5 for text in texts] == [0] * len(rows)
    back = decoded(texts)
    again = merged(back.rows, back.buckets, back.counts)
    assert [column.tolist() for column in again] == [column.tolist() for column in columns]


@given(_LENGTHS, st.integers(1, 9))
def test_no_window_is_torn_wherever_an_answer_is_cut(lengths, rows_at_once):
    """Parts of a series follow each other, as InfluxDB sends them."""
    parts, time_ns = [], 0
    for host, length in sorted(lengths, key=lambda part: part[0]):
        times = list(range(time_ns, time_ns + 3 * length, 3))
        time_ns += 3 * length
        parts.append(ResultSeries(0, "m", {"t_host": str(host)}, ("time", "n_v"), [[at, float(at)] for at in times]))
    windows = [
        (rows.tags[owner], start, count)
        for rows in gathered(parts, _WIDTH_NS, rows_at_once)
        for _, found in windows_in(rows, Tier.RAW, [("v", FieldClass.NUMBER)])
        for folded in [fold(found, _WIDTH_NS)]
        for owner, start, count in zip(
            folded.owners.tolist(), folded.starts.tolist(), folded.counts.tolist(), strict=True
        )
    ]
    points = [(part.tags, row[0] - row[0] % _WIDTH_NS) for part in parts for row in part.values]
    expected = [(each, points.count(each)) for number, each in enumerate(points) if points.index(each) == number]
    assert [((tags, start), count) for tags, start, count in windows] == expected


def test_fields_that_a_row_lacks_make_no_window():
    part = ResultSeries(0, "m", {}, ("time", "n_v", "s_w"), [[1, 2.5, None], [2, None, "a"], [3, 3.5, ""]])
    (rows,) = gathered([part], _WIDTH_NS)
    fields = [("v", FieldClass.NUMBER), ("w", FieldClass.STRING)]
    numbers, texts = (fold(windows, _WIDTH_NS) for _, windows in windows_in(rows, Tier.RAW, fields))
    assert (numbers.counts.tolist(), numbers.firsts.tolist(), numbers.last_ns.tolist()) == ([2], [2.5], [3])
    assert (texts.counts.tolist(), texts.firsts.tolist(), texts.lasts.tolist()) == ([2], ["a"], [""])
    assert numbers.spread.rises.tolist() == [1.0]
    assert numbers.spread.sums.tolist() == [6.0]


@pytest.mark.parametrize(("values", "rise"), [([5, 7, 1, 4], 6.0), ([5], 0.0), ([0, 0], 0.0)])
def test_a_fall_of_a_counter_is_a_restart_from_zero(values, rise):
    part = ResultSeries(0, "m", {}, ("time", "n_v"), [[at, value] for at, value in enumerate(values)])
    (rows,) = gathered([part], _WIDTH_NS)
    ((_, windows),) = windows_in(rows, Tier.RAW, [("v", FieldClass.NUMBER)])
    assert fold(windows, _WIDTH_NS).spread.rises.tolist() == [rise]
