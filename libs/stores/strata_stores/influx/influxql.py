# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Questions as InfluxQL. Values travel as bound parameters; names, which cannot everywhere, are quoted here alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import orjson

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, FilterOp, MetricQuery, TagFilter, TagPair, ValueOp
from strata_datamodel.tiers import Tier
from strata_stores.influx.dialect import Span
from strata_stores.influx.names import COUNTS, ORGANIZATION, TIER, physical_field, physical_measurement, physical_tag

_NS_PER_MS: Final = 1_000_000
_FUNCTIONS: Final = {
    Aggregate.COUNT: "count",
    Aggregate.SUM: "sum",
    Aggregate.AVG: "mean",
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.FIRST: "first",
    Aggregate.LAST: "last",
}

Bound = str | float | bool | dict[str, str]


@dataclass(slots=True)
class Bindings:
    """The values of a request's statements, under names of ours."""

    values: dict[str, Bound] = field(default_factory=dict)

    def bind(self, value: Bound) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def as_json(self) -> str:
        return orjson.dumps(self.values).decode()


def identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Place:
    """Where points of a tier are: a database and a retention policy, which 2.x maps to a bucket."""

    database: str
    tier: Tier

    def source(self, measurement: str) -> str:
        return self.physical_source(physical_measurement(measurement))

    def physical_source(self, measurement: str) -> str:
        return f"{identifier(self.database)}.{identifier(self.tier.value)}.{identifier(measurement)}"

    def everything(self) -> str:
        return f"{identifier(self.database)}.{identifier(self.tier.value)}./.*/"


def field_keys(place: Place, measurement: str) -> str:
    return f"SHOW FIELD KEYS ON {identifier(place.database)} FROM {place.source(measurement)}"


def all_field_keys(place: Place) -> str:
    return f"SHOW FIELD KEYS ON {identifier(place.database)} FROM {place.everything()}"


def has_values(place: Place, query: MetricQuery, field_name: str, bindings: Bindings) -> str:
    """`field_name` as InfluxDB calls it."""
    mine = is_of(query.organization_id, bindings)
    return f"SELECT {identifier(field_name)} FROM {place.source(query.measurement)} WHERE {mine} LIMIT 1"


def count_everything(
    place: Place, organization_id: OrganizationId, bindings: Bindings, tags: Sequence[TagPair] = ()
) -> str:
    """Points, or windows: of all series, or of those that have one of the tags."""
    counted = "*" if place.tier is Tier.RAW else COUNTS
    tagged = f" AND ({' OR '.join(_has(tag, bindings) for tag in tags)})" if tags else ""
    return f"SELECT count({counted}) FROM {place.everything()} WHERE {is_of(organization_id, bindings)}{tagged}"


def times_of_points(
    place: Place, organization_id: OrganizationId, before_ns: int, width_s: int, bindings: Bindings
) -> str:
    """A row for each stretch of that width before an instant that something is in."""
    counted = "*" if place.tier is Tier.RAW else COUNTS
    mine = is_of(organization_id, bindings)
    return (
        f"SELECT count({counted}) FROM {place.everything()} WHERE {mine} AND time < {before_ns} "
        f"GROUP BY time({width_s}s) fill(none)"
    )


def drop_series(organization_id: OrganizationId, tag: TagPair | None, bindings: Bindings) -> str:
    """All of the organization's, or those with the tag."""
    # Without FROM, which 1.8.10 expands over the shards of all databases, to fail if any of them is just closing.
    tagged = "" if tag is None else f" AND {_has(tag, bindings)}"
    return f"DROP SERIES WHERE {is_of(organization_id, bindings)}{tagged}"


def delete_span(span: Span, bindings: Bindings) -> str:
    """DELETE of 1.x takes no retention policy and reaches into all of a database: the tag `tier` says which is meant,
    and raw points are those without."""
    terms = [f"{identifier(TIER)} = '{'' if span.tier is Tier.RAW else span.tier.value}'"]
    if span.organization_id is not None:
        terms.append(is_of(span.organization_id, bindings))
    source = "" if span.measurement is None else f" FROM {identifier(span.measurement)}"
    return f"DELETE{source} WHERE {' AND '.join([*terms, *within(span.from_ns, span.to_ns)])}"


def folded(place: Place, query: MetricQuery, field_class: FieldClass, bindings: Bindings) -> str:
    column = identifier(physical_field(query.field, field_class))
    if query.aggregate is Aggregate.PERCENTILE:
        # PERCENTILE answers null where the nearest rank would be below 1; the contract says the smallest value then.
        rank = np.format_float_positional(query.percentile or 0.0, trim="0")
        value = f"percentile({column}, {rank}) AS value, min({column}) AS smallest"
    elif query.aggregate is Aggregate.DISTINCT:
        value = f"count(distinct({column})) AS value"
    else:
        value = f"{_FUNCTIONS[query.aggregate]}({column}) AS value"
    groups = [identifier(physical_tag(tag)) for tag in query.group_by]
    window = _window(query)
    if window is not None:
        groups.insert(0, window)
    grouping = f" GROUP BY {', '.join(groups)}" if groups else ""
    fill = " fill(none)" if window is not None else ""
    where = _of_values(query, field_class, bindings)
    return f"SELECT {value} FROM {place.source(query.measurement)} WHERE {where}{grouping}{fill}"


