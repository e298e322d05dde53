"""Targets of Grafana's data sources, as questions of ours where they are simple, and questions as targets."""

from collections.abc import Mapping
from typing import Final

from strata_core.dashboards.grafana.expressions import promql_question
from strata_core.dashboards.grafana.lenses import Lens, text, truth, understood, written_back
from strata_datamodel.dashboards import Json, PanelQuery, PanelQuestion, QuestionFilter
from strata_datamodel.limits import NAME_BYTES, NAME_LENGTH, QUERY_FILTERS, QUERY_GROUP_TAGS
from strata_datamodel.metrics import FilterOp

DATA_SOURCE: Final = {"type": "influxdb", "uid": "strata"}
_FUNCTIONS: Final = {
    "mean": "avg",
    "sum": "sum",
    "min": "min",
    "max": "max",
    "first": "first",
    "last": "last",
    "count": "count",
}
_NAMES: Final = {ours: theirs for theirs, ours in _FUNCTIONS.items()}
_RATE: Final = [("last", []), ("non_negative_derivative", ["1s"])]
_AUTO: Final = frozenset({"$__interval", "$interval", "auto"})
_HIDDEN: Final = Lens("is_hidden", ("hide",), False, truth)
_LEGENDS: Final = {
    "expr": Lens("legend", ("legendFormat",), "", text(NAME_LENGTH)),
    "select": Lens("legend", ("alias",), "", text(NAME_LENGTH)),
}


def query_of_target(target: Json, ref_id: str) -> PanelQuery:
    fields = understood(target, _lenses(target))
    return PanelQuery(ref_id=ref_id, question=question_of(target), grafana=target, **fields)  # type: ignore[arg-type]


def target_of_query(query: PanelQuery) -> Json:
    """As it came, where nothing was changed of what it asks."""
    came = query.grafana
    if came is not None and (query.question is None or question_of(came) == query.question):
        target = written_back(came, query, _lenses(came))
        return {**target, "refId": query.ref_id} if isinstance(came.get("refId"), str) else target
    target = {} if query.question is None else _written(query.question)
    return {**written_back(target, query, _lenses(target)), "refId": query.ref_id}


def question_of(target: Mapping[str, object]) -> PanelQuestion | None:
    """None for whatever would mean something else, if only a little."""
    expression = target.get("expr")
    if isinstance(expression, str):
        is_plain = target.get("instant") is not True and target.get("format", "time_series") == "time_series"
        return promql_question(expression) if is_plain else None
    if target.get("rawQuery") is True or target.get("resultFormat", "time_series") != "time_series":
        return None
    return _built(target)


def _lenses(target: Mapping[str, object]) -> tuple[Lens, ...]:
    legend = next((lens for key, lens in _LEGENDS.items() if key in target), _LEGENDS["expr"])
    return (_HIDDEN, legend)


def _built(target: Mapping[str, object]) -> PanelQuestion | None:
    """By Grafana's builder of InfluxQL."""
    measurement, select = target.get("measurement"), target.get("select")
    if not _is_name(measurement) or not isinstance(select, list) or len(select) != 1:
        return None
    if any(target.get(name) for name in ("limit", "slimit", "tz")) or target.get("orderByTime") == "DESC":
        return None
    chosen, groups, filters = _chosen(select[0]), _groups(target.get("groupBy")), _filters(target.get("tags", []))
    if chosen is None or groups is None or filters is None:
        return None
    field, aggregate = chosen
    step, tags = groups
    return PanelQuestion(
        measurement=str(measurement), field=field, aggregate=aggregate, filters=filters, group_by=tags, step=step
    )


def _chosen(parts: object) -> tuple[str, str] | None:
    """Field and aggregate."""
    called = _called(parts)
    if not called or called[0][0] != "field" or len(called[0][1]) != 1 or not _is_name(called[0][1][0]):
        return None
    field, rest = str(called[0][1][0]), called[1:]
    if rest == _RATE:
        return field, "rate"
    if len(rest) != 1:
        return None
    name, arguments = rest[0]
    if name == "percentile" and len(arguments) == 1:
        return (field, f"p{arguments[0]}") if _is_percentile(arguments[0]) else None
    return (field, _FUNCTIONS[name]) if name in _FUNCTIONS and not arguments else None


