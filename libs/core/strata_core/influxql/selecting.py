"""A resolved SELECT, answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from strata_core.influxql.catalogue import Catalogue, Table
from strata_core.influxql.checking import SELECTORS, TRANSFORMS, Interval, interval_of
from strata_core.influxql.columns import FLOAT, Column, Times, carried, filled, missing
from strata_core.influxql.conditions import MATH, TimeRange, split_condition
from strata_core.influxql.evaluating import evaluated
from strata_core.influxql.functions import (
    Points,
    aggregated,
    distinct,
    distinct_counts,
    extremes,
    integral,
    windowed,
)
from strata_core.influxql.pushing import Pusher, can_group, can_push, sure_filters, tag_filters
from strata_core.influxql.reading import Reader, kept_from_ns
from strata_core.influxql.resolving import TAG, Resolved, extras
from strata_core.influxql.rows import Block, Group, GroupKey, grouped, possibly_meets
from strata_core.influxql.syntax import (
    MAX_NS,
    MIN_NS,
    Binary,
    Call,
    Duration,
    Expr,
    Field,
    Integer,
    Number,
    Paren,
    Ref,
    refs,
    walk,
)
from strata_core.influxql.transforms import transformed
from strata_core.influxql.windows import Span, gaps_filled
from strata_core.metrics.rules import too_many_points
from strata_datamodel.limits import QUERY_POINTS, QUERY_RAW_POINTS
from strata_datamodel.metrics import TagFilter

_SECOND_NS: Final = 1_000_000_000
_UNFILLED: Final = frozenset({"top", "bottom", "distinct", "integral"})


@dataclass(frozen=True, slots=True)
class Answered:
    """One series of an answer: rows in its order."""

    name: str
    tags: Mapping[str, str]
    time: Times
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a statement reads, all of one organization."""

    catalogue: Catalogue
    reader: Reader
    pusher: Pusher
    now_ns: int


@dataclass(frozen=True, slots=True)
class Outer:
    """What a query tells those within it."""

    times: TimeRange = field(default_factory=TimeRange)
    interval: Interval = field(default_factory=Interval)
    dimensions: tuple[str, ...] = ()
    ascends: bool | None = None


@dataclass(slots=True)
class _Asked:
    """A SELECT with all that it inherits."""

    resolved: Resolved
    stores: Stores
    condition: Expr | None
    span: Span
    dimensions: tuple[str, ...]
    is_within: bool
    _groups: dict[Span, dict[GroupKey, Group]] = field(default_factory=dict)
    _filters: tuple[TagFilter, ...] | None = None

    @property
    def tables(self) -> list[Table]:
        return [each for each in self.resolved.sources if isinstance(each, Table)]

    def groups(self, span: Span) -> dict[GroupKey, Group]:
        if span not in self._groups:
            blocks = [block for source in self.resolved.sources for block in _blocks(self, source, span)]
            select = self.resolved.select
            found = grouped(blocks, self.dimensions)
            self._groups[span] = _some(found, select.series_limit, select.series_offset)
        return self._groups[span]


def answered(resolved: Resolved, stores: Stores, outer: Outer | None = None) -> list[Answered]:
    """Raises QueryError, LimitError and what stores raise."""
    select = resolved.select
    condition, times = split_condition(select.condition, stores.now_ns)
    own = interval_of(select, stores.now_ns)
    above = outer or Outer()
    interval = own or above.interval
    times = times.within(above.times)
    ascends = select.is_ascending if above.ascends is None else above.ascends
    last = MAX_NS if times.last_ns is None else times.last_ns
    if interval and times.last_ns is None:
        last = stores.now_ns
    span = Span(MIN_NS if times.first_ns is None else times.first_ns, last, interval, ascends)
    dimensions = tuple(sorted({*resolved.dimensions, *above.dimensions}))
    asked = _Asked(resolved, stores, condition, span, dimensions, outer is not None)
    if span.first_ns > span.last_ns:
        return []
    calls = list(dict.fromkeys(call for each in select.fields for call in outermost_calls(each.expr)))
    found = _called(asked, calls) if calls else _raw(asked)
    rows = 0
    kept = []
    for each in found:
        rows += len(each.time)
        if rows > QUERY_POINTS:
            raise too_many_points(QUERY_POINTS)
        kept.append(each)
    return kept if ascends else kept[::-1]


def _some(groups: dict[GroupKey, Group], limit: int, offset: int) -> dict[GroupKey, Group]:
    """Of each measurement."""
    if not limit and not offset:
        return groups
    kept: dict[GroupKey, Group] = {}
    for name in dict.fromkeys(key[0] for key in groups):
        keys = [key for key in groups if key[0] == name]
        kept |= {key: groups[key] for key in keys[offset : offset + limit]}
    return kept


