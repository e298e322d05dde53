# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Aggregates of which InfluxDB can only fetch the parts: percentiles and rates over several tiers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.histograms import buckets_of, merged, percentiles
from strata_core.metrics.rules import too_many_points
from strata_datamodel.metrics import Aggregate, FieldClass, MetricQuery
from strata_datamodel.tiers import Stretch, Tier
from strata_stores.influx.answering import NS_PER_MS, AnswerLimits, Ask, Label, Windows, check_size, label_of
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.histogram_text import decoded
from strata_stores.influx.influxql import Bindings, Place, conditions, identifier
from strata_stores.influx.names import TIER, Column, physical_field, physical_tag, window_field
from strata_stores.influx.stitched_folds import part_of

_ENDS = (Column.FIRST, Column.FIRST_NS, Column.LAST, Column.LAST_NS, Column.RISE)

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(slots=True)
class Labels:
    """Numbers for labels, in the order they came."""

    numbers: dict[Label, int] = field(default_factory=dict)

    def number(self, label: Label) -> int:
        return self.numbers.setdefault(label, len(self.numbers))


def stitched_percentiles(
    ask: Ask, database: str, query: MetricQuery, field_class: FieldClass, limits: AnswerLimits
) -> dict[Label, Windows]:
    labels = Labels()
    found = [(np.empty(0, np.int64),) * 4]
    tags = ", ".join(identifier(physical_tag(tag)) for tag in query.group_by)
    grouping = f" GROUP BY {tags}" if tags else ""
    for stretch, part in _parts(ask, database, query, field_class, (Column.HISTOGRAM,), grouping, limits):
        times, column = zip(*part.values, strict=True)
        starts = _starts(np.array(times, np.int64), query)
        if stretch.tier is Tier.RAW:
            buckets = buckets_of(np.array(column, np.float64))
            counts = np.ones(len(buckets), np.int64)
        else:
            histograms = decoded(column)
            starts, buckets, counts = starts[histograms.rows], histograms.buckets, histograms.counts
        groups = np.full(len(starts), labels.number(label_of(part.tags, query)))
        found.append((groups, starts, buckets, counts))
    groups, starts, buckets, counts = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((starts, groups))
    groups, starts, buckets, counts = groups[order], starts[order], buckets[order], counts[order]
    firsts = _firsts(groups, starts)
    windows = np.repeat(np.arange(len(firsts)), np.diff(np.append(firsts, len(groups))))
    _, values = percentiles(*merged(windows, buckets, counts), query.percentile or 0.0)
    return _told(labels, groups[firsts], starts[firsts], values, limits)


def stitched_rates(
    ask: Ask, database: str, query: MetricQuery, field_class: FieldClass, limits: AnswerLimits
) -> dict[Label, Windows]:
    """A point is a window that ends where it begins. What a counter rose between two belongs to the later."""
    series, labels = Labels(), Labels()
    label_numbers: list[int] = []
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), *_no_ends())]
    for stretch, part in _parts(ask, database, query, field_class, _ENDS, " GROUP BY *", limits):
        number = series.number(_series_key(part.tags))
        if number == len(label_numbers):
            label_numbers.append(labels.number(label_of(part.tags, query)))
        ends = _ends_of_points(part) if stretch.tier is Tier.RAW else _ends_of_windows(part)
        found.append((np.full(len(part.values), number), _starts(ends[1], query), *ends))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable")  # stretches came in order of time
    owners, starts, first, first_ns, last, last_ns, rise = (column[order] for column in columns)
    if not len(owners):
        return {}
    is_joined = owners[1:] == owners[:-1]
    seconds = (last_ns - first_ns) / 1e9
    seconds[1:] += np.where(is_joined, (first_ns[1:] - last_ns[:-1]) / 1e9, 0.0)
    rise[1:] += np.where(is_joined, np.where(first[1:] >= last[:-1], first[1:] - last[:-1], first[1:]), 0.0)
    firsts = _firsts(owners, starts)
    took = np.add.reduceat(seconds, firsts)
    rates = np.add.reduceat(rise, firsts)[took > 0]
    if query.aggregate is Aggregate.RATE:
        rates /= took[took > 0]
    of_label = np.array(label_numbers, np.int64)[owners[firsts]][took > 0]
    return _added_up(labels, of_label, starts[firsts][took > 0], rates, limits)


