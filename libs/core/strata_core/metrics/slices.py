"""Slices of what stores hold, put in one order, so that two of them can be told apart by their bytes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.histograms import merged
from strata_datamodel.errors import LimitError
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.slices import WindowSlice

Form = tuple[object, ...]
"""Equal for slices that say the same, whatever the order of their rows, series and texts."""


def too_large(limit: int) -> LimitError:
    return LimitError(
        f"there are more than {limit:,} rows in this part of the range",
        code="slice_too_large",
        hint="ask for a shorter part of it",
    )


def form_of_points(points: PointBatch) -> Form:
    series, index = _ordered(points.series, points.series_index)
    texts, (values,) = _worded(points.series, points.series_index, points.texts, points.values)
    order = np.lexsort((points.time_ns, index))
    return series, texts, index[order].tobytes(), points.time_ns[order].tobytes(), values[order].tobytes()


def form_of_windows(windows: WindowSlice) -> Form:
    series, index = _ordered(windows.series, windows.series_index)
    texts, ends = _worded(windows.series, windows.series_index, windows.texts, windows.firsts, windows.lasts)
    order = np.lexsort((windows.start_ns, index))
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    histograms = merged(row_of[windows.bucket_rows], windows.buckets, windows.bucket_counts)
    whole = (windows.start_ns, windows.counts, windows.first_ns, windows.last_ns)
    parts = (*ends, windows.sums, windows.minima, windows.maxima, windows.rises)
    # What was zero with a sign is plain zero once it was through a text.
    columns = [index[order], *(each[order] for each in whole), *(each[order] + 0.0 for each in parts), *histograms]
    return (series, texts, *(each.tobytes() for each in columns))


def _ordered(series: Sequence[SeriesKey], index: NDArray[np.int32]) -> tuple[tuple[SeriesKey, ...], NDArray[np.int64]]:
    """Those with rows, and each row's."""
    used = np.unique(index).tolist()
    in_order = sorted(used, key=lambda place: _key(series[place]))
    place_of = np.zeros(len(series), np.int64)
    place_of[in_order] = np.arange(len(in_order))
    return tuple(series[place] for place in in_order), place_of[index]


def _key(key: SeriesKey) -> tuple[object, ...]:
    return key.measurement, key.tags, key.field, key.field_class.value


def _worded(
    series: Sequence[SeriesKey], index: NDArray[np.int32], texts: Sequence[str], *columns: NDArray[np.float64]
) -> tuple[tuple[str, ...], list[NDArray[np.float64]]]:
    """Texts that are used, in order, and the columns with their places among them."""
    is_text = np.array([key.field_class is FieldClass.STRING for key in series], np.bool_)[index]
    if not is_text.any():
        return (), [column.astype(np.float64) + 0.0 for column in columns]
    used = {texts[int(place)] for column in columns for place in np.unique(column[is_text]).tolist()}
    words = sorted(used)
    numbers = {word: number for number, word in enumerate(words)}
    place_of = np.array([numbers.get(text, 0) for text in texts], np.float64)
    found = []
    for column in columns:
        numbered = column.astype(np.float64) + 0.0
        numbered[is_text] = place_of[column[is_text].astype(np.int64)]
        found.append(numbered)
    return tuple(words), found
