"""`strata query`: a question about metrics, and its answer as a table, a plot, JSON or CSV."""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

import orjson

from strata_cli.api_client import Api
from strata_cli.plotting import colour_of, plotted
from strata_cli.query_answers import Line, QueryAnswer, Value, failures_of, of_influxql, of_metrics, of_promql
from strata_cli.rendering import out, print_table
from strata_core.instants import duration_ns, instant_ns, rfc3339
from strata_datamodel.errors import InvalidError, Problem
from strata_stores.clock import SystemClock

PLOT_HEIGHT: Final = 14
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_SIDE_BY_SIDE: Final = 6
_PLOT_STEPS: Final = 120
_OPERATORS: Final = ("=~", "!~", "!=", "=")


class Language(StrEnum):
    METRICS = "metrics"
    INFLUXQL = "influxql"
    PROMQL = "promql"


class Form(StrEnum):
    TABLE = "table"
    PLOT = "plot"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Asked:
    """`text` is of InfluxQL or PromQL; `question` the body of a question of ours, without its range. Without a step a
    range is one window, and PromQL is asked for its end."""

    language: Language
    text: str
    question: Mapping[str, object]
    begin: str
    end: str
    step: str | None


def filter_from(text: str) -> dict[str, str]:
    """`host=web-1`, `host!=web-1`, `host=~^web`, `host!~^web`. Raises InvalidError (code `bad_filter`)."""
    places = [(text.find(operator), number) for number, operator in enumerate(_OPERATORS) if operator in text]
    if not places or min(places)[0] == 0:
        problem = Problem("--filter", "expected host=web-1, or with !=, =~ or !~")
        raise InvalidError(f"{text!r} is no filter", code="bad_filter", problems=[problem])
    at, number = min(places)
    operator = _OPERATORS[number]
    return {"tag": text[:at], "op": operator, "value": text[at + len(operator) :]}


def run_query(api: Api, asked: Asked, org: str | None, form: Form) -> None:
    if form is Form.PLOT and asked.step is None:
        asked = _with_step(asked)
    body = _BODIES[asked.language](api, asked, org)
    if form is Form.JSON:
        sys.stdout.write(body.decode().rstrip() + "\n")
        return
    told = orjson.loads(body)
    if asked.language is Language.INFLUXQL and (failures := failures_of(told)):
        raise InvalidError(failures[0], code="bad_query")
    _shown(_answer(asked, told), form)


def _metrics(api: Api, asked: Asked, org: str | None) -> bytes:
    sent = {**asked.question, "from": asked.begin, "to": asked.end, "step": asked.step}
    return api.post(f"/api/v1/orgs/{org or api.own_organization()}/metrics/query", json=sent)


def _influxql(api: Api, asked: Asked, org: str | None) -> bytes:
    return api.post("/influxdb/query", form={"q": asked.text, "epoch": "ms", "db": org or "strata"})


def _promql(api: Api, asked: Asked, org: str | None) -> bytes:
    del org  # that of the key
    now_ns = SystemClock().now_ns()
    end_ns = instant_ns(asked.end, now_ns=now_ns, where="--to")
    if asked.step is None:
        return api.post("/prometheus/api/v1/query", form={"query": asked.text, "time": _seconds(end_ns)})
    begin_ns = instant_ns(asked.begin, now_ns=now_ns, where="--from")
    step = _seconds(duration_ns(asked.step, where="--step"))
    form = {"query": asked.text, "start": _seconds(begin_ns), "end": _seconds(end_ns), "step": step}
    return api.post("/prometheus/api/v1/query_range", form=form)


_BODIES: Final = {Language.METRICS: _metrics, Language.INFLUXQL: _influxql, Language.PROMQL: _promql}


def _answer(asked: Asked, told: Mapping[str, Any]) -> QueryAnswer:
    match asked.language:
        case Language.METRICS:
            question = asked.question
            return of_metrics(told, f"{question['aggregate']} {question['measurement']}.{question['field']}")
        case Language.INFLUXQL:
            return of_influxql(told)
        case Language.PROMQL:
            return of_promql(told)


def _with_step(asked: Asked) -> Asked:
    """About as many windows as a plot has columns, of whole seconds."""
    now_ns = SystemClock().now_ns()
    range_ns = instant_ns(asked.end, now_ns=now_ns, where="--to") - instant_ns(
        asked.begin, now_ns=now_ns, where="--from"
    )
    step_s = max(1, -(-range_ns // _PLOT_STEPS) // _NS_PER_S)
    return Asked(asked.language, asked.text, asked.question, asked.begin, asked.end, f"{step_s}s")


def _shown(answer: QueryAnswer, form: Form) -> None:
    if form is Form.CSV:
        _print_csv(answer)
        return
    for listing in answer.listings:
        print_table(
            [f"{listing.name}.{column}" if listing.name else column for column in listing.columns], listing.rows
        )
    if form is Form.PLOT:
        _print_plot(answer.lines)
    elif answer.lines:
        _print_lines(answer.lines)
    if not answer.lines and not answer.listings:
        out.print("no data", style="dim")


def _print_lines(lines: Sequence[Line]) -> None:
    """Side by side while they have room, else one below the other."""
    if len(lines) > _SIDE_BY_SIDE or all(len(line.points) == 1 for line in lines):
        rows = [(_time(at), line.title, _value(value)) for line in lines for at, value in line.points]
        print_table(("time", "series", "value"), rows)
        return
    values = [dict(line.points) for line in lines]
    times = sorted({at for line in lines for at, _ in line.points})
    rows_wide = [[_time(at), *(_value(each.get(at)) for each in values)] for at in times]
    print_table(("time", *(line.title for line in lines)), rows_wide)


def _print_plot(lines: Sequence[Line]) -> None:
    series = [[(at, value) for at, value in line.points if _is_number(value)] for line in lines]
    rows = plotted(series, width=out.width, height=PLOT_HEIGHT)
    if not rows:
        out.print("no numbers to draw", style="dim")
        return
    for row in rows:
        out.print(row, no_wrap=True, crop=True)
    times = [at for points in series for at, _ in points]
    out.print(f"{'':>12}{_time(min(times))}  to  {_time(max(times))}", style="dim")
    for number, line in enumerate(lines):
        out.print("■ ", style=colour_of(number), end="")
        out.print(line.title, markup=False)


def _print_csv(answer: QueryAnswer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for listing in answer.listings:
        writer.writerow(["series", *listing.columns])
        writer.writerows([listing.name, *row] for row in listing.rows)
    if not answer.lines and answer.listings:
        return
    tags = sorted({tag for line in answer.lines for tag in line.tags})
    writer.writerow(["time", "series", *tags, "value"])
    for line in answer.lines:
        named = [line.tags.get(tag, "") for tag in tags]
        writer.writerows([rfc3339(at * _NS_PER_MS), line.name, *named, value] for at, value in line.points)


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Value) -> str:
    return f"{value:.10g}" if _is_number(value) else "" if value is None else str(value)


def _time(at_ms: int) -> str:
    return rfc3339(at_ms * _NS_PER_MS).replace("T", " ").removesuffix("Z").removesuffix(".000")


def _seconds(value_ns: int) -> str:
    return f"{value_ns // _NS_PER_S}.{value_ns % _NS_PER_S:09d}"
