"""The newest point of each series, whichever way it is found."""

from collections import defaultdict
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, SeriesKey
from strata_ingest.newest_points import newest_points

ACME = OrganizationId(UUID(int=1))
SERIES = tuple(SeriesKey("m", (("host", f"h{number}"),), "v", FieldClass.NUMBER) for number in range(4))
MS = 1_000_000

_rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(-9, 9)), max_size=12)


def batch_of(rows):
    places, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    return PointBatch(
        ACME, SERIES, np.array(places, np.int32), np.array(times, np.int64) * MS, np.array(values, np.float64)
    )


def newest_by_hand(rows):
    newest = defaultdict(lambda: (-1, 0))
    for place, at, value in rows:
        newest[f"h{place}"] = max(newest[f"h{place}"], (at, value), key=lambda each: each[0])
        if newest[f"h{place}"][0] == at:
            newest[f"h{place}"] = (at, value)
    return dict(newest)


def shown(points):
    return {host: (each.at_ms, each.value) for host, _, each in points.told()}


@given(_rows, st.data())
def test_the_newest_row_of_each_series_is_told_and_of_equal_ones_the_later(rows, data):
    assert shown(newest_points(batch_of(rows))) == newest_by_hand(rows)
    out = data.draw(st.sets(st.sampled_from(range(len(rows))))) if rows else set()
    refused = [Rejection(index, "no") for index in sorted(out)]
    kept = [row for index, row in enumerate(rows) if index not in out]
    assert shown(newest_points(batch_of(rows), refused)) == newest_by_hand(kept)


@given(_rows.filter(bool), _rows.filter(bool))
def test_two_batches_of_the_same_series_tell_what_one_of_both_would(first, second):
    points = newest_points(batch_of(first))
    points.take(newest_points(batch_of(second)))
    assert shown(points) == newest_by_hand(first + second)
