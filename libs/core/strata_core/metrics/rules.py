"""What may be written and asked, whichever store holds the points."""

import math
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.limits import (
    NAME_BYTES,
    QUERY_FILTER_VALUES,
    QUERY_FILTERS,
    QUERY_GROUP_TAGS,
    REGEX_LENGTH,
    TAG_VALUE_BYTES,
)
from strata_datamodel.metrics import (
    Aggregate,
    FieldClass,
    FilterOp,
    MetricQuery,
    SeriesKey,
    TagFilter,
    ValueFilter,
    ValueOp,
)
from strata_datamodel.tiers import Tier

NOT_FINITE: Final = "a number has to be finite: NaN and infinity cannot be stored"

FIELD_CLASS_ORDER: Final = (FieldClass.NUMBER, FieldClass.BOOLEAN, FieldClass.STRING)
"""When one field name holds several type classes, the first of these that has points answers."""

_ANY_CLASS: Final = frozenset({Aggregate.COUNT, Aggregate.FIRST, Aggregate.LAST, Aggregate.DISTINCT, Aggregate.MODE})
_NOT_KEPT: Final = frozenset({Aggregate.DISTINCT, Aggregate.MODE})
"""What windows of a tier do not tell."""

_EQUALITY: Final = frozenset({ValueOp.EQ, ValueOp.NE})
_VALUE_REGEX: Final = frozenset({ValueOp.MATCH, ValueOp.NO_MATCH})
_REGEX_OPS: Final = frozenset({FilterOp.MATCH, FilterOp.NO_MATCH})
# Line breaks end a line of line protocol, which some stores are written in; lone surrogates have no UTF-8.
_UNFIT: Final = re.compile("[\x00\n\r\ud800-\udfff]")
_UNENCODABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NS_PER_MS: Final = 1_000_000
_EARLIEST_NS: Final = -(2**63) + 2
_LATEST_NS: Final = 2**63 - 2


def refusal_of_series(key: SeriesKey) -> str | None:
    """Why no point of this series can be stored, in any store."""
    if not key.measurement or not key.field:
        return "a measurement and a field need a name"
    texts = [key.measurement, key.field, *(text for tag in key.tags for text in tag)]
    if any(_UNFIT.search(text) for text in texts):
        return "names and tag values cannot hold line breaks, NUL or lone surrogates"
    if not all(name and value for name, value in key.tags):
        return "tags need a name and a value"
    return None


def not_finite_rows(values: NDArray[np.float64]) -> list[int]:
    finite = np.isfinite(values)
    return [] if finite.all() else [int(row) for row in np.flatnonzero(~finite)]


def window_start(time_ns: int, step_ns: int | None) -> int:
    return time_ns if step_ns is None else time_ns - time_ns % step_ns


def check_query(query: MetricQuery) -> None:
    """Raises InvalidError or LimitError for a question that no store should be bothered with."""
    _check_range(query)
    if not query.measurement or not query.field:
        raise InvalidError("a query needs a measurement and a field", code="bad_query")
    if any(_UNFIT.search(name) for name in (query.measurement, query.field, *query.group_by)):
        raise InvalidError("names cannot hold line breaks, NUL or lone surrogates", code="bad_query")
    if query.aggregate is Aggregate.PERCENTILE and not 0 < (query.percentile or 0) <= 100:
        raise InvalidError("a percentile lies above 0 and at most at 100", code="bad_percentile")
    if len(query.filters) > QUERY_FILTERS:
        raise LimitError(f"at most {QUERY_FILTERS} filters a query", code="query_filters")
    if len(query.group_by) > QUERY_GROUP_TAGS:
        raise LimitError(f"at most {QUERY_GROUP_TAGS} tags to group by", code="query_group_tags")
    if len(set(query.group_by)) != len(query.group_by) or not all(query.group_by):
        raise InvalidError("tags to group by are named, each once", code="bad_group_by")
    for tag_filter in query.filters:
        _check_filter(tag_filter)
    if len(query.value_filters) > QUERY_FILTERS:
        raise LimitError(f"at most {QUERY_FILTERS} filters of values a query", code="query_filters")
    for value_filter in query.value_filters:
        _check_value_filter(value_filter)
    _check_kept(query)


def needs_points(query: MetricQuery) -> bool:
    """No window that was rolled up tells this."""
    return query.aggregate in _NOT_KEPT or bool(query.value_filters)


