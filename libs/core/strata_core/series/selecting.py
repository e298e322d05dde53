"""Series by what they are called and tagged: for languages that name series before they ask for points."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.metrics import FieldClass, FilterOp, SeriesKey, TagFilter
from strata_datamodel.tables.series import metric_series

_PATTERNS: Final = frozenset({FilterOp.MATCH, FilterOp.NO_MATCH})


def series_selected(
    uow: UnitOfWork, wanted: Sequence[ColumnElement[bool]], filters: Sequence[TagFilter], *, limit: int
) -> list[SeriesKey]:
    """In order of measurement, field and tags. `wanted` speaks of the catalogue's own columns. Raises LimitError (code
    `query_series`) when more than `limit` come into question before patterns are looked at, and InvalidError (code
    `bad_regex`)."""
    conditions = [*wanted, *(_condition(each) for each in filters if each.op not in _PATTERNS)]
    statement = (
        select(metric_series.c.measurement, metric_series.c.field, metric_series.c.field_class, metric_series.c.tags)
        .where(metric_series.c.organization_id == uow.organization_id, *conditions)
        .limit(limit + 1)
    )
    rows = uow.execute(statement).mappings().all()
    if len(rows) > limit:
        raise LimitError(
            f"more than {limit} series come into question", code="query_series", hint="name more of their tags"
        )
    found = [_key(row) for row in rows]
    for each in filters:
        if each.op in _PATTERNS:
            found = _matching(found, each)
    return sorted(found, key=lambda key: (key.measurement, key.field, key.tags, key.field_class))


def matches(pattern: str, texts: Sequence[str]) -> list[bool]:
    """RE2, unanchored. Raises InvalidError (code `bad_regex`)."""
    try:
        found: list[bool] = pc.match_substring_regex(pa.array(texts, pa.string()), pattern).to_pylist()
    except pa.ArrowInvalid as error:
        raise InvalidError(f"not a regex: {error}", code="bad_regex", hint="patterns are RE2 syntax") from error
    return found


def _condition(tag_filter: TagFilter) -> ColumnElement[bool]:
    """A tag that a series lacks counts as the empty string."""
    value = func.coalesce(metric_series.c.tags[tag_filter.tag].astext, "")
    if tag_filter.op is FilterOp.IN:
        return value.in_(tag_filter.values)
    is_equal = tag_filter.op is FilterOp.EQ
    if is_equal and tag_filter.values[0]:
        return metric_series.c.tags.contains({tag_filter.tag: tag_filter.values[0]})
    return value == tag_filter.values[0] if is_equal else value != tag_filter.values[0]


def _matching(keys: list[SeriesKey], tag_filter: TagFilter) -> list[SeriesKey]:
    texts = [dict(key.tags).get(tag_filter.tag, "") for key in keys]
    wanted = tag_filter.op is FilterOp.MATCH
    return [key for key, is_match in zip(keys, matches(tag_filter.values[0], texts), strict=True) if is_match is wanted]


def _key(row: Mapping[Any, Any]) -> SeriesKey:
    tags = tuple(sorted(row["tags"].items()))
    return SeriesKey(row["measurement"], tags, row["field"], FieldClass(row["field_class"]))