def _blocks(asked: _Asked, source: "Table | Resolved", span: Span) -> Iterator[Block]:
    if isinstance(source, Resolved):
        yield from _subquery_blocks(asked, source, span)
        return
    select = asked.resolved.select
    named = {name for each in select.fields for name in refs(each.expr)} | refs(asked.condition)
    fields = sorted(named & set(source.fields))
    selected = {name for each in select.fields for name in refs(each.expr)} & set(source.fields)
    if not selected:
        return
    catalogue = asked.stores.catalogue
    keys = catalogue.series(source.name, fields, sure_filters(asked.condition, [source]))
    known = frozenset(source.fields)
    kept = [key for key in keys if possibly_meets(asked.condition, dict(key.tags), known)]
    first = max(span.first_ns, kept_from_ns(asked.stores.reader.state)) if span.starts_ever else span.first_ns
    for block in asked.stores.reader.blocks(source, kept, first, span.last_ns, QUERY_RAW_POINTS):
        found = block.kept(asked.condition, span.first_ns, span.last_ns)
        if len(found.time):
            yield found


def _subquery_blocks(asked: _Asked, source: Resolved, span: Span) -> Iterator[Block]:
    outer = Outer(
        TimeRange(None if span.starts_ever else span.first_ns, None if span.last_ns >= MAX_NS else span.last_ns),
        span.interval,
        asked.dimensions,
        span.ascends,
    )
    for series in answered(source, asked.stores, outer):
        columns = dict(zip(source.columns, series.columns, strict=True))
        block = Block(series.name, series.tags, series.time, columns)
        if not span.ascends:
            turned = {name: each.take(slice(None, None, -1)) for name, each in columns.items()}
            block = Block(series.name, series.tags, series.time[::-1], turned)
        found = block.kept(asked.condition, MIN_NS, MAX_NS)
        if len(found.time):
            yield found


def _raw(asked: _Asked) -> Iterator[Answered]:
    select = asked.resolved.select
    names = sorted({name for each in select.fields for name in refs(each.expr)})
    told = [name for name in names if asked.resolved.kind(name) not in {TAG, None}]
    for key, group in asked.groups(asked.span).items():
        columns = {name: group.column(name) for name in names}
        rows = (
            np.flatnonzero(np.logical_or.reduce([columns[name].valid for name in told])) if told else np.empty(0, int)
        )
        if asked.is_within or not told:
            rows = np.arange(len(group.time)) if told else rows
        rows = _cut(rows if asked.span.ascends else rows[::-1], select.limit, select.offset)
        if not len(rows):
            continue
        values: dict[Expr, Column] = {Ref(name): _default(asked, column.take(rows)) for name, column in columns.items()}
        yield _row_series(asked, key, group.time[rows], values)


def _default(asked: _Asked, column: Column) -> Column:
    """What a row says that says nothing."""
    select = asked.resolved.select
    if select.fill == "number" and select.fill_value is not None:
        return filled(column, select.fill_value)
    return carried(column) if select.fill == "previous" else column


def _row_series(asked: _Asked, key: GroupKey, time: Times, values: Mapping[Expr, Column]) -> Answered:
    def lookup(expr: Expr) -> Column:
        expr = Ref(expr.name) if isinstance(expr, Ref) else expr
        return values.get(expr) or missing(FLOAT, len(time))

    exprs = [each for item in asked.resolved.select.fields for each in (item.expr, *extras(item))]
    columns = [evaluated(expr, lookup).sized(len(time)) for expr in exprs]
    return Answered(key[0], dict(zip(asked.dimensions, key[1], strict=True)), time, columns)


def _cut(rows: np.ndarray, limit: int, offset: int) -> np.ndarray:
    return rows[offset : offset + limit] if limit else rows[offset:]


def _called(asked: _Asked, calls: Sequence[Call]) -> Iterator[Answered]:
    others = _plain_refs(asked.resolved.select.fields)
    is_selector = len(calls) == 1 and calls[0].name in SELECTORS
    asked._filters = _pushable(asked, calls, others, is_single_selector=is_selector)  # noqa: SLF001
    found = {call: _points(asked, call, asked.span, is_selector=is_selector) for call in calls}
    for key in sorted({key for points in found.values() for key in points}):
        yield from _joined_calls(asked, key, {call: found[call][key] for call in calls if key in found[call]}, others)


