"""What any metric store has to answer, written for reading and not for speed."""

import math
import operator
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from factories.point_batches import Point
from strata_datamodel.metrics import COUNTED, Aggregate, FilterOp, MetricQuery, TagFilter, ValueFilter, ValueOp

Answer = dict[tuple[str, ...], list[tuple[int, float | str]]]


def expected_answer(points: Iterable[Point], query: MetricQuery) -> Answer:
    """Of points of one type class."""
    last_written = {(each.series, each.time_ns): each for each in points}
    asked = [
        each
        for each in last_written.values()
        if (each.measurement, each.field) == (query.measurement, query.field)
        and query.from_ns <= each.time_ns < query.to_ns
        and all(_matches(dict(each.tags), tag_filter) for tag_filter in query.filters)
        and all(_has(each.value, value_filter) for value_filter in query.value_filters)
    ]
    groups: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for each in asked:
        groups[tuple(dict(each.tags).get(tag, "") for tag in query.group_by)].append(each)
    answer = {group: _windows(members, query) for group, members in sorted(groups.items())}
    return {group: windows for group, windows in answer.items() if windows}


def _matches(tags: dict[str, str], tag_filter: TagFilter) -> bool:
    value = tags.get(tag_filter.tag, "")
    match tag_filter.op:
        case FilterOp.EQ | FilterOp.IN:
            return value in tag_filter.values
        case FilterOp.NE:
            return value not in tag_filter.values
        case FilterOp.MATCH:
            return re.search(tag_filter.values[0], value) is not None
        case FilterOp.NO_MATCH:
            return re.search(tag_filter.values[0], value) is None


def _has(value: float | str, value_filter: ValueFilter) -> bool:
    comparisons = {
        ValueOp.EQ: operator.eq,
        ValueOp.NE: operator.ne,
        ValueOp.LT: operator.lt,
        ValueOp.LE: operator.le,
        ValueOp.GT: operator.gt,
        ValueOp.GE: operator.ge,
        ValueOp.MATCH: lambda text, pattern: re.search(pattern, text) is not None,
        ValueOp.NO_MATCH: lambda text, pattern: re.search(pattern, text) is None,
    }
    return comparisons[value_filter.op](value, value_filter.value)


def _windows(points: list[Point], query: MetricQuery) -> list[tuple[int, float | str]]:
    if query.aggregate in COUNTED:
        folded = _rates(points, query)
    else:
        windows: dict[int, list[Point]] = defaultdict(list)
        for each in points:
            windows[_start(each.time_ns, query)].append(each)
        folded = {start: _fold(members, query) for start, members in windows.items()}
    return [(start // 1_000_000, value) for start, value in sorted(folded.items())]


def _start(time_ns: int, query: MetricQuery) -> int:
    return query.from_ns if query.step_ns is None else time_ns // query.step_ns * query.step_ns


def _fold(points: list[Point], query: MetricQuery) -> float | str:
    values = sorted(each.value for each in points)
    folds = {
        Aggregate.COUNT: lambda: len(values),
        Aggregate.SUM: lambda: math.fsum(values),
        Aggregate.AVG: lambda: math.fsum(values) / len(values),
        Aggregate.MIN: lambda: values[0],
        Aggregate.MAX: lambda: values[-1],
        Aggregate.FIRST: lambda: max((-each.time_ns, each.value) for each in points)[1],
        Aggregate.LAST: lambda: max((each.time_ns, each.value) for each in points)[1],
        Aggregate.DISTINCT: lambda: len(set(values)),
        Aggregate.MODE: lambda: min(values, key=lambda value: (-values.count(value), value)),
        Aggregate.PERCENTILE: lambda: values[max(1, math.floor(len(values) * query.percentile / 100 + 0.5)) - 1],
    }
    return folds[query.aggregate]()


def _rates(points: list[Point], query: MetricQuery) -> dict[int, float]:
    readings: dict[object, list[Point]] = defaultdict(list)
    for each in sorted(points, key=lambda point: point.time_ns):
        readings[each.series].append(each)
    total: dict[int, float] = defaultdict(float)
    for counter in readings.values():
        added: dict[int, float] = defaultdict(float)
        took: dict[int, float] = defaultdict(float)
        for before, after in pairwise(counter):
            start = _start(after.time_ns, query)
            added[start] += after.value - before.value if after.value >= before.value else after.value
            took[start] += (after.time_ns - before.time_ns) / 1e9
        for start, increase in added.items():
            total[start] += increase / took[start] if query.aggregate is Aggregate.RATE else increase
    return total
