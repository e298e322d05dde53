"""Points that were all read plainly, into columns."""

from collections.abc import Mapping

import numpy as np

from strata_datamodel.metrics import SeriesKey
from strata_wire.compiled.columns import Columns


class PlainPoints:
    """Takes nothing by itself: whoever reads finds all there still is to read."""

    def __init__(self) -> None:
        self.rows = 0
        self._series: dict[SeriesKey, int] = {}
        self._texts: dict[str, int] = {}
        self._points: list[tuple[int, int, float]] = []

    def __len__(self) -> int:
        return len(self._points)

    def advance(self, at: int) -> int:
        return at

    def take(self, time_ns: int, row: Mapping[SeriesKey, float | str]) -> None:
        for series, value in row.items():
            index = self._series.setdefault(series, len(self._series))
            number = float(self._texts.setdefault(value, len(self._texts))) if isinstance(value, str) else value
            self._points.append((index, time_ns, number))
        self.rows += 1

    def columns(self) -> tuple[tuple[SeriesKey, ...], Columns, tuple[str, ...]]:
        indexes, times, values = zip(*self._points, strict=True) if self._points else ((), (), ())
        columns = Columns(np.array(indexes, np.int32), np.array(times, np.int64), np.array(values, np.float64))
        return tuple(self._series), columns, tuple(self._texts)
