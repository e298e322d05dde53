"""Rows of InfluxDB's answers, gathered into columns of many series at a time."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.metrics import FieldClass
from strata_datamodel.tiers import Tier
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.histogram_text import decoded
from strata_stores.influx.influxql import Place, identifier
from strata_stores.influx.names import Column, columns_of, physical_field, window_field
from strata_stores.influx.windows import Spread, Values, Windows, windows_of_points

_ROWS_AT_ONCE: Final = 50_000

Field = tuple[str, FieldClass]


@dataclass(slots=True)
class Rows:
    """Of the answer to one statement: `lengths[i]` rows of the series with the tags `tags[i]`, one after the other."""

    statement: int
    tags: list[Mapping[str, str]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    rows: list[Sequence[Any]] = field(default_factory=list)

    def add(self, part: ResultSeries) -> None:
        if self.tags and self.tags[-1] == part.tags:
            self.lengths[-1] += len(part.values)
        else:
            self.tags.append(part.tags)
            self.lengths.append(len(part.values))
        self.rows.extend(part.values)

    def cut_off_last(self, width_ns: int) -> "Rows":
        """The newest window of the last series, of which more may come: it is gone from here."""
        newest = self.rows[-1][0]
        start = newest - newest % width_ns
        at = bisect_left(self.rows, start, lo=len(self.rows) - self.lengths[-1], key=itemgetter(0))
        rest = Rows(self.statement, [self.tags[-1]], [len(self.rows) - at], self.rows[at:])
        self.lengths[-1] -= rest.lengths[0]
        del self.rows[at:]
        return rest


def gathered(parts: Iterable[ResultSeries], width_ns: int, rows_at_once: int = _ROWS_AT_ONCE) -> Iterator[Rows]:
    """All rows, in memory a bounded number of them at a time. A window's rows are never apart."""
    rows = Rows(-1)
    for part in parts:
        if part.statement != rows.statement:
            if rows.rows:
                yield rows
            rows = Rows(part.statement)
        rows.add(part)
        if len(rows.rows) >= rows_at_once:
            rest = rows.cut_off_last(width_ns)
            if rows.rows:
                yield rows
            rows = rest
    if rows.rows:
        yield rows


def selected(place: Place, fields: Sequence[Field]) -> str:
    """What windows are made of: the values of raw points, or all columns of windows."""
    if place.tier is Tier.RAW:
        return ", ".join(identifier(physical_field(*each)) for each in fields)
    return ", ".join(
        identifier(window_field(name, field_class, column))
        for name, field_class in fields
        for column in columns_of(field_class)
    )


def windows_in(rows: Rows, tier: Tier, fields: Sequence[Field]) -> Iterator[tuple[Field, Windows]]:
    """For each field that `selected` named, the windows that are there."""
    columns = list(zip(*rows.rows, strict=True))
    owners = np.repeat(np.arange(len(rows.tags)), rows.lengths)
    time_ns = np.array(columns[0], np.int64)
    at = 1
    for each in fields:
        width = 1 if tier is Tier.RAW else len(columns_of(each[1]))
        mine = columns[at : at + width]
        at += width
        yield each, (_points if tier is Tier.RAW else _windows)(owners, time_ns, mine, each[1])


def _points(
    owners: NDArray[np.int64], time_ns: NDArray[np.int64], columns: Sequence[Any], field_class: FieldClass
) -> Windows:
    values, is_there = _values(columns[0], field_class)
    if not is_there.all():
        owners, time_ns, values = owners[is_there], time_ns[is_there], values[is_there]
    return windows_of_points(owners, time_ns, values, with_spread=field_class is FieldClass.NUMBER)


def _windows(
    owners: NDArray[np.int64], starts: NDArray[np.int64], columns: Sequence[Any], field_class: FieldClass
) -> Windows:
    is_there = np.array([count is not None for count in columns[0]], np.bool_)
    if not is_there.all():
        kept = np.flatnonzero(is_there).tolist()
        owners, starts = owners[is_there], starts[is_there]
        columns = [[column[row] for row in kept] for column in columns]
    by_name = dict(zip(columns_of(field_class), columns, strict=True))
    return Windows(
        owners,
        starts,
        np.array(by_name[Column.COUNT], np.int64),
        _values(by_name[Column.FIRST], field_class)[0],
        np.array(by_name[Column.FIRST_NS], np.int64),
        _values(by_name[Column.LAST], field_class)[0],
        np.array(by_name[Column.LAST_NS], np.int64),
        _spread(by_name) if field_class is FieldClass.NUMBER else None,
    )


def _spread(by_name: Mapping[Column, Sequence[Any]]) -> Spread:
    sums, minima, maxima, rises = (
        np.array(by_name[column], np.float64) for column in (Column.SUM, Column.MIN, Column.MAX, Column.RISE)
    )
    return Spread(sums, minima, maxima, rises, decoded(by_name[Column.HISTOGRAM]))


def _values(column: Sequence[Any], field_class: FieldClass) -> tuple[Values, NDArray[np.bool_]]:
    """And which of them are there."""
    if field_class is FieldClass.STRING:
        texts = np.array(column, object)
        return texts, np.array([text is not None for text in column], np.bool_)
    numbers = np.array(column, np.float64)  # null becomes NaN, which no store of ours holds
    return numbers, ~np.isnan(numbers)