def _parts(
    ask: Ask,
    database: str,
    query: MetricQuery,
    field_class: FieldClass,
    columns: tuple[Column, ...],
    grouping: str,
    limits: AnswerLimits,
) -> Iterator[tuple[Stretch, ResultSeries]]:
    bindings = Bindings()
    statements = []
    for stretch in query.stretches:
        names = [window_field(query.field, field_class, column) for column in columns]
        if stretch.tier is Tier.RAW:
            names = [physical_field(query.field, field_class)]
        source = Place(database, stretch.tier).source(query.measurement)
        where = conditions(part_of(query, stretch), bindings)
        statements.append(f"SELECT {', '.join(map(identifier, names))} FROM {source} WHERE {where}{grouping}")
    fetched = 0
    with ask(statements, bindings) as parts:
        for part in parts:
            fetched += len(part.values)
            if fetched > limits.readings:
                raise too_many_points(limits.readings)
            if part.values:
                yield query.stretches[part.statement], part


def _no_ends() -> tuple[Numbers, Integers, Numbers, Integers, Numbers]:
    return np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64), np.empty(0)


def _ends_of_points(part: ResultSeries) -> tuple[Numbers, Integers, Numbers, Integers, Numbers]:
    times, column = zip(*part.values, strict=True)
    time_ns, values = np.array(times, np.int64), np.array(column, np.float64)
    return values, time_ns, values, time_ns, np.zeros(len(values))


def _ends_of_windows(part: ResultSeries) -> tuple[Numbers, Integers, Numbers, Integers, Numbers]:
    _, first, first_ns, last, last_ns, rise = zip(*part.values, strict=True)
    numbers = [np.array(column, np.float64) for column in (first, last, rise)]
    times = [np.array(column, np.int64) for column in (first_ns, last_ns)]
    return numbers[0], times[0], numbers[1], times[1], numbers[2]


def _series_key(tags: Mapping[str, str]) -> Label:
    return tuple(text for name, value in sorted(tags.items()) if value and name != TIER for text in (name, value))


def _starts(time_ns: Integers, query: MetricQuery) -> Integers:
    if query.step_ns is None:
        return np.full(len(time_ns), query.from_ns)
    return time_ns - time_ns % query.step_ns


def _firsts(groups: Integers, starts: Integers) -> NDArray[np.intp]:
    is_first = np.ones(len(groups), np.bool_)
    is_first[1:] = (np.diff(groups) != 0) | (np.diff(starts) != 0)
    return np.flatnonzero(is_first)


def _added_up(
    labels: Labels, groups: Integers, starts: Integers, values: Numbers, limits: AnswerLimits
) -> dict[Label, Windows]:
    order = np.lexsort((starts, groups))
    groups, starts, values = groups[order], starts[order], values[order]
    firsts = _firsts(groups, starts)
    totals = np.add.reduceat(values, firsts) if len(firsts) else values
    return _told(labels, groups[firsts], starts[firsts], totals, limits)


def _told(
    labels: Labels, groups: Integers, starts: Integers, values: Numbers, limits: AnswerLimits
) -> dict[Label, Windows]:
    """Rows are by group, then by time."""
    names = list(labels.numbers)
    answer: dict[Label, Windows] = {}
    for group, start, value in zip(groups.tolist(), (starts // NS_PER_MS).tolist(), values.tolist(), strict=True):
        answer.setdefault(names[group], []).append((start, value))
    check_size(answer, len(values), limits)
    return answer
