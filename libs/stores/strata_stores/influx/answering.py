"""Answers of InfluxDB gathered into ours."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strata_core.metrics.counters import rates_by_window
from strata_core.metrics.rules import (
    FIELD_CLASS_ORDER,
    check_class,
    check_value_filters,
    too_many_points,
    too_many_series,
    window_start,
)
from strata_datamodel.metrics import COUNTED, Aggregate, AnswerSeries, FieldClass, MetricAnswer, MetricQuery
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.influxql import Bindings, Place, field_keys, folded, has_values, readings, values_of
from strata_stores.influx.names import class_of_physical_field, physical_field, physical_tag

NS_PER_MS: Final = 1_000_000

Ask = Callable[[list[str], Bindings], AbstractContextManager[Iterator[ResultSeries]]]
Label = tuple[str, ...]
"""The values of the tags that are grouped by."""
Windows = list[tuple[int, float | str]]


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    series: int
    points: int
    readings: int


def answer(ask: Ask, place: Place, query: MetricQuery, limits: AnswerLimits) -> MetricAnswer:
    """Asks for numbers right away, which most fields are, and looks at other type classes when there are none."""
    if query.value_filters:
        return _answer_of_some_values(ask, place, query, limits)
    bindings = Bindings()
    statements = [field_keys(place, query.measurement), _statement(place, query, FieldClass.NUMBER, bindings)]
    with ask(statements, bindings) as parts:
        classes: set[FieldClass] = set()
        groups = _gather(_without_field_keys(parts, query.field, classes), query, limits)
    if not groups:
        groups = _answer_of_other_classes(ask, place, query, limits, classes)
    return answer_of(groups, query)


def answer_of(groups: Mapping[Label, Windows], query: MetricQuery) -> MetricAnswer:
    return MetricAnswer(
        tuple(
            AnswerSeries(dict(zip(query.group_by, label, strict=True)), tuple(windows))
            for label, windows in sorted(groups.items(), key=lambda group: group[0])
        )
    )


def _answer_of_other_classes(
    ask: Ask, place: Place, query: MetricQuery, limits: AnswerLimits, classes: set[FieldClass]
) -> dict[Label, Windows]:
    field_class = None if classes == {FieldClass.NUMBER} else _class_there_is(ask, place, query, classes)
    if field_class is None:
        return {}
    check_class(query.aggregate, field_class)
    return {} if field_class is FieldClass.NUMBER else _groups_of(ask, place, query, limits, field_class)


def _answer_of_some_values(ask: Ask, place: Place, query: MetricQuery, limits: AnswerLimits) -> MetricAnswer:
    """Whether a filter suits the values is to be known before any are looked at."""
    with ask([field_keys(place, query.measurement)], Bindings()) as parts:
        classes = {field_class for part in parts for field_class in classes_in(part, query.field)}
    field_class = _class_there_is(ask, place, query, classes)
    if field_class is None:
        return MetricAnswer()
    check_class(query.aggregate, field_class)
    check_value_filters(query, field_class)
    return answer_of(_groups_of(ask, place, query, limits, field_class), query)


def _groups_of(
    ask: Ask, place: Place, query: MetricQuery, limits: AnswerLimits, field_class: FieldClass
) -> dict[Label, Windows]:
    bindings = Bindings()
    with ask([_statement(place, query, field_class, bindings)], bindings) as parts:
        return _gather(parts, query, limits)


def _class_there_is(ask: Ask, place: Place, query: MetricQuery, classes: set[FieldClass]) -> FieldClass | None:
    """Field keys are those of all organizations, so whether this one has such points has to be asked."""
    for field_class in FIELD_CLASS_ORDER:
        if field_class not in classes:
            continue
        bindings = Bindings()
        with ask([has_values(place, query, physical_field(query.field, field_class), bindings)], bindings) as parts:
            values = [part.values for part in parts]
        if any(values):
            return field_class
    return None


def _statement(place: Place, query: MetricQuery, field_class: FieldClass, bindings: Bindings) -> str:
    if query.aggregate in COUNTED:
        return readings(place, query, bindings)
    if query.aggregate is Aggregate.MODE:
        return values_of(place, query, field_class, bindings)
    return folded(place, query, field_class, bindings)


def _without_field_keys(parts: Iterable[ResultSeries], field: str, classes: set[FieldClass]) -> Iterator[ResultSeries]:
    """Passes on the second statement's answer, and notes what the first one's says."""
    for part in parts:
        if part.statement > 0:
            yield part
            continue
        classes.update(classes_in(part, field))


def classes_in(part: ResultSeries, field: str) -> Iterator[FieldClass]:
    """Of a field, among field keys."""
    for row in part.values:
        if field_class := class_of_physical_field(str(row[0]), field):
            yield field_class


def _gather(parts: Iterable[ResultSeries], query: MetricQuery, limits: AnswerLimits) -> dict[Label, Windows]:
    if query.aggregate in COUNTED:
        return _gather_rates(parts, query, limits)
    if query.aggregate is Aggregate.MODE:
        return _gather_modes(parts, query, limits)
    groups: dict[Label, Windows] = {}
    points = 0
    for part in parts:
        windows = groups.setdefault(label_of(part.tags, query), [])
        windows.extend(_window(row, query) for row in part.values)
        points += len(part.values)
        check_size(groups, points, limits)
    return groups


def _window(row: Any, query: MetricQuery) -> tuple[int, float | str]:
    """(time, value), and for percentiles the smallest value, which stands in for a rank below one."""
    start_ns = query.from_ns if query.step_ns is None else row[0]
    value = row[1] if row[1] is not None else row[2]
    return start_ns // NS_PER_MS, value if isinstance(value, str) else float(value)


def _gather_modes(parts: Iterable[ResultSeries], query: MetricQuery, limits: AnswerLimits) -> dict[Label, Windows]:
    """InfluxQL's own mode of several is the earliest, so the values come here and are counted."""
    counted: dict[Label, dict[int, Counter[Any]]] = {}
    for part in _limited(parts, limits):
        windows = counted.setdefault(label_of(part.tags, query), {})
        for time_ns, value in part.values:
            start = query.from_ns if query.step_ns is None else time_ns - time_ns % query.step_ns
            windows.setdefault(start, Counter())[value] += 1
    check_size(counted, sum(map(len, counted.values())), limits)
    return {
        label: [(start // NS_PER_MS, _mode(windows[start])) for start in sorted(windows)]
        for label, windows in counted.items()
    }


def _mode(counts: Counter[Any]) -> float | str:
    most = max(counts.values())
    value = min(value for value, count in counts.items() if count == most)
    return value if isinstance(value, str) else float(value)


def _limited(parts: Iterable[ResultSeries], limits: AnswerLimits) -> Iterator[ResultSeries]:
    fetched = 0
    for part in parts:
        fetched += len(part.values)
        if fetched > limits.readings:
            raise too_many_points(limits.readings)
        yield part


def _gather_rates(parts: Iterable[ResultSeries], query: MetricQuery, limits: AnswerLimits) -> dict[Label, Windows]:
    """InfluxQL has no increase that knows restarts, so the readings come here, one counter at a time."""
    totals: dict[Label, dict[int, float]] = {}
    for tags, times, values in _counters(parts, limits):
        origin = window_start(query.from_ns, query.step_ns)
        starts, rates = rates_by_window(
            np.array(times, np.int64),
            np.array(values, np.float64),
            from_ns=origin,
            step_ns=query.step_ns,
            is_per_second=query.aggregate is Aggregate.RATE,
        )
        if len(starts):
            windows = totals.setdefault(label_of(tags, query), {})
            for start, rate in zip(starts.tolist(), rates.tolist(), strict=True):
                windows[start] = windows.get(start, 0.0) + rate
        check_size(totals, sum(len(windows) for windows in totals.values()), limits)
    return {
        label: [(start // NS_PER_MS, rate) for start, rate in sorted(windows.items())]
        for label, windows in totals.items()
    }


def _counters(
    parts: Iterable[ResultSeries], limits: AnswerLimits
) -> Iterator[tuple[Mapping[str, str], list[int], list[float]]]:
    """The parts of one series, which come one after the other, put together."""
    tags: Mapping[str, str] | None = None
    times: list[int] = []
    values: list[float] = []
    for part in _limited(parts, limits):
        if tags is not None and part.tags != tags:
            yield tags, times, values
            times, values = [], []
        tags = part.tags
        times.extend(row[0] for row in part.values)
        values.extend(row[1] for row in part.values)
    if tags is not None:
        yield tags, times, values


def label_of(tags: Mapping[str, str], query: MetricQuery) -> Label:
    return tuple(tags.get(physical_tag(tag), "") for tag in query.group_by)


def check_size(groups: Mapping[tuple[str, ...], Any], points: int, limits: AnswerLimits) -> None:
    if len(groups) > limits.series:
        raise too_many_series(limits.series)
    if points > limits.points:
        raise too_many_points(limits.points)
