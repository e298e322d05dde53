"""Questions as SQL. Values travel as parameters; what text a statement is made of stands here and in `folding`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from strata_core.metrics.rules import (
    FIELD_CLASS_ORDER,
    check_class,
    check_value_filters,
    too_many_points,
    too_many_series,
    window_start,
)
from strata_datamodel.errors import InvalidError
from strata_datamodel.metrics import (
    Aggregate,
    AnswerSeries,
    FieldClass,
    FilterOp,
    MetricAnswer,
    MetricQuery,
    TagFilter,
    ValueOp,
)
from strata_datamodel.tiers import Stretch, Tier
from strata_stores.duckdb.folding import fold_statement
from strata_stores.duckdb.frames import Columns, fetched, registered, single_value
from strata_stores.duckdb.partitions import Partitions

_NS_PER_MS: Final = 1_000_000

_CLASS: Final = """
    SELECT min(class) FROM series
    WHERE organization = $organization::UUID AND measurement = $measurement AND field = $field
"""
_PICKED: Final = """
    FROM series
    WHERE organization = $organization::UUID AND measurement = $measurement AND field = $field AND class = $class
"""
_CONDITIONS: Final = {
    FilterOp.EQ: "coalesce(tags[{tag}], '') = {value}",
    FilterOp.NE: "coalesce(tags[{tag}], '') <> {value}",
    FilterOp.MATCH: "regexp_matches(coalesce(tags[{tag}], ''), {value})",
    FilterOp.NO_MATCH: "NOT regexp_matches(coalesce(tags[{tag}], ''), {value})",
    FilterOp.IN: "list_contains({value}, coalesce(tags[{tag}], ''))",
}


@dataclass(frozen=True, slots=True)
class PickedSeries:
    """The series a question is about, each in a group; group i has the tag values `labels[i]`."""

    table: pa.Table
    labels: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    series: int
    points: int


def answer(
    cursor: duckdb.DuckDBPyConnection, partitions: Partitions, query: MetricQuery, limits: AnswerLimits
) -> MetricAnswer:
    _check_patterns(cursor, query)
    family: dict[str, object] = {
        "organization": str(query.organization_id),
        "measurement": query.measurement,
        "field": query.field,
    }
    rank = single_value(cursor, _CLASS, family)
    if rank is None:
        return MetricAnswer()
    field_class = FIELD_CLASS_ORDER[rank]
    check_class(query.aggregate, field_class)
    check_value_filters(query, field_class)
    picked = _pick(cursor, query, family | {"class": rank})
    if not picked.table.num_rows:
        return MetricAnswer()
    with registered(cursor, "picked", picked.table):
        columns = _fold(cursor, partitions, query, field_class, limits)
    return MetricAnswer() if columns is None else _answer(query, picked.labels, columns, limits)


def _check_patterns(cursor: duckdb.DuckDBPyConnection, query: MetricQuery) -> None:
    patterns: list[object] = [
        each.values[0] for each in query.filters if each.op in (FilterOp.MATCH, FilterOp.NO_MATCH)
    ]
    patterns += [each.value for each in query.value_filters if each.op in (ValueOp.MATCH, ValueOp.NO_MATCH)]
    for pattern in patterns:
        try:
            cursor.execute("SELECT regexp_matches('', $pattern)", {"pattern": pattern}).fetchall()
        except duckdb.InvalidInputException as error:
            raise InvalidError(f"not a regex: {error}", code="bad_regex", hint="patterns are RE2 syntax") from error


def _pick(cursor: duckdb.DuckDBPyConnection, query: MetricQuery, parameters: dict[str, object]) -> PickedSeries:
    conditions = ""
    for number, tag_filter in enumerate(query.filters):
        tag, value = f"tag{number}", f"value{number}"
        conditions += " AND " + _CONDITIONS[tag_filter.op].format(tag=f"${tag}", value=f"${value}")
        parameters |= {tag: tag_filter.tag, value: _operand(tag_filter)}
    labels = [f"coalesce(tags[$group{number}], '')" for number in range(len(query.group_by))]
    parameters |= {f"group{number}": tag for number, tag in enumerate(query.group_by)}
    rank = f"dense_rank() OVER (ORDER BY {', '.join(labels)})" if labels else "1"
    labelled = "".join(f", {label} AS label{number}" for number, label in enumerate(labels))
    statement = f"SELECT sid, ({rank} - 1)::INTEGER AS grp{labelled} {_PICKED}{conditions}"
    columns = fetched(cursor, statement, parameters)
    groups, first_rows = np.unique(columns["grp"], return_index=True)
    values = [columns[f"label{number}"][first_rows].tolist() for number in range(len(query.group_by))]
    names = zip(*values, strict=True) if values else (() for _ in groups)
    return PickedSeries(pa.table({"sid": columns["sid"], "grp": columns["grp"]}), [tuple(name) for name in names])


def _operand(tag_filter: TagFilter) -> str | list[str]:
    return list(tag_filter.values) if tag_filter.op is FilterOp.IN else tag_filter.values[0]


def _fold(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    query: MetricQuery,
    field_class: FieldClass,
    limits: AnswerLimits,
) -> Columns | None:
    stretches = _stretches(query)
    parameters: dict[str, object] = {
        "origin": window_start(query.from_ns, query.step_ns),
        "step": query.step_ns or query.to_ns - query.from_ns,
        "most": limits.points + 1,
    }
    if query.aggregate is Aggregate.PERCENTILE:
        parameters["percentile"] = query.percentile
    for number, value_filter in enumerate(query.value_filters):
        parameters[f"compared{number}"] = value_filter.value
    with partitions.pinned(*((each.tier, each.from_ns, each.to_ns) for each in stretches)) as found:
        sources = [(number, files) for number, files in enumerate(found) if files]
        if not sources:
            return None
        for number, _ in sources:
            parameters |= {f"from{number}": stretches[number].from_ns, f"to{number}": stretches[number].to_ns}
        return fetched(cursor, fold_statement(query, field_class, sources), parameters)


def _stretches(query: MetricQuery) -> Sequence[Stretch]:
    if all(stretch.tier is Tier.RAW for stretch in query.stretches):
        return [Stretch(Tier.RAW, query.from_ns, query.to_ns)]
    return query.stretches


def _answer(query: MetricQuery, labels: list[tuple[str, ...]], columns: Columns, limits: AnswerLimits) -> MetricAnswer:
    groups = columns["grp"]
    bounds = [0, *(np.flatnonzero(groups[1:] != groups[:-1]) + 1).tolist(), len(groups)] if len(groups) else [0]
    if len(bounds) - 1 > limits.series:
        raise too_many_series(limits.series)
    if len(groups) > limits.points:
        raise too_many_points(limits.points)
    starts = (columns["start"] // _NS_PER_MS).tolist()
    is_text = columns["value"].dtype == object
    values = (columns["value"] if is_text else columns["value"].astype(np.float64)).tolist()
    return MetricAnswer(
        tuple(
            AnswerSeries(
                dict(zip(query.group_by, labels[int(groups[first])], strict=True)),
                tuple(zip(starts[first:end], values[first:end], strict=True)),
            )
            for first, end in pairwise(bounds)
        )
    )
