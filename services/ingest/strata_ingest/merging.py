"""Several batches of one organization as one: stores take few large batches better than many small ones."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, SeriesKey
from strata_datamodel.spooling import SpoolPosition


@dataclass(frozen=True, slots=True)
class Merged:
    """Where each batch begins in the merged one."""

    starts: tuple[int, ...]

    def rejections(self, rejected: Sequence[Rejection]) -> dict[int, list[Rejection]]:
        """Those of each batch, by its place among the merged, under its own row numbers."""
        split: dict[int, list[Rejection]] = {}
        for rejection in rejected:
            place = bisect_right(self.starts, rejection.index) - 1
            split.setdefault(place, []).append(Rejection(rejection.index - self.starts[place], rejection.reason))
        return split


def merged_points(batches: Sequence[PointBatch], source: SpoolPosition | None) -> tuple[PointBatch, Merged]:
    """In the order given, so that the later of two rows with one series and time stays the later."""
    starts = _starts([len(batch) for batch in batches])
    if len(batches) == 1:
        return replace(batches[0], source=source), starts
    series: dict[SeriesKey, int] = {}
    numbers_of: dict[int, NDArray[np.int32]] = {}  # senders repeat their series, and parsers give the same object then
    texts: dict[str, int] = {}
    rows = sum(map(len, batches))
    series_index, values = np.empty(rows, np.int32), np.empty(rows, np.float64)
    for start, batch in zip(starts.starts, batches, strict=True):
        numbers = numbers_of.get(id(batch.series))
        if numbers is None:
            numbers = np.array([series.setdefault(key, len(series)) for key in batch.series], dtype=np.int32)
            numbers_of[id(batch.series)] = numbers
        end = start + len(batch)
        np.take(numbers, batch.series_index, out=series_index[start:end], mode="clip")  # the quick mode of numpy
        values[start:end] = _moved_texts(batch, texts)
    merged = PointBatch(
        organization_id=batches[0].organization_id,
        series=tuple(series),
        series_index=series_index,
        time_ns=np.concatenate([batch.time_ns for batch in batches]),
        values=values,
        texts=tuple(texts),
        source=source,
    )
    return merged, starts


def merged_events(batches: Sequence[LogBatch], source: SpoolPosition | None) -> tuple[LogBatch, Merged]:
    events = tuple(event for batch in batches for event in batch.events)
    return LogBatch(batches[0].organization_id, events, source), _starts([len(batch.events) for batch in batches])


def _moved_texts(batch: PointBatch, texts: dict[str, int]) -> NDArray[np.float64]:
    if not batch.texts:
        return batch.values
    places = np.array([texts.setdefault(text, len(texts)) for text in batch.texts], dtype=np.float64)
    is_text = np.array([key.field_class is FieldClass.STRING for key in batch.series], dtype=bool)[batch.series_index]
    values = batch.values.copy()
    values[is_text] = places[values[is_text].astype(np.int64)]
    return values


def _starts(lengths: Sequence[int]) -> Merged:
    return Merged(tuple(accumulate(lengths, initial=0))[:-1])
