"""Questions about metrics."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from strata_api.cached_answers import CacheControl, json_of, tell_panel, wants_new
from strata_api.deps import Access, requires
from strata_api.schemas import Sent
from strata_core.caching.read_through import Made
from strata_core.instants import rfc3339
from strata_core.metrics.panels import panel
from strata_core.metrics.planning import RESOLUTION
from strata_core.metrics.queries import MetricQuestion, MetricResult, metrics_asked
from strata_datamodel.limits import NAME_BYTES, QUERY_FILTER_VALUES, QUERY_FILTERS, QUERY_GROUP_TAGS, TAG_VALUE_BYTES
from strata_datamodel.metrics import FilterOp, TagFilter

router = APIRouter(prefix="/api/v1/orgs/{org}/metrics", tags=["metrics"])

Name = Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]
TagValue = Annotated[str, Field(max_length=TAG_VALUE_BYTES)]


class Filter(Sent):
    tag: Name
    op: FilterOp = FilterOp.EQ
    value: TagValue | Annotated[list[TagValue], Field(max_length=QUERY_FILTER_VALUES)] = Field(
        description="One value; a list for `in`. A regex is RE2 syntax and unanchored."
    )


class Query(Sent):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    measurement: Name
    field: Name
    aggregate: str = Field(max_length=16, description="count, sum, avg, min, max, first, last, rate, or p50 to p99.")
    filters: list[Filter] = Field(default_factory=list, max_length=QUERY_FILTERS)
    group_by: list[Name] = Field(default_factory=list, max_length=QUERY_GROUP_TAGS)
    begin: Annotated[str, Field(max_length=64)] | int = Field(
        "now-1h", alias="from", description="RFC 3339, Unix milliseconds, or relative, as now-1h."
    )
    end: Annotated[str, Field(max_length=64)] | int = Field("now", alias="to", description="As `from`; exclusive.")
    step: str | None = Field(None, max_length=64, description="As 60s. Without it the whole range is one window.")


class Series(BaseModel):
    tags: dict[str, str]
    points: list[tuple[int, float | str]] = Field(description="Window start in Unix milliseconds, and the value.")


class SegmentOut(BaseModel):
    begin: str = Field(alias="from")
    to: str
    tier: str
    resolution: str
    coverage: float = Field(ge=0, le=1)


class Answer(BaseModel):
    series: list[Series]
    segments: list[SegmentOut]


@router.post("/query", operation_id="metrics_query", summary="Aggregate a field over time", response_model=Answer)
def query_metrics(
    access: Annotated[Access, requires("metrics:read", is_slow=True)],
    body: Query,
    request: Request,
    cache_control: CacheControl = None,
) -> Response:
    """An answer is kept for the length of its step, a minute at most; `segments` tell the range that it is about."""
    question = MetricQuestion(
        measurement=body.measurement,
        field=body.field,
        aggregate=body.aggregate,
        begin=body.begin,
        end=body.end,
        step=body.step,
        filters=tuple(_filter(each) for each in body.filters),
        group_by=tuple(body.group_by),
    )
    deps = access.deps

    def make() -> Made:
        now_ns = deps.clock.now_ns()
        result = metrics_asked(access.ctx, deps.metric_store, question, now_ns, deps.tier_states)
        # Straight to bytes, kept as they are sent: an answer may hold half a million points.
        return Made(orjson.dumps(_answer(result)), version=now_ns // 1_000, is_empty=not result.series)

    asked = panel(access.ctx, question, deps.clock.now_ns())
    answer = deps.answers.answer(asked, make, is_new_wanted=wants_new(cache_control))
    tell_panel(request, asked)
    return json_of(answer)


def _filter(sent: Filter) -> TagFilter:
    values = (sent.value,) if isinstance(sent.value, str) else tuple(sent.value)
    return TagFilter(tag=sent.tag, op=sent.op, values=values)


def _answer(result: MetricResult) -> dict[str, object]:
    return {
        "series": [{"tags": dict(series.tags), "points": series.points} for series in result.series],
        "segments": [
            {
                "from": rfc3339(segment.from_ns),
                "to": rfc3339(segment.to_ns),
                "tier": segment.tier.value,
                "resolution": RESOLUTION[segment.tier],
                "coverage": segment.coverage,
            }
            for segment in result.segments
        ],
    }
