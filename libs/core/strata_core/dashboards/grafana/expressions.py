"""The few shapes of PromQL and of Grafana's look-ups that mean just what a question of ours does."""

import re
from typing import Final

import orjson

from strata_datamodel.dashboards import PanelQuestion, QuestionFilter, TagSource
from strata_datamodel.limits import NAME_BYTES, QUERY_FILTERS

_LONGEST: Final = 512
_RUN: Final = re.compile(r"\s{3}")
_NAME: Final = r"[a-zA-Z_:][\w:]{0,255}"
_SELECTOR: Final = rf"(?P<metric>{_NAME})\s*(?:\{{(?P<matchers>[^}}]*(?:\}}[^}}]*)*?)\}})?"
_BY: Final = r"by\s*\((?P<{0}>[\w\s,]*)\)"
_WINDOW: Final = r"\[\s*\$(?:__rate_interval|__interval|\{__rate_interval\}|\{__interval\})\s*\]"
_FOLDED: Final = re.compile(
    rf"\s*(?P<fold>sum|avg|min|max)\s*(?:{_BY.format('before')})?\s*"
    rf"\(\s*(?:(?P<rate>rate)\s*\(\s*)?{_SELECTOR}\s*(?P<window>{_WINDOW})?\s*(?(rate)\))\s*\)"
    rf"\s*(?:{_BY.format('after')})?\s*",
    re.ASCII,
)
_MATCHER: Final = re.compile(r"\s*([a-zA-Z_]\w{0,255})\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\")\s*(?:,|$)", re.ASCII)
_LABEL_VALUES: Final = re.compile(rf"\s*label_values\(\s*({_NAME})\s*,\s*({_NAME})\s*\)\s*", re.ASCII)
_TAG_VALUES: Final = re.compile(
    r'\s*SHOW\s+TAG\s+VALUES\s+FROM\s+"([^"\\]{1,256})"\s+WITH\s+KEY\s*=\s*"([^"\\]{1,256})"\s*',
    re.ASCII | re.IGNORECASE,
)


def promql_question(expression: str) -> PanelQuestion | None:
    """`avg by (x) (m{…})` and its kind, and `sum by (x) (rate(m{…}[$__rate_interval]))`, whose window is a step."""
    if len(expression) > _LONGEST or _RUN.search(expression):  # the pattern takes its time with long runs of blanks
        return None
    found = _FOLDED.fullmatch(expression)
    if found is None or (found["before"] is not None and found["after"] is not None):
        return None
    is_rate = found["rate"] is not None
    if is_rate is not (found["fold"] == "sum") or is_rate is not (found["window"] is not None):
        return None
    filters = _filters(found["matchers"] or "")
    if filters is None:
        return None
    tags = (part.strip() for part in (found["before"] or found["after"] or "").split(","))
    return PanelQuestion(
        measurement=found["metric"],
        field="value",
        aggregate="rate" if is_rate else found["fold"],
        filters=filters,
        group_by=tuple(dict.fromkeys(tag for tag in tags if tag)),
    )


def tag_source(value: object) -> TagSource | None:
    text = value.get("query") if isinstance(value, dict) else value
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    found = _LABEL_VALUES.fullmatch(text) or _TAG_VALUES.fullmatch(text)
    return None if found is None else TagSource(found[1], found[2])


def tag_query(value: object) -> object:
    if not isinstance(value, TagSource):
        return ""
    measurement, tag = (part.replace("\\", "\\\\").replace('"', '\\"') for part in (value.measurement, value.tag))
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"'


def _filters(matchers: str) -> tuple[QuestionFilter, ...] | None:
    found: list[QuestionFilter] = []
    at = 0
    while at < len(matchers) and matchers[at:].strip():
        matcher = _MATCHER.match(matchers, at)
        if matcher is None or len(found) >= QUERY_FILTERS or len(matcher[1]) > NAME_BYTES:
            return None
        value = _unquoted(matcher[3])
        if value is None:
            return None
        # PromQL's regexes are of the whole value, ours of any part.
        found.append(QuestionFilter(matcher[1], matcher[2], (f"^(?:{value})$" if "~" in matcher[2] else value,)))
        at = matcher.end()
    return tuple(found)


def _unquoted(text: str) -> str | None:
    try:
        value: str = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value
