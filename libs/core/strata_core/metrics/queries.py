"""Questions about points, as callers put them."""

from dataclasses import dataclass
from typing import Final

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.instants import duration_ns, instant_ns
from strata_core.metrics.rules import check_query, too_many_points
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import QUERY_POINTS
from strata_datamodel.metrics import AGGREGATE_NAMES, Aggregate, AnswerSeries, MetricQuery, TagFilter, aggregate_named

_RAW_KEPT_NS: Final = 7 * 86_400_000_000_000
_RAW_RESOLUTION: Final = "10s"


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


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the range, the tier that answered for it, and the share of it (0 to 1) that the tier keeps."""

    from_ns: int
    to_ns: int
    tier: str
    resolution: str
    coverage: float


@dataclass(frozen=True, slots=True)
class MetricResult:
    series: tuple[AnswerSeries, ...]
    segments: tuple[Segment, ...]


def metrics_asked(ctx: Context, store: MetricStore, question: MetricQuestion, now_ns: int) -> MetricResult:
    """Raises InvalidError, naming the place, and LimitError before the store is bothered."""
    require(ctx, "metrics:read")
    query = query_of(ctx, question, now_ns)
    answer = store.query(query)
    segment = Segment(query.from_ns, query.to_ns, "raw", _RAW_RESOLUTION, _kept_share(query, now_ns))
    return MetricResult(series=answer.series, segments=(segment,))


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


def _kept_share(query: MetricQuery, now_ns: int) -> float:
    kept_from = max(query.from_ns, now_ns - _RAW_KEPT_NS)
    return round(max(0, query.to_ns - kept_from) / (query.to_ns - query.from_ns), 6)
