# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Aggregates that InfluxDB folds by itself, in each tier as in raw points."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from strata_core.metrics.rules import too_many_points
from strata_datamodel.metrics import Aggregate, FieldClass, MetricQuery
from strata_datamodel.tiers import Stretch, Tier
from strata_stores.influx.answering import NS_PER_MS, AnswerLimits, Ask, Label, Windows, check_size, label_of
from strata_stores.influx.influxql import Bindings, Place, conditions, folded, grouped, identifier
from strata_stores.influx.names import Column, physical_field, window_field

_RAW: Final[Mapping[Aggregate, Sequence[str]]] = {
    Aggregate.COUNT: ("count",),
    Aggregate.SUM: ("sum",),
    Aggregate.MIN: ("min",),
    Aggregate.MAX: ("max",),
    Aggregate.AVG: ("sum", "count"),
}
_OF_WINDOWS: Final[Mapping[Aggregate, Sequence[tuple[str, Column]]]] = {
    Aggregate.COUNT: (("sum", Column.COUNT),),
    Aggregate.SUM: (("sum", Column.SUM),),
    Aggregate.MIN: (("min", Column.MIN),),
    Aggregate.MAX: (("max", Column.MAX),),
    Aggregate.AVG: (("sum", Column.SUM), ("sum", Column.COUNT)),
}
_JOINED: Final[Mapping[Aggregate, Callable[[float, float], float]]] = {Aggregate.MIN: min, Aggregate.MAX: max}


def part_of(query: MetricQuery, stretch: Stretch) -> MetricQuery:
    return replace(query, from_ns=stretch.from_ns, to_ns=stretch.to_ns, stretches=())


def stitched_folds(
    ask: Ask, database: str, query: MetricQuery, field_class: FieldClass, limits: AnswerLimits
) -> dict[Label, Windows]:
    bindings = Bindings()
    statements = [_fold(database, part_of(query, each), each.tier, field_class, bindings) for each in query.stretches]
    groups: dict[Label, dict[int, Sequence[float]]] = {}
    joined = _JOINED.get(query.aggregate, float.__add__)
    points = 0
    with ask(statements, bindings) as parts:
        for part in parts:
            windows = groups.setdefault(label_of(part.tags, query), {})
            points -= len(windows)
            for row in part.values:
                start = query.from_ns if query.step_ns is None else row[0]
                values, known = [float(value) for value in row[1:]], windows.get(start)
                windows[start] = values if known is None else list(map(joined, known, values))
            points += len(windows)
            check_size(groups, points, limits)
    return {
        label: [(start // NS_PER_MS, _told(values)) for start, values in sorted(windows.items())]
        for label, windows in groups.items()
    }


def stitched_ends(
    ask: Ask, database: str, query: MetricQuery, field_class: FieldClass, limits: AnswerLimits
) -> dict[Label, Windows]:
    """Stretches follow each other: the first that has anything in a window has its first value."""
    bindings = Bindings()
    stretches = query.stretches if query.aggregate is Aggregate.LAST else query.stretches[::-1]
    statements = [_end(database, part_of(query, each), each.tier, field_class, bindings) for each in stretches]
    groups: dict[Label, dict[int, tuple[int, int, Any]]] = {}
    fetched = 0
    with ask(statements, bindings) as parts:
        for part in parts:
            fetched += len(part.values)
            if fetched > limits.readings:
                raise too_many_points(limits.readings)
            windows = groups.setdefault(label_of(part.tags, query), {})
            for row in part.values:
                start = query.from_ns if query.step_ns is None else row[0]
                found = (part.statement, _lateness(row, query.aggregate), row[1])
                windows[start] = max(windows.get(start, found), found)
    check_size(groups, sum(map(len, groups.values())), limits)
    return {
        label: [
            (start // NS_PER_MS, value if isinstance(value, str) else float(value))
            for start, (_, _, value) in sorted(windows.items())
        ]
        for label, windows in groups.items()
    }


def _lateness(row: Sequence[Any], aggregate: Aggregate) -> int:
    """The greater, the nearer to the end that is asked for. InfluxDB has chosen among raw points already."""
    at = int(row[2]) if len(row) > 2 else 0
    return at if aggregate is Aggregate.LAST else -at


def _told(values: Sequence[float]) -> float:
    return values[0] / values[1] if len(values) > 1 else values[0]


def _fold(database: str, query: MetricQuery, tier: Tier, field_class: FieldClass, bindings: Bindings) -> str:
    if tier is Tier.RAW:
        column = identifier(physical_field(query.field, field_class))
        values = [f"{function}({column})" for function in _RAW[query.aggregate]]
    else:
        values = [
            f"{function}({identifier(window_field(query.field, field_class, column))})"
            for function, column in _OF_WINDOWS[query.aggregate]
        ]
    named = ", ".join(f"{value} AS v{number}" for number, value in enumerate(values))
    source = Place(database, tier).source(query.measurement)
    return f"SELECT {named} FROM {source} WHERE {conditions(query, bindings)}{grouped(query)}"


def _end(database: str, query: MetricQuery, tier: Tier, field_class: FieldClass, bindings: Bindings) -> str:
    place = Place(database, tier)
    if tier is Tier.RAW:
        return folded(place, query, field_class, bindings)
    is_last = query.aggregate is Aggregate.LAST
    columns = (Column.LAST, Column.LAST_NS) if is_last else (Column.FIRST, Column.FIRST_NS)
    value, at = (identifier(window_field(query.field, field_class, column)) for column in columns)
    function = "last" if is_last else "first"
    # By series: which of their last windows ends last, InfluxDB cannot tell.
    return (
        f"SELECT {function}({value}) AS value, {at} AS at FROM {place.source(query.measurement)} "
        f"WHERE {conditions(query, bindings)}{grouped(replace(query, group_by=()), '*')}"
    )
