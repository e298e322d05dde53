"""What functions make of one group's values, window by window."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strata_core.influxql.columns import BOOLEAN, FLOAT, INTEGER, STRING, Column, Times, of
from strata_core.influxql.refusals import QueryError

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Points:
    """In the order of the answer. `rows` are those of the group that the points are, where they are any's."""

    time: Times
    column: Column
    rows: Rows | None = None

    def take(self, rows: Any) -> "Points":
        return Points(self.time[rows], self.column.take(rows), None if self.rows is None else self.rows[rows])

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Windowed:
    """A group's values that are there, in order of time, and the window that each is in, counted from zero."""

    time: Times
    values: NDArray[np.float64]
    """Of strings: their places in the alphabet of all these values."""
    kind: str
    window: NDArray[np.intp]
    starts: Times
    """Of the windows."""
    rows: Rows
    texts: NDArray[np.object_] | None = None

    @property
    def firsts(self) -> Rows:
        return np.searchsorted(self.window, np.arange(len(self.starts)))

    @property
    def counts(self) -> Rows:
        return np.bincount(self.window, minlength=len(self.starts))


def windowed(time: Times, column: Column, rows: Rows, starts: Times) -> Windowed:
    """`starts` are those of the window that each row is in."""
    there = column.valid & ~np.isnan(column.values) if column.kind == FLOAT else column.valid
    time, starts, rows, values = time[there], starts[there], rows[there], column.values[there]
    texts = None
    if column.kind == STRING:
        texts, values = np.unique(values.astype(object), return_inverse=True)
    begins = np.concatenate(([True], starts[1:] != starts[:-1])) if len(starts) else np.empty(0, np.bool_)
    window = np.cumsum(begins) - 1
    return Windowed(time, values.astype(np.float64), column.kind, window, starts[begins], rows, texts)


def told(data: Windowed, values: NDArray[np.float64]) -> Column:
    """Values of the group, in the kind that they have."""
    if data.texts is not None:
        return of(STRING, data.texts[values.astype(np.intp)])
    return of(data.kind, values.astype(np.bool_) if data.kind == BOOLEAN else values)


def picked(data: Windowed, at: Rows) -> Points:
    """Points of the group, told with their own time."""
    return Points(data.time[at], told(data, data.values[at]), data.rows[at])


def aggregated(name: str, data: Windowed, percent: float = 0.0) -> Points:
    """One point a window; of selectors the points themselves, all others at the window's beginning."""
    if name in _SELECTING:
        return picked(data, _SELECTING[name](data))
    if name == "percentile":
        return _percentile(data, percent)
    values = _MADE[name](data)
    if name == "mode":
        return Points(data.starts, told(data, values))
    kind = INTEGER if name == "count" else FLOAT
    return Points(data.starts, of(kind, values.astype(np.int64) if kind == INTEGER else values))


def check_kind(name: str, kind: str) -> None:
    """Raises QueryError for what cannot be reckoned with."""
    if kind == STRING and name not in {"count", "first", "last", "mode", "distinct", "elapsed"}:
        raise QueryError(f"unsupported {name} iterator type: {kind}")
    if kind == BOOLEAN and name not in {"count", "first", "last", "min", "max", "mode", "distinct", "elapsed"}:
        raise QueryError(f"unsupported {name} iterator type: {kind}")


def distinct(data: Windowed) -> Points:
    pairs = np.unique(np.stack((data.window.astype(np.float64), data.values)), axis=1)
    return Points(data.starts[pairs[0].astype(np.intp)], told(data, pairs[1]))


def distinct_counts(data: Windowed) -> Points:
    pairs = np.unique(np.stack((data.window.astype(np.float64), data.values)), axis=1)
    counts = np.bincount(pairs[0].astype(np.intp), minlength=len(data.starts))
    return Points(data.starts, of(INTEGER, counts))


def extremes(data: Windowed, count: int, *, is_top: bool, series: NDArray[np.intp] | None) -> Points:
    """The greatest or the least of each window, in order of time. With `series`, which tells whose each point is, at
    most one of each."""
    order = np.lexsort((data.time, -data.values if is_top else data.values, data.window))
    if series is not None:
        owner = data.window[order] * (int(series.max(initial=0)) + 1) + series[order]
        order = order[np.sort(np.unique(owner, return_index=True)[1])]
    windows = data.window[order]
    place = np.arange(len(order)) - np.searchsorted(windows, windows)
    kept = order[place < count]
    return picked(data, kept[np.lexsort((data.time[kept], data.window[kept]))])


