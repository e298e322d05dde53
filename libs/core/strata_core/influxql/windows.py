"""GROUP BY time: windows, and what is said of those with no point."""

from dataclasses import dataclass

import numpy as np

from strata_core.influxql.checking import Interval
from strata_core.influxql.columns import FLOAT, INTEGER, Column, Times, carried, filled, scattered
from strata_core.influxql.functions import Points
from strata_core.influxql.refusals import too_much
from strata_core.influxql.syntax import MIN_NS
from strata_datamodel.limits import QUERY_POINTS


@dataclass(frozen=True, slots=True)
class Span:
    """Both ends count. Without an interval all of it is one window."""

    first_ns: int
    last_ns: int
    interval: Interval
    ascends: bool

    @property
    def starts_ever(self) -> bool:
        return self.first_ns <= MIN_NS

    def starts(self, times: Times) -> Times:
        if not self.interval:
            return np.full(len(times), 0 if self.starts_ever else self.first_ns, np.int64)
        return times - (times - self.interval.offset_ns) % self.interval.width_ns

    def bounds(self, times: Times) -> tuple[Times, Times]:
        starts = self.starts(times)
        return starts, starts + self.interval.width_ns

    def start(self, time_ns: int) -> int:
        return time_ns - (time_ns - self.interval.offset_ns) % self.interval.width_ns

    def widened(self) -> "Span":
        """By one window before the first, as the first difference needs a point before it."""
        width = self.interval.width_ns
        if self.ascends:
            first = self.first_ns if self.starts_ever else self.first_ns - width
            return Span(first, self.last_ns, self.interval, self.ascends)
        return Span(self.first_ns, self.last_ns + width, self.interval, self.ascends)


def gaps_filled(points: Points, span: Span, fill: str, value: float | None) -> Points:
    """A point for each window, ascending, with no row where it had none. `points` are at windows' beginnings."""
    if not len(points):
        return points
    width = span.interval.width_ns
    begin = int(points.time[0]) if span.starts_ever else span.start(span.first_ns)
    end = max(span.start(span.last_ns), int(points.time[-1]))
    count = (end - begin) // width + 1
    if count > QUERY_POINTS:
        raise too_much("windows of an answer", QUERY_POINTS, "ask for a longer interval or a shorter range")
    places = (points.time - begin) // width
    column = scattered(points.column, places, int(count))
    time = begin + np.arange(count) * width
    if fill == "number" and value is not None:
        column = filled(column, value)
    elif fill == "previous":
        column = (
            carried(column) if span.ascends else carried(column.take(slice(None, None, -1))).take(slice(None, None, -1))
        )
    elif fill == "linear":
        column = _on_lines(column)
    if points.rows is None:
        return Points(time, column)
    rows = np.full(count, -1, np.intp)
    rows[places] = points.rows
    return Points(time, column, rows)


def _on_lines(column: Column) -> Column:
    """What is missing between two is on the line between them."""
    if column.kind not in {FLOAT, INTEGER}:
        return column
    there = np.flatnonzero(column.valid)
    at = np.arange(len(column.valid))
    between = (at >= there[0]) & (at <= there[-1])
    values = np.interp(at, there, column.values[there].astype(np.float64))
    said = np.where(column.valid, column.values, values.astype(np.int64) if column.kind == INTEGER else values)
    return Column(column.kind, said, between)