def check_class(aggregate: Aggregate, field_class: FieldClass) -> None:
    if field_class is not FieldClass.NUMBER and aggregate not in _ANY_CLASS:
        raise InvalidError(
            f"{aggregate.value} needs numbers, and this field holds {field_class.value} values",
            code="aggregate_needs_numbers",
            hint="use count, first, last, distinct or mode",
        )


def check_value_filters(query: MetricQuery, field_class: FieldClass) -> None:
    """Once it is known what the field holds."""
    for each in query.value_filters:
        is_text = field_class is FieldClass.STRING
        if isinstance(each.value, str) is not is_text:
            raise InvalidError(
                f"this field holds {field_class.value} values, which cannot be compared with {each.value!r}",
                code="bad_value_filter",
            )
        if field_class is FieldClass.BOOLEAN and each.op not in _EQUALITY:
            raise InvalidError("booleans are compared with = or !=", code="bad_value_filter")


def too_many_series(limit: int) -> LimitError:
    return LimitError(
        f"the answer has more than {limit} series", code="query_series", hint="filter more, or group by fewer tags"
    )


def too_many_points(limit: int) -> LimitError:
    return LimitError(
        f"the answer takes more than {limit} points",
        code="query_points",
        hint="ask for a longer step or a shorter range",
    )


def _check_range(query: MetricQuery) -> None:
    if not _EARLIEST_NS <= query.from_ns < query.to_ns <= _LATEST_NS or query.to_ns - query.from_ns > _LATEST_NS:
        raise InvalidError("the range has to begin before it ends, within 1677 to 2262", code="bad_range")
    if query.step_ns is not None and (query.step_ns < _NS_PER_MS or query.step_ns % _NS_PER_MS):
        raise InvalidError("a step is a whole number of milliseconds, at least one", code="bad_step")


def _check_kept(query: MetricQuery) -> None:
    if all(stretch.tier is Tier.RAW for stretch in query.stretches):
        return
    if needs_points(query):
        what = "filters of values" if query.value_filters else query.aggregate.value
        raise InvalidError(
            f"{what} need raw points, and for a part of this range only windows are kept",
            code="aggregate_not_kept",
            hint="ask for a range that raw points are kept for",
        )


def _check_value_filter(value_filter: ValueFilter) -> None:
    if isinstance(value_filter.value, str):
        if value_filter.op not in _EQUALITY | _VALUE_REGEX:
            raise InvalidError("strings are compared with =, !=, =~ or !~", code="bad_value_filter")
        if value_filter.op in _VALUE_REGEX and len(value_filter.value) > REGEX_LENGTH:
            raise LimitError(f"at most {REGEX_LENGTH} characters a regex", code="regex_length")
        if _UNENCODABLE.search(value_filter.value):
            raise InvalidError("values cannot hold NUL or lone surrogates", code="bad_value_filter")
    elif value_filter.op in _VALUE_REGEX or not math.isfinite(value_filter.value):
        raise InvalidError("numbers are compared with =, !=, <, <=, > or >= a number", code="bad_value_filter")


def _check_filter(tag_filter: TagFilter) -> None:
    if not tag_filter.tag:
        raise InvalidError("a filter needs a tag", code="bad_filter")
    if len(tag_filter.values) > QUERY_FILTER_VALUES:
        raise LimitError(f"at most {QUERY_FILTER_VALUES} values a filter", code="query_filter_values")
    if tag_filter.op is not FilterOp.IN and len(tag_filter.values) != 1:
        raise InvalidError(f"a filter with {tag_filter.op.value} takes one value", code="bad_filter")
    if _UNFIT.search(tag_filter.tag) or any(_UNFIT.search(value) for value in tag_filter.values):
        raise InvalidError("filters cannot hold line breaks, NUL or lone surrogates", code="bad_filter")
    if tag_filter.op in _REGEX_OPS and len(tag_filter.values[0]) > REGEX_LENGTH:
        raise LimitError(f"at most {REGEX_LENGTH} characters a regex", code="regex_length")
    if tag_filter.op not in _REGEX_OPS and any(len(value) > TAG_VALUE_BYTES for value in tag_filter.values):
        raise InvalidError("no tag value is that long", code="bad_filter")
    if len(tag_filter.tag) > NAME_BYTES:
        raise InvalidError("no tag name is that long", code="bad_filter")