def integral(
    time: Times, values: NDArray[np.float64], unit_ns: int, window_of: Callable[[Times], tuple[Times, Times]] | None
) -> Points:
    """The area under the line through the points, told where its windows begin, in the direction of `time`. What no
    window ends that has a point after it ends with the last point."""
    if len(time) == 0:
        return Points(time, of(FLOAT, values))
    if window_of is None:
        area = float(np.sum(0.5 * (values[1:] + values[:-1]) * (np.diff(time) / unit_ns)))
        return Points(np.zeros(1, np.int64), of(FLOAT, [area]))
    begins, ends = (each.tolist() for each in window_of(time))
    found: list[tuple[int, float]] = []
    before, value, start, end, area = int(time[0]), float(values[0]), begins[0], ends[0], 0.0
    rising = len(time) < 2 or time[-1] >= time[0]
    if not rising:
        start, end = end, start
    for at, now, begin, stop in zip(time.tolist()[1:], values.tolist()[1:], begins[1:], ends[1:], strict=True):
        if at == before:
            value = now
            continue
        if at >= end if rising else at <= end:
            if before != end:
                met = value + (now - value) * (end - before) / (at - before)
                area += 0.5 * (met + value) * ((end - before) / unit_ns)
                before, value = end, met
            found.append((start, area))
            start, end = (begin, stop) if rising else (stop, begin)
            area = 0.0
        area += 0.5 * (now + value) * ((at - before) / unit_ns)
        before, value = at, now
    if before != start:
        found.append((start, area))
    return Points(np.array([each[0] for each in found], np.int64), of(FLOAT, [each[1] for each in found]))


def _first_of_each(data: Windowed, order: Rows) -> Rows:
    return order[data.firsts]


def _percentile(data: Windowed, percent: float) -> Points:
    order = np.lexsort((data.time, data.values, data.window))
    place = np.floor(data.counts * percent / 100.0 + 0.5).astype(np.intp) - 1
    is_there = (place >= 0) & (place < data.counts)
    return picked(data, order[(data.firsts + place)[is_there]])


def _median(data: Windowed) -> NDArray[np.float64]:
    ordered = data.values[np.lexsort((data.values, data.window))]
    counts, firsts = data.counts, data.firsts
    high = ordered[firsts + counts // 2]
    low = ordered[firsts + np.maximum(counts // 2 - 1, 0)]
    return np.asarray(np.where(counts % 2 == 0, low + (high - low) / 2, high), np.float64)


def _mode(data: Windowed) -> NDArray[np.float64]:
    """What is there most often. Of values as often as each other InfluxDB's is the one that began before the one looked
    at last was there as often, in order of value; of values that are all there once the least; of truths true."""
    order = np.lexsort((data.time, data.values, data.window))
    windows, values, times = data.window[order], data.values[order], data.time[order]
    begins = np.flatnonzero(np.concatenate(([True], (windows[1:] != windows[:-1]) | (values[1:] != values[:-1]))))
    often = np.diff(np.concatenate((begins, [len(values)])))
    firsts = np.searchsorted(windows[begins], np.arange(len(data.starts)))
    found = values[begins[firsts]]
    if data.kind == BOOLEAN:
        return np.asarray(np.add.reduceat(data.values, data.firsts) * 2 >= data.counts, np.float64)
    best, since = often[firsts].copy(), times[begins[firsts] + often[firsts] - 1]
    for run in np.flatnonzero(often > 1).tolist():
        window = windows[begins[run]]
        begun = times[begins[run]]
        if run == firsts[window] or best[window] > often[run] or (best[window] == often[run] and begun > since[window]):
            continue
        found[window], best[window] = values[begins[run]], often[run]
        since[window] = times[begins[run] + often[run] - 1]
    return found


def _stddev(data: Windowed) -> NDArray[np.float64]:
    """Not a number of one value."""
    means = np.add.reduceat(data.values, data.firsts) / data.counts
    squares = np.add.reduceat((data.values - means[data.window]) ** 2, data.firsts)
    with np.errstate(all="ignore"):
        return np.asarray(np.where(data.counts > 1, np.sqrt(squares / (data.counts - 1)), np.nan), np.float64)


_SELECTING: Final[dict[str, Callable[[Windowed], Rows]]] = {
    "min": lambda data: _first_of_each(data, np.lexsort((data.time, data.values, data.window))),
    "max": lambda data: _first_of_each(data, np.lexsort((data.time, -data.values, data.window))),
    "first": lambda data: _first_of_each(data, np.lexsort((-data.values, data.time, data.window))),
    "last": lambda data: _first_of_each(data, np.lexsort((-data.values, -data.time, data.window))),
}
_MADE: Final[dict[str, Callable[[Windowed], NDArray[np.float64]]]] = {
    "count": lambda data: data.counts.astype(np.float64),
    "sum": lambda data: np.add.reduceat(data.values, data.firsts),
    "mean": lambda data: np.add.reduceat(data.values, data.firsts) / data.counts,
    "spread": lambda data: (
        np.maximum.reduceat(data.values, data.firsts) - np.minimum.reduceat(data.values, data.firsts)
    ),
    "median": _median,
    "mode": _mode,
    "stddev": _stddev,
}
