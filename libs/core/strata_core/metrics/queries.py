"""Questions about points, as callers put them."""

from dataclasses import dataclass, replace

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.instants import duration_ns, instant_ns
from strata_core.metrics.planning import Asked, Segment, plan
from strata_core.metrics.rules import check_query, needs_points, too_many_points
from strata_core.ports.metric_store import MetricStore
from strata_core.rollups.knowledge import TierStates
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import QUERY_POINTS
from strata_datamodel.metrics import (
    AGGREGATE_NAMES,
    Aggregate,
    AnswerSeries,
    MetricQuery,
    TagFilter,
    ValueFilter,
    aggregate_named,
)
from strata_datamodel.tiers import Stretch, Tier


@dataclass(frozen=True, slots=True)
class MetricQuestion:
    """`begin` and `end` as `instants.instant_ns` reads them, `step` as `60s`; without one the range is one window."""

    measurement: str
    field: str
    aggregate: str
    begin: str | int
    end: str | int
    step: str | None = None
    filters: tuple[TagFilter, ...] = ()
    group_by: tuple[str, ...] = ()
    value_filters: tuple[ValueFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricResult:
    series: tuple[AnswerSeries, ...]
    segments: tuple[Segment, ...]


def metrics_asked(
    ctx: Context, store: MetricStore, question: MetricQuestion, now_ns: int, tiers: TierStates
) -> MetricResult:
    """Raises InvalidError, naming the place, and LimitError before the store is bothered."""
    require(ctx, "metrics:read")
    return query_answered(ctx, store, query_of(ctx, question, now_ns), now_ns, tiers)


def query_answered(
    ctx: Context, store: MetricStore, query: MetricQuery, now_ns: int, tiers: TierStates
) -> MetricResult:
    """One that was made by `query_of`, at whatever range."""
    require(ctx, "metrics:read")
    is_exact = query.aggregate is not Aggregate.PERCENTILE
    asked = Asked(query.from_ns, query.to_ns, query.step_ns, needs_points(query), is_exact)
    found = plan(asked, tiers.of(ctx.organization_id, now_ns))
    if not found.stretches:
        return MetricResult(series=(), segments=found.segments)
    answer = store.query(_stitched(query, found.stretches))
    return MetricResult(series=answer.series, segments=found.segments)


def _stitched(query: MetricQuery, stretches: tuple[Stretch, ...]) -> MetricQuery:
    whole = replace(query, from_ns=stretches[0].from_ns, to_ns=stretches[-1].to_ns)
    return whole if {each.tier for each in stretches} == {Tier.RAW} else replace(whole, stretches=stretches)


def query_of(ctx: Context, question: MetricQuestion, now_ns: int) -> MetricQuery:
    aggregate, percentile = _aggregate(question.aggregate)
    query = MetricQuery(
        organization_id=ctx.organization_id,
        measurement=question.measurement,
        field=question.field,
        aggregate=aggregate,
        percentile=percentile,
        from_ns=instant_ns(question.begin, now_ns=now_ns, where="/from"),
        to_ns=instant_ns(question.end, now_ns=now_ns, where="/to"),
        step_ns=None if question.step is None else duration_ns(question.step, where="/step"),
        filters=question.filters,
        group_by=question.group_by,
        value_filters=question.value_filters,
    )
    check_query(query)
    if query.step_ns is not None and (query.to_ns - query.from_ns) // query.step_ns > QUERY_POINTS:
        raise too_many_points(QUERY_POINTS)
    return query


def _aggregate(name: str) -> tuple[Aggregate, float | None]:
    found = aggregate_named(name)
    if found is None:
        raise InvalidError(
            "this aggregate is not known",
            code="bad_aggregate",
            problems=[
                Problem("/aggregate", f"expected one of {', '.join(sorted(AGGREGATE_NAMES))}, or p1 to p99, p99.9")
            ],
        )
    return found
