"""What a dashboard has to be, so that it can be kept, shown and asked."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from strata_core.dashboards.variables import names_in
from strata_core.instants import duration_ns
from strata_datamodel.dashboards import DashboardDraft, Panel, PanelQuestion, every_panel
from strata_datamodel.errors import InvalidError, LimitError, Problem
from strata_datamodel.limits import (
    DASHBOARD_ANNOTATIONS,
    DASHBOARD_BYTES,
    DASHBOARD_LABELS,
    DASHBOARD_TAGS,
    DASHBOARD_VARIABLES,
    JSON_DEPTH,
    NAME_LENGTH,
    OPTIONS_PER_VARIABLE,
    PANELS_PER_DASHBOARD,
    QUERIES_PER_PANEL,
)
from strata_datamodel.metrics import FilterOp, aggregate_named

_INTEGER_LIMIT: Final = 2**63
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_SHOWN: Final = 20


def checked_document(draft: DashboardDraft) -> str:
    """The draft as it is kept. Raises InvalidError (code `bad_dashboard`) with every problem at its place, and
    LimitError naming the limit."""
    _check_counts(draft)
    problems = [*_title(draft), *_panels(draft), *_variables(draft)]
    if problems:
        raise InvalidError("the dashboard cannot be kept as it is", code="bad_dashboard", problems=problems[:_SHOWN])
    check_json(msgspec.to_builtins(draft))
    document = msgspec.json.encode(draft)
    if len(document) > DASHBOARD_BYTES:
        raise LimitError(f"a dashboard has at most {DASHBOARD_BYTES} bytes", code="dashboard_bytes")
    return document.decode()


def check_json(value: object) -> None:
    """What JSON of ours, and PostgreSQL's text, can hold. Raises InvalidError (code `bad_dashboard`)."""
    for each, depth in _walk(value):
        if depth > 2 * JSON_DEPTH:  # what came from Grafana lies some levels down already
            raise LimitError(f"a dashboard is nested {2 * JSON_DEPTH} levels deep at most", code="dashboard_depth")
        reason = _unfit(each)
        if reason is not None:
            raise InvalidError(f"the dashboard holds {reason}", code="bad_dashboard")


def _walk(value: object) -> Iterator[tuple[object, int]]:
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        yield each, depth
        if isinstance(each, dict):
            waiting += ((item, depth + 1) for pair in each.items() for item in pair)
        elif isinstance(each, list | tuple):
            waiting += ((item, depth + 1) for item in each)


def _unfit(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int() if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            return "a whole number that has more than 64 bits"
        case float() if not math.isfinite(value):
            return "NaN or infinity, which JSON has no word for"
        case str() if _UNFIT.search(value):
            return "a NUL character or half a surrogate pair"
    return None


def _check_counts(draft: DashboardDraft) -> None:
    panels = every_panel(draft)
    _limit("panels_per_dashboard", len(panels), PANELS_PER_DASHBOARD, "panels")
    _limit("dashboard_variables", len(draft.variables), DASHBOARD_VARIABLES, "variables")
    _limit("dashboard_annotations", len(draft.annotations), DASHBOARD_ANNOTATIONS, "annotations")
    _limit("dashboard_tags", len(draft.tags), DASHBOARD_TAGS, "tags")
    _limit("dashboard_labels", len(draft.labels), DASHBOARD_LABELS, "labels")
    for panel in panels:
        _limit("queries_per_panel", len(panel.queries), QUERIES_PER_PANEL, "queries a panel")
    for variable in draft.variables:
        _limit("options_per_variable", len(variable.options), OPTIONS_PER_VARIABLE, "options a variable")
        _limit("options_per_variable", len(variable.current), OPTIONS_PER_VARIABLE, "options a variable")


def _limit(name: str, held: int, most: int, things: str) -> None:
    if held > most:
        raise LimitError(f"a dashboard has at most {most} {things}, and this has {held}", code=name, hint=name)


def _title(draft: DashboardDraft) -> Iterator[Problem]:
    if not 1 <= len(draft.title.strip()) <= NAME_LENGTH:
        yield Problem("/title", f"has {len(draft.title.strip())}, must be 1 to {NAME_LENGTH} characters")
    for key, value in draft.labels.items():
        if not 1 <= len(key) <= NAME_LENGTH or len(value) > NAME_LENGTH:
            yield Problem(f"/labels/{key[:40]}", f"names and values of at most {NAME_LENGTH} characters")


def _panels(draft: DashboardDraft) -> Iterator[Problem]:
    places = list(_placed(draft))
    for number in _twice(panel.id for _, panel in places):
        yield Problem("/panels", f"the id {number} is there more than once")
    for where, panel in places:
        if panel.panels and (panel.type != "row" or where.count("/panels/") > 1):
            yield Problem(f"{where}/panels", "only a row holds panels, and no row holds a row")
        for ref_id in _twice(query.ref_id for query in panel.queries):
            yield Problem(f"{where}/queries", f"the ref_id {ref_id!r} is there more than once")
        for number, query in enumerate(panel.queries):
            if query.question is not None:
                yield from _question(f"{where}/queries/{number}/question", query.question)


def _placed(draft: DashboardDraft) -> Iterator[tuple[str, Panel]]:
    for number, panel in enumerate(draft.panels):
        yield f"/panels/{number}", panel
        yield from ((f"/panels/{number}/panels/{place}", each) for place, each in enumerate(panel.panels))


def _question(where: str, question: PanelQuestion) -> Iterator[Problem]:
    if aggregate_named(question.aggregate) is None:
        yield Problem(f"{where}/aggregate", "count, sum, avg, min, max, first, last, rate, or p1 to p99")
    for number, each in enumerate(question.filters):
        if each.op not in set(FilterOp):
            yield Problem(f"{where}/filters/{number}/op", f"one of {', '.join(FilterOp)}")
        elif not each.values or (each.op != FilterOp.IN and len(each.values) != 1):
            yield Problem(f"{where}/filters/{number}/values", "one value; `in` takes one or more")
    if question.step is not None and not names_in(question.step):
        try:
            duration_ns(question.step, where="")
        except InvalidError:
            yield Problem(f"{where}/step", "expected one like 60s, or a variable")


def _variables(draft: DashboardDraft) -> Iterator[Problem]:
    for name in _twice(variable.name for variable in draft.variables):
        yield Problem("/variables", f"the name {name!r} is there more than once")


def _twice(values: Iterable[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]
