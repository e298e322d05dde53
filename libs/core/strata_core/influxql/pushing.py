"""Questions that the metric store answers itself: then tiers answer for what is long ago."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from strata_core.influxql.catalogue import Table
from strata_core.influxql.checking import Interval
from strata_core.influxql.columns import INTEGER, KIND_OF, STRING, Column, of
from strata_core.influxql.functions import Points
from strata_core.influxql.reading import kept_from_ns
from strata_core.influxql.rows import GroupKey
from strata_core.influxql.syntax import Binary, Call, Expr, Integer, Number, Paren, Ref, Regex, Text
from strata_core.influxql.windows import Span
from strata_core.metrics.planning import Asked, plan
from strata_core.metrics.rules import check_query
from strata_core.ports.metric_store import MetricStore
from strata_core.rollups.queries import TierState
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import QUERY_FILTERS, QUERY_GROUP_TAGS, TAG_VALUE_BYTES
from strata_datamodel.metrics import Aggregate, FieldClass, FilterOp, MetricAnswer, MetricQuery, TagFilter
from strata_datamodel.tiers import Tier

_AGGREGATES: Final = {
    "count": Aggregate.COUNT,
    "sum": Aggregate.SUM,
    "mean": Aggregate.AVG,
    "min": Aggregate.MIN,
    "max": Aggregate.MAX,
    "first": Aggregate.FIRST,
    "last": Aggregate.LAST,
    "percentile": Aggregate.PERCENTILE,
}
_NS_PER_MS: Final = 1_000_000
_AHEAD_NS: Final = 86_400_000_000_000
"""Nothing later than this is taken in: where a range has no end, it ends here."""
_LEAST_PERCENT: Final = 50
"""Below it a few values have no percentile in InfluxDB, and one in the store."""


@dataclass(frozen=True, slots=True)
class Pusher:
    store: MetricStore
    organization_id: OrganizationId
    state: TierState
    now_ns: int

    def answer(
        self, call: Call, tables: list[Table], span: Span, filters: tuple[TagFilter, ...], dimensions: tuple[str, ...]
    ) -> dict[GroupKey, Points]:
        """Raises what the planner and the store do."""
        found: dict[GroupKey, Points] = {}
        field = call.args[0]
        for table in tables:
            if not isinstance(field, Ref) or field.name not in table.fields:
                continue
            field_class = table.fields[field.name]
            for series in self._asked(_query(self, call, table, span, filters, dimensions)).series:
                key = table.name, tuple(series.tags.get(tag, "") for tag in dimensions)
                found[key] = _points(series.points, call.name, field_class, span)
        return found

    def _asked(self, query: MetricQuery) -> MetricAnswer:
        check_query(query)
        is_exact = query.aggregate is not Aggregate.PERCENTILE
        planned = plan(Asked(query.from_ns, query.to_ns, query.step_ns, is_exact=is_exact), self.state)
        if not planned.stretches:
            return MetricAnswer()
        stretches = planned.stretches
        is_raw = all(each.tier is Tier.RAW for each in stretches)
        whole = replace(query, from_ns=stretches[0].from_ns, to_ns=stretches[-1].to_ns)
        return self.store.query(whole if is_raw else replace(whole, stretches=stretches))


def can_push(call: Call, tables: list[Table], interval: Interval, *, is_single_selector: bool) -> bool:
    if call.name not in _AGGREGATES or not isinstance(call.args[0], Ref) or call.args[0].cast is not None:
        return False
    if interval.offset_ns or interval.width_ns % _NS_PER_MS or (is_single_selector and not interval):
        return False
    classes = {table.fields[call.args[0].name] for table in tables if call.args[0].name in table.fields}
    if call.name == "percentile" and not _LEAST_PERCENT <= _percent(call) <= 100:
        return False
    return classes <= {FieldClass.NUMBER} or call.name == "count"


def tag_filters(condition: Expr | None, tables: list[Table]) -> tuple[TagFilter, ...] | None:
    """The condition as filters that all have to hold; None for one that says more."""
    found = [_filter(each, tables) for each in _all_of(condition)]
    filters = tuple(each for each in found if each is not None)
    return filters if len(filters) == len(found) <= QUERY_FILTERS else None


def sure_filters(condition: Expr | None, tables: list[Table]) -> tuple[TagFilter, ...]:
    """What has to hold of tags, whatever else the condition says."""
    found = (_filter(each, tables) for each in _all_of(condition))
    return tuple(each for each in found if each is not None)[:QUERY_FILTERS]


def _filter(expr: Expr, tables: list[Table]) -> TagFilter | None:
    match expr:
        case Binary(op=("=" | "!=") as op, left=Ref(name=name, cast=(None | "tag")), right=Text(value=text)):
            pass
        case Binary(op=("=~" | "!~") as op, left=Ref(name=name, cast=(None | "tag")), right=Regex(pattern=text)):
            pass
        case _:
            return None
    if any(name in table.fields for table in tables) or len(text) > TAG_VALUE_BYTES:
        return None
    return TagFilter(name, FilterOp(op), (text,))


def can_group(dimensions: tuple[str, ...]) -> bool:
    return len(dimensions) <= QUERY_GROUP_TAGS and all(dimensions)


def _all_of(condition: Expr | None) -> Iterator[Expr]:
    match condition:
        case None:
            return
        case Paren(inner=inner):
            yield from _all_of(inner)
        case Binary(op="AND", left=left, right=right):
            yield from _all_of(left)
            yield from _all_of(right)
        case _:
            yield condition


def _percent(call: Call) -> float:
    last = call.args[-1]
    return float(last.value) if isinstance(last, Integer | Number) else 0.0


def _query(
    pusher: Pusher, call: Call, table: Table, span: Span, filters: tuple[TagFilter, ...], dimensions: tuple[str, ...]
) -> MetricQuery:
    field = call.args[0]
    from_ns = max(span.first_ns, kept_from_ns(pusher.state)) if span.starts_ever else span.first_ns
    last_ns = min(span.last_ns, max(pusher.now_ns, from_ns) + _AHEAD_NS)
    return MetricQuery(
        organization_id=pusher.organization_id,
        measurement=table.name,
        field=field.name if isinstance(field, Ref) else "",
        aggregate=_AGGREGATES[call.name],
        from_ns=from_ns,
        to_ns=max(last_ns + 1, from_ns + 1),
        step_ns=span.interval.width_ns or None,
        percentile=_percent(call) if call.name == "percentile" else None,
        filters=filters,
        group_by=dimensions,
    )


def _points(points: tuple[tuple[int, float | str], ...], name: str, field_class: FieldClass, span: Span) -> Points:
    values = [value for _, value in points]
    column: Column = of(INTEGER, values) if name == "count" else of(KIND_OF[field_class], values)
    if column.kind != STRING and not span.interval:
        return Points(span.starts(np.zeros(len(values), np.int64)), column)
    return Points(np.array([at for at, _ in points], np.int64) * _NS_PER_MS, column)