def grouped(query: MetricQuery, *more: str) -> str:
    """By tags, and by windows where there are some."""
    groups = [identifier(physical_tag(tag)) for tag in query.group_by] + list(more)
    if query.step_ns is None:
        return f" GROUP BY {', '.join(groups)}" if groups else ""
    return f" GROUP BY {', '.join([_windows_of(query.step_ns), *groups])} fill(none)"


def _windows_of(step_ns: int) -> str:
    return f"time({step_ns // _NS_PER_MS}ms)"


def _window(query: MetricQuery) -> str | None:
    if query.step_ns is not None:
        return _windows_of(query.step_ns)
    if query.aggregate in (Aggregate.FIRST, Aggregate.LAST):
        # Without windows 1.8.10 takes a shortcut, and of points at one time any. So: one window, the range.
        span_ns = query.to_ns - query.from_ns
        return f"time({span_ns}ns, {query.from_ns % span_ns}ns)"
    return None


def readings(place: Place, query: MetricQuery, bindings: Bindings) -> str:
    """Every point, a series at a time."""
    column = identifier(physical_field(query.field, FieldClass.NUMBER))
    where = _of_values(query, FieldClass.NUMBER, bindings)
    return f"SELECT {column} AS value FROM {place.source(query.measurement)} WHERE {where} GROUP BY *"


def values_of(place: Place, query: MetricQuery, field_class: FieldClass, bindings: Bindings) -> str:
    """Every point, a group at a time."""
    column = identifier(physical_field(query.field, field_class))
    where = _of_values(query, field_class, bindings)
    tags = ", ".join(identifier(physical_tag(tag)) for tag in query.group_by)
    grouping = f" GROUP BY {tags}" if tags else ""
    return f"SELECT {column} AS value FROM {place.source(query.measurement)} WHERE {where}{grouping}"


def _of_values(query: MetricQuery, field_class: FieldClass, bindings: Bindings) -> str:
    column = identifier(physical_field(query.field, field_class))
    terms = [conditions(query, bindings)]
    for each in query.value_filters:
        value: Bound = each.value
        if field_class is FieldClass.BOOLEAN:
            value = bool(each.value)
        elif each.op in (ValueOp.MATCH, ValueOp.NO_MATCH):
            value = {"regex": str(each.value)}
        terms.append(f"{column} {each.op.value} {bindings.bind(value)}")
    return " AND ".join(terms)


def conditions(query: MetricQuery, bindings: Bindings) -> str:
    terms = [is_of(query.organization_id, bindings), *within(query.from_ns, query.to_ns)]
    terms += [_condition(query, tag_filter, bindings) for tag_filter in query.filters]
    return " AND ".join(terms)


def is_of(organization_id: OrganizationId, bindings: Bindings) -> str:
    return f"{identifier(ORGANIZATION)} = {bindings.bind(str(organization_id))}"


def is_of_any(organization_ids: Iterable[OrganizationId], bindings: Bindings) -> str:
    return f"({' OR '.join(is_of(each, bindings) for each in organization_ids)})"


def within(from_ns: int, to_ns: int) -> tuple[str, str]:
    return f"time >= {from_ns}", f"time < {to_ns}"


def has_all(tags: Iterable[TagPair], bindings: Bindings) -> str:
    return f"({' AND '.join(_has(tag, bindings) for tag in tags)})"


def _has(tag: TagPair, bindings: Bindings) -> str:
    key, value = tag
    return f"{identifier(physical_tag(key))} = {bindings.bind(value)}"


def _condition(query: MetricQuery, tag_filter: TagFilter, bindings: Bindings) -> str:
    tag = identifier(physical_tag(tag_filter.tag))
    match tag_filter.op:
        case FilterOp.MATCH | FilterOp.NO_MATCH:
            return f"{tag} {tag_filter.op.value} {bindings.bind({'regex': tag_filter.values[0]})}"
        case FilterOp.IN if not tag_filter.values:
            return f"{identifier(ORGANIZATION)} != {bindings.bind(str(query.organization_id))}"  # nothing is in nothing
        case FilterOp.IN:
            return f"({' OR '.join(f'{tag} = {bindings.bind(value)}' for value in tag_filter.values)})"
        case _:
            return f"{tag} {tag_filter.op.value} {bindings.bind(tag_filter.values[0])}"
