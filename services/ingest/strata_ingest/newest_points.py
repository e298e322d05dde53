"""The newest point of each series of a batch, as columns for as long as nobody reads them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.latest import LatestValue, Metric
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, SeriesKey
from strata_ingest.sightings import host_of

_NS_PER_MS: Final = 1_000_000
_BEFORE_ALL: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class NewestPoints:
    """Of each series its newest time and the value of then, which for a text is a place in `texts`. A series without
    any has a time before all."""

    series: tuple[SeriesKey, ...]
    at_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, later: "NewestPoints") -> None:
        """Of the same series, without texts. Of two at one time the later stands in the store."""
        newer = later.at_ns >= self.at_ns
        self.at_ns[newer] = later.at_ns[newer]
        self.values[newer] = later.values[newer]

    def told(self) -> Iterator[tuple[str, Metric, LatestValue]]:
        """Of the series that name a host."""
        for series, at_ns, number in zip(self.series, self.at_ns.tolist(), self.values.tolist(), strict=True):
            host = host_of(series)
            if host is not None and at_ns >= 0:
                value = LatestValue(at_ns // _NS_PER_MS, self._value(series.field_class, number))
                yield host, (series.measurement, series.field), value

    def _value(self, field_class: FieldClass, number: float) -> float | bool | str:
        if field_class is FieldClass.BOOLEAN:
            return bool(number)
        return self.texts[int(number)] if field_class is FieldClass.STRING else number


def newest_points(batch: PointBatch, refused: Collection[Rejection] = ()) -> NewestPoints:
    if not len(batch):
        return NewestPoints((), np.empty(0, np.int64), np.empty(0, np.float64), ())
    rows = np.full(len(batch.series), -1, np.int64)
    rows[batch.series_index] = np.arange(len(batch))  # the last of each series, which mostly is its newest
    at_ns = batch.time_ns[rows]
    is_last_newest = not refused and (rows >= 0).all() and (batch.time_ns <= at_ns[batch.series_index]).all()
    if not is_last_newest:
        rows, at_ns = _looked_for(batch, refused)
    return NewestPoints(batch.series, at_ns, batch.values[rows], batch.texts)


def _looked_for(batch: PointBatch, refused: Collection[Rejection]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    time_ns = batch.time_ns.copy()
    time_ns[[each.index for each in refused]] = _BEFORE_ALL
    newest_ns = np.full(len(batch.series), _BEFORE_ALL, dtype=np.int64)
    np.maximum.at(newest_ns, batch.series_index, time_ns)
    newest = np.flatnonzero(time_ns == newest_ns[batch.series_index])
    rows = np.zeros(len(batch.series), dtype=np.int64)
    rows[batch.series_index[newest]] = newest  # of one series' rows at one time the later stands in the store
    return rows, newest_ns
