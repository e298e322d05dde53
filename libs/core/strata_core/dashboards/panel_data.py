"""What a panel asks, for a range and a choice of its variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from strata_core.access.rules import require, scopes_of
from strata_core.caching.kinds import AGGREGATIONS
from strata_core.caching.read_through import Question
from strata_core.caching.rules import key_of
from strata_core.context import Context
from strata_core.dashboards.variables import Chosen, chosen, with_values
from strata_core.instants import duration_ns, instant_ns
from strata_core.metrics.queries import MetricQuestion, query_of
from strata_datamodel.dashboards import Dashboard, Panel, PanelQuery, every_panel
from strata_datamodel.errors import InvalidError, LimitError, NotFoundError, StrataError
from strata_datamodel.limits import PANEL_DATA_POINTS, PANEL_DATA_POINTS_DEFAULT

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_LEAST_S: Final = 1.0
_LEAST_NS: Final = 10 * _SECOND_NS
"""Agents seldom send more often: a shorter step would show gaps."""
_STEPS_S: Final = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    604_800, 2_592_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PanelAsked:
    """`begin`, `end` and `step` as a metric question has them; without a range the dashboard's own, without a step as
    many points as fit."""

    begin: str | int | None = None
    end: str | int | None = None
    step: str | None = None
    max_data_points: int | None = None
    variables: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A question, or why there is none."""

    ref_id: str
    question: MetricQuestion | None
    refusal: StrataError | None = None


def panel_of(dashboard: Dashboard, panel_id: int) -> Panel:
    for panel in every_panel(dashboard):
        if panel.id == panel_id:
            return panel
    raise NotFoundError("the dashboard has no such panel", code="panel_not_found")


def panel_questions(ctx: Context, dashboard: Dashboard, panel: Panel, asked: PanelAsked, now_ns: int) -> list[Planned]:
    """Of the queries that are not hidden. One that cannot be asked does not keep the others from it; a range, a step or
    a choice that cannot be is raised."""
    begin = dashboard.time_from if asked.begin is None else asked.begin
    end = dashboard.time_to if asked.end is None else asked.end
    from_ns = instant_ns(begin, now_ns=now_ns, where="/from")
    to_ns = instant_ns(end, now_ns=now_ns, where="/to")
    if from_ns >= to_ns:
        raise InvalidError("the range has to begin before it ends", code="bad_range")
    values = chosen(dashboard.variables, asked.variables or {})
    interval = _interval(panel, asked, to_ns - from_ns)
    values["__interval"] = Chosen((interval,))
    shown = [query for query in panel.queries if not query.is_hidden]
    return [_planned(ctx, query, values, (begin, end, asked.step or interval), now_ns, asked) for query in shown]


def kept_question(ctx: Context, question: MetricQuestion, now_ns: int) -> Question:
    """What the answer is kept under: for a step at most, so that a panel that is asked again misses one window. Raises
    what the question itself would."""
    require(ctx, "metrics:read")
    query = query_of(ctx, question, now_ns)
    worth_s = (query.step_ns or _LEAST_NS) / _SECOND_NS
    key = key_of("dashboard panel", msgspec.json.encode(question), repr(scopes_of(ctx, "metrics:read")))
    return Question(
        ctx.organization_id, AGGREGATIONS, key, fresh_s=min(float(AGGREGATIONS.fresh_s), max(_LEAST_S, worth_s))
    )


def _planned(
    ctx: Context,
    query: PanelQuery,
    values: Mapping[str, Chosen],
    when: tuple[str | int, str | int, str],
    now_ns: int,
    asked: PanelAsked,
) -> Planned:
    if query.question is None:
        refusal = InvalidError(
            "this query is in a language that panels are not asked in",
            code="query_not_translated",
            hint="ask it at /influxdb/query or /prometheus/api/v1, or write it as a question of Strata's",
        )
        return Planned(query.ref_id, None, refusal)
    begin, end, step = when
    try:
        put, filters = with_values(query.question, values)
        question = MetricQuestion(
            measurement=put.measurement,
            field=put.field,
            aggregate=put.aggregate,
            begin=begin,
            end=end,
            step=step if asked.step or put.step is None else put.step,
            filters=filters,
            group_by=tuple(dict.fromkeys(put.group_by)),
        )
        query_of(ctx, question, now_ns)
    except (InvalidError, LimitError) as error:
        return Planned(query.ref_id, None, error)
    return Planned(query.ref_id, question)


def _interval(panel: Panel, asked: PanelAsked, range_ns: int) -> str:
    """The shortest of the usual steps by which the range has no more windows than there is room for."""
    points = asked.max_data_points or panel.max_data_points or PANEL_DATA_POINTS_DEFAULT
    least_ns = _least_ns(panel)
    wanted_ns = max(least_ns, range_ns / min(points, PANEL_DATA_POINTS))
    if wanted_ns <= least_ns and least_ns % _SECOND_NS == 0:
        return f"{least_ns // _SECOND_NS}s"
    step_s = next((each for each in _STEPS_S if each * _SECOND_NS >= wanted_ns), None)
    return f"{-(-int(wanted_ns) // _DAY_NS)}d" if step_s is None else f"{step_s}s"


def _least_ns(panel: Panel) -> int:
    """Grafana writes `>10s` as well, and variables, which say nothing here."""
    try:
        return duration_ns(panel.interval.removeprefix(">"), where="/interval")
    except InvalidError:
        return _LEAST_NS
