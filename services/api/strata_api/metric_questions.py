"""What is sent to ask about metrics, and what is answered."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from strata_api.schemas import ONE, SEVERAL, Sent
from strata_core.instants import rfc3339
from strata_core.metrics.asking import Asked, Expression, Told
from strata_core.metrics.planning import RESOLUTION, Segment
from strata_core.metrics.queries import MetricQuestion
from strata_core.metrics.told import FillMode, Ranking, Reducer, ToldSeries
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import (
    EXPRESSION_LENGTH,
    EXPRESSIONS_AT_ONCE,
    NAME_BYTES,
    QUERIES_AT_ONCE,
    QUERY_COMPARISONS,
    QUERY_FILTER_VALUES,
    QUERY_FILTERS,
    QUERY_GROUP_TAGS,
    QUERY_SERIES,
    REGEX_LENGTH,
    TAG_VALUE_BYTES,
)
from strata_datamodel.metrics import FilterOp, TagFilter, ValueFilter, ValueOp

Name = Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]
TagValue = Annotated[str, Field(max_length=TAG_VALUE_BYTES)]
QueryName = Annotated[str, Field(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=64)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Filter(Sent):
    tag: Name
    op: FilterOp = FilterOp.EQ
    value: TagValue | Annotated[list[TagValue], Field(max_length=QUERY_FILTER_VALUES)] = Field(
        description="One value; a list for `in`. A regex is RE2 syntax and unanchored."
    )


class ValueFilterIn(Sent):
    op: ValueOp = ValueOp.EQ
    value: Finite | Annotated[str, Field(max_length=max(REGEX_LENGTH, TAG_VALUE_BYTES))]


class Best(Sent):
    k: int = Field(ge=1, le=QUERY_SERIES)
    by: Reducer = Field(Reducer.MAX, description="What a series' windows become to be compared by.")


class Query(Sent):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    measurement: Name
    field: Name
    aggregate: str = Field(
        max_length=16,
        description="count, sum, avg, min, max, first, last, rate, increase, distinct, mode, or a percentile as p95.",
    )
    filters: list[Filter] = Field(default_factory=list, max_length=QUERY_FILTERS)
    value_filters: list[ValueFilterIn] = Field(
        default_factory=list, max_length=QUERY_FILTERS, description="Which points count. Answered from raw points only."
    )
    group_by: list[Name] = Field(default_factory=list, max_length=QUERY_GROUP_TAGS)
    begin: Annotated[str, Field(max_length=64)] | int = Field(
        "now-1h", alias="from", description="RFC 3339, Unix milliseconds, or relative, as now-1h."
    )
    end: Annotated[str, Field(max_length=64)] | int = Field("now", alias="to", description="As `from`; exclusive.")
    step: str | None = Field(None, max_length=64, description="As 60s. Without it the whole range is one window.")
    fill: FillMode | Finite = Field(
        FillMode.NONE, description="What stands in windows without a point: nothing, null, the value before, or so."
    )
    top: Best | None = Field(None, description="Only the k greatest series, the greatest first.")
    bottom: Best | None = Field(None, description="Only the k least series, the least first.")
    compare: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=QUERY_COMPARISONS, description="The same for earlier ranges, as -1w."
    )


class NamedQuery(Query):
    name: QueryName


class ExpressionIn(Sent):
    name: QueryName
    expression: str = Field(max_length=EXPRESSION_LENGTH, description="As `a / b * 100`, of queries and earlier ones.")


class Queries(Sent):
    queries: list[NamedQuery] = Field(min_length=1, max_length=QUERIES_AT_ONCE)
    expressions: list[ExpressionIn] = Field(default_factory=list, max_length=EXPRESSIONS_AT_ONCE)


def _which(sent: object) -> str:
    is_several = isinstance(sent, Queries) or (isinstance(sent, dict) and "queries" in sent)
    return SEVERAL if is_several else ONE


Questions: TypeAlias = Annotated[Annotated[Query, Tag(ONE)] | Annotated[Queries, Tag(SEVERAL)], Discriminator(_which)]


class Series(BaseModel):
    tags: dict[str, str]
    points: list[tuple[int, float | str | None]] = Field(
        description="Window start in Unix milliseconds, and the value; null where a window was filled with nothing."
    )


class SegmentOut(BaseModel):
    begin: str = Field(alias="from")
    to: str
    tier: str
    resolution: str
    coverage: float = Field(ge=0, le=1)


class Compared(BaseModel):
    shift: str
    series: list[Series] = Field(description="At the times that they are compared with.")
    segments: list[SegmentOut]


class Answer(BaseModel):
    series: list[Series]
    segments: list[SegmentOut] = Field(description="Of an expression there are none: its queries have them.")
    compared: list[Compared] = Field(default_factory=list, description="There when `compare` was asked for.")


class NamedAnswer(Answer):
    name: str


class Answers(BaseModel):
    results: list[NamedAnswer]


_ALONE: Final = "query"


def asked_in(body: Query | Queries) -> tuple[list[Asked], list[Expression]]:
    if isinstance(body, Query):
        return [_asked(body, _ALONE, "")], []
    queries = [_asked(query, query.name, f"/queries/{place}") for place, query in enumerate(body.queries)]
    return queries, [Expression(each.name, each.expression) for each in body.expressions]


def answer_to(body: Query | Queries, told: Sequence[Told]) -> dict[str, object]:
    if isinstance(body, Query):
        return _answer(told[0])
    return {"results": [{"name": each.name, **_answer(each)} for each in told]}


def _asked(sent: Query, name: str, where: str) -> Asked:
    question = MetricQuestion(
        measurement=sent.measurement,
        field=sent.field,
        aggregate=sent.aggregate,
        begin=sent.begin,
        end=sent.end,
        step=sent.step,
        filters=tuple(_filter(each) for each in sent.filters),
        group_by=tuple(sent.group_by),
        value_filters=tuple(ValueFilter(each.op, each.value) for each in sent.value_filters),
    )
    return Asked(name, question, where, sent.fill, _ranking(sent), tuple(sent.compare))


def _ranking(sent: Query) -> Ranking | None:
    if sent.top is not None and sent.bottom is not None:
        raise InvalidError("either the top or the bottom", code="bad_ranking", hint="ask for the other in a query more")
    best = sent.top or sent.bottom
    return None if best is None else Ranking(best.k, best.by, sent.top is not None)


def _filter(sent: Filter) -> TagFilter:
    values = (sent.value,) if isinstance(sent.value, str) else tuple(sent.value)
    return TagFilter(tag=sent.tag, op=sent.op, values=values)


def _answer(told: Told) -> dict[str, object]:
    answer: dict[str, object] = {"series": _series(told.series), "segments": _segments(told.segments)}
    if told.compared:
        answer["compared"] = [
            {"shift": each.shift, "series": _series(each.series), "segments": _segments(each.segments)}
            for each in told.compared
        ]
    return answer


def _series(series: Sequence[ToldSeries]) -> list[dict[str, object]]:
    return [{"tags": dict(each.tags), "points": each.points} for each in series]


def _segments(segments: Sequence[Segment]) -> list[dict[str, object]]:
    return [
        {
            "from": rfc3339(segment.from_ns),
            "to": rfc3339(segment.to_ns),
            "tier": segment.tier.value,
            "resolution": RESOLUTION[segment.tier],
            "coverage": segment.coverage,
        }
        for segment in segments
    ]