def _joined_calls(
    asked: _Asked, key: GroupKey, points: Mapping[Call, Points], others: Sequence[str]
) -> Iterator[Answered]:
    select = asked.resolved.select
    cut = {call: each.take(_cut(np.arange(len(each)), select.limit, select.offset)) for call, each in points.items()}
    cut = {call: each for call, each in cut.items() if len(each)}
    if not cut:
        return
    if len(cut) == 1:
        ((call, only),) = cut.items()
        values: dict[Expr, Column] = {call: _default(asked, only.column)}
        if others and only.rows is not None:
            group = asked.groups(asked.span)[key]
            values |= {Ref(name): _default(asked, _beside(group.column(name), only.rows)) for name in others}
        yield _row_series(asked, key, only.time, _with_defaults(asked, values, points, len(only)))
        return
    time, places = _merged([each.time for each in cut.values()], ascends=asked.span.ascends)
    spread: dict[Expr, Column] = {
        call: _default(asked, _spread(each.column, at, len(time)))
        for (call, each), at in zip(cut.items(), places, strict=True)
    }
    yield _row_series(asked, key, time, _with_defaults(asked, spread, points, len(time)))


def _beside(column: Column, rows: np.ndarray) -> Column:
    there = column.take(np.maximum(rows, 0))
    return Column(there.kind, there.values, there.valid & (rows >= 0))


def _with_defaults(
    asked: _Asked, values: dict[Expr, Column], calls: Mapping[Call, Points], count: int
) -> dict[Expr, Column]:
    """Functions that have nothing to tell of a group are told by the default too."""
    select = asked.resolved.select
    for each in select.fields:
        for call in outermost_calls(each.expr):
            if call not in values:
                kind = calls[call].column.kind if call in calls else FLOAT
                values[call] = _default(asked, missing(kind, count))
    return values


def _spread(column: Column, at: np.ndarray, count: int) -> Column:
    spread = missing(column.kind, count)
    spread.values[at], spread.valid[at] = column.values, column.valid
    return spread


def _merged(times: Sequence[Times], *, ascends: bool) -> tuple[Times, list[np.ndarray]]:
    """All times, and where each list's are among them. What one list tells twice stays two."""
    pairs = [np.stack((each if ascends else -each, _repetitions(each))) for each in times]
    whole, inverse = np.unique(np.concatenate(pairs, axis=1), axis=1, return_inverse=True)
    ends = np.cumsum([len(each) for each in times])
    return whole[0] if ascends else -whole[0], np.split(inverse.ravel(), ends[:-1])


def _repetitions(times: Times) -> Times:
    begins = np.concatenate(([True], times[1:] != times[:-1])) if len(times) else np.empty(0, bool)
    at = np.arange(len(times))
    return at - np.maximum.accumulate(np.where(begins, at, 0))


def outermost_calls(expr: Expr) -> Iterator[Call]:
    match expr:
        case Call(name=name, args=args) if name in MATH:
            for arg in args:
                yield from outermost_calls(arg)
        case Call():
            yield expr
        case Paren(inner=inner):
            yield from outermost_calls(inner)
        case Binary(left=left, right=right):
            yield from outermost_calls(left)
            yield from outermost_calls(right)


def _plain_refs(fields: Sequence[Field]) -> list[str]:
    """Fields and tags that stand outside of functions, or beside what `top` looks at."""
    found: dict[str, None] = {}
    for each in fields:
        inside = {id(node) for call in outermost_calls(each.expr) for node in walk(call)}
        found |= {node.name: None for node in walk(each.expr) if isinstance(node, Ref) and id(node) not in inside}
        found |= {ref.name: None for ref in extras(each)}
    return list(found)


def _innermost(call: Call) -> Call:
    while call.name in TRANSFORMS and isinstance(call.args[0], Call):
        call = call.args[0]
    return call


def _pushable(
    asked: _Asked, calls: Sequence[Call], others: Sequence[str], *, is_single_selector: bool
) -> tuple[TagFilter, ...] | None:
    """Filters, if the store can answer all functions by itself."""
    select = asked.resolved.select
    if len(asked.tables) != len(asked.resolved.sources) or others or select.series_limit or select.series_offset:
        return None
    if not can_group(asked.dimensions):
        return None
    leaves = [_innermost(call) for call in calls]
    if not all(
        can_push(each, asked.tables, asked.span.interval, is_single_selector=is_single_selector) for each in leaves
    ):
        return None
    return tag_filters(asked.condition, asked.tables)