def _groups(parts: object) -> tuple[str | None, tuple[str, ...]] | None:
    """Step and tags. Without windows it would be another question; filled windows are what we do not answer."""
    called = _called(parts)
    if not called or called[0][0] != "time" or len(called[0][1]) != 1 or not isinstance(called[0][1][0], str):
        return None
    step, tags = called[0][1][0], []
    for name, arguments in called[1:]:
        if name == "tag" and len(arguments) == 1 and _is_name(arguments[0]) and arguments[0] != "*":
            tags.append(str(arguments[0]).removesuffix("::tag"))
        elif name != "fill" or arguments not in (["null"], ["none"]):
            return None
    if len(tags) > QUERY_GROUP_TAGS or len(step) > NAME_LENGTH:
        return None
    return (None if step in _AUTO else step), tuple(dict.fromkeys(tags))


def _filters(tags: object) -> tuple[QuestionFilter, ...] | None:
    if not isinstance(tags, list) or len(tags) > QUERY_FILTERS:
        return None
    found = [_filter(number, each) for number, each in enumerate(tags)]
    return None if None in found else tuple(each for each in found if each is not None)


def _filter(number: int, tag: object) -> QuestionFilter | None:
    if not isinstance(tag, dict) or (number and tag.get("condition", "AND") != "AND"):
        return None
    key, value = tag.get("key"), tag.get("value")
    if not _is_name(key) or not isinstance(value, str) or len(value) > NAME_BYTES:
        return None
    op = tag.get("operator", "=~" if value.startswith("/") else "=")
    if op in {"=~", "!~"} and len(value) > 1 and value[0] == value[-1] == "/":
        return QuestionFilter(str(key).removesuffix("::tag"), op, (value[1:-1].replace("\\/", "/"),))
    return QuestionFilter(str(key).removesuffix("::tag"), op, (value,)) if op in {"=", "!="} else None


def _called(parts: object) -> list[tuple[str, list[object]]]:
    """Empty for what is no list of calls."""
    if not isinstance(parts, list):
        return []
    called = []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            return []
        arguments = part.get("params", [])
        called.append((part["type"], list(arguments) if isinstance(arguments, list) else [None, None]))
    return called


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_BYTES and not value.startswith("/")


def _is_percentile(value: object) -> bool:
    text_of = str(value)
    return not isinstance(value, bool) and text_of.isascii() and text_of.isdigit() and 1 <= int(text_of[:4]) <= 99


def _written(question: PanelQuestion) -> Json:
    rest = _RATE if question.aggregate == "rate" else [_function(question.aggregate)]
    calls = [("field", [question.field]), *rest]
    groups = [("time", [question.step or "$__interval"]), *(("tag", [tag]) for tag in question.group_by)]
    return {
        "datasource": dict(DATA_SOURCE),
        "measurement": question.measurement,
        "policy": "default",
        "resultFormat": "time_series",
        "orderByTime": "ASC",
        "select": [[{"type": name, "params": list(arguments)} for name, arguments in calls]],
        "groupBy": [{"type": name, "params": arguments} for name, arguments in [*groups, ("fill", ["none"])]],
        "tags": [_tag(number, each) for number, each in enumerate(question.filters)],
    }


def _function(aggregate: str) -> tuple[str, list[object]]:
    if aggregate in _NAMES:
        return _NAMES[aggregate], []
    share = aggregate.removeprefix("p")
    return ("percentile", [float(share) if "." in share else int(share)]) if share != aggregate else (aggregate, [])


def _tag(number: int, each: QuestionFilter) -> Json:
    op, value = each.op, each.values[0] if each.values else ""
    if op == FilterOp.IN:
        op, value = "=~", "^(?:" + "|".join(each.values) + ")$"
    if "~" in op:
        value = "/" + value.replace("/", "\\/") + "/"
    written: Json = {"key": each.tag, "operator": op, "value": value}
    return written if number == 0 else {"condition": "AND", **written}