def _points(asked: _Asked, call: Call, span: Span, *, is_selector: bool) -> dict[GroupKey, Points]:
    """What a function tells, in the direction of the answer."""
    if call.name in TRANSFORMS:
        return _changes(asked, call, span)
    if asked._filters is not None:  # noqa: SLF001
        found = asked.stores.pusher.answer(call, asked.tables, span, asked._filters, asked.dimensions)  # noqa: SLF001
    else:
        found = {key: _reckoned(asked, call, group, span) for key, group in asked.groups(span).items()}
    done = {}
    for key, points in found.items():
        if not len(points):
            continue
        done[key] = _placed(asked, call, points, span, is_selector=is_selector)
    return done


def _placed(asked: _Asked, call: Call, points: Points, span: Span, *, is_selector: bool) -> Points:
    """At windows' beginnings, and with what is said of windows that have none."""
    select = asked.resolved.select
    if call.name not in {"top", "bottom", "integral"} and (span.interval or not is_selector):
        points = Points(span.starts(points.time) if len(points) else points.time, points.column, points.rows)
    fill, value = select.fill, select.fill_value
    if asked.is_within and fill == "null":
        fill = "none"
    if span.interval and fill != "none" and call.name not in _UNFILLED:
        if fill == "null" and call.name == "count":
            fill, value = "number", 0
        points = gaps_filled(points, span, fill, value)
    return points if span.ascends or call.name == "integral" else points.take(slice(None, None, -1))


def _reckoned(asked: _Asked, call: Call, group: Group, span: Span) -> Points:
    """Ascending."""
    argument = call.args[0]
    if call.name == "count" and isinstance(argument, Call):
        return _counted(argument.args[0], group, span)
    name = argument.name if isinstance(argument, Ref) else ""
    column = group.column(name) if asked.resolved.kind(name) != TAG else missing(FLOAT, len(group.time))
    data = windowed(group.time, column, np.arange(len(group.time)), span.starts(group.time))
    if not len(data.time):
        return Points(data.time, missing(FLOAT, 0))
    match call.name:
        case "distinct":
            return distinct(data)
        case "top" | "bottom":
            tags = [ref.name for ref in extras(Field(call))]
            owners = group.owners(tags)[data.rows] if tags else None
            count = call.args[-1].value if isinstance(call.args[-1], Integer) else 1
            return extremes(data, int(count), is_top=call.name == "top", series=owners)
        case "integral":
            step = slice(None) if span.ascends else slice(None, None, -1)
            bounds = span.bounds if span.interval else None
            return integral(data.time[step], data.values[step], _unit(call, _SECOND_NS), bounds)
        case _:
            last = call.args[-1]
            return aggregated(call.name, data, float(last.value) if isinstance(last, Integer | Number) else 0.0)


def _counted(argument: Expr, group: Group, span: Span) -> Points:
    """How many different values."""
    name = argument.name if isinstance(argument, Ref) else ""
    data = windowed(group.time, group.column(name), np.arange(len(group.time)), span.starts(group.time))
    return distinct_counts(data) if len(data.time) else Points(data.time, missing(FLOAT, 0))


def _changes(asked: _Asked, call: Call, span: Span) -> dict[GroupKey, Points]:
    argument = call.args[0]
    if isinstance(argument, Call):
        widened = span if call.name == "cumulative_sum" else span.widened()
        inner = _points(asked, argument, widened, is_selector=False)
        inner = {key: each.take(each.column.valid) for key, each in inner.items()}
    else:
        inner = dict(_own_points(asked, argument, span))
    width = span.interval.width_ns or _SECOND_NS
    unit = _unit(call, 1 if call.name == "elapsed" else width)
    size = call.args[1].value if call.name == "moving_average" and isinstance(call.args[1], Integer) else 0
    found = {
        key: transformed(call.name, points, unit_ns=unit, size=int(size), ascends=span.ascends)
        for key, points in inner.items()
        if len(points)
    }
    return {key: points for key, points in found.items() if len(points)}


def _own_points(asked: _Asked, argument: Expr, span: Span) -> Iterator[tuple[GroupKey, Points]]:
    name = argument.name if isinstance(argument, Ref) else ""
    for key, group in asked.groups(span).items():
        if asked.resolved.kind(name) in {TAG, None}:
            continue
        column = group.column(name)
        rows = np.flatnonzero(column.valid)
        rows = rows if span.ascends else rows[::-1]
        yield key, Points(group.time[rows], column.take(rows))


def _unit(call: Call, otherwise: int) -> int:
    return call.args[1].ns if len(call.args) > 1 and isinstance(call.args[1], Duration) else otherwise
