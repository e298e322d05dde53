"""Points, series and questions about them. A point is (series, time, value)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import SpoolPosition
from strata_datamodel.tiers import Stretch


class FieldClass(StrEnum):
    """The type class of a field. Integers, floats and unsigned are all numbers: see ADR on field types."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"


Tags = tuple[tuple[str, str], ...]
"""Sorted by key, no key twice, no empty value."""

TagPair = tuple[str, str]
"""A tag's key and its whole value, which is not empty."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A series within an organization."""

    measurement: str
    tags: Tags
    field: str
    field_class: FieldClass


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of one organization as columns. Row i is (series[series_index[i]], time_ns[i], values[i]).

    Numbers stand in `values` as they are, booleans as 0.0 or 1.0, strings as an index into `texts`.
    Of two rows with one series and time the later row wins.
    """

    organization_id: OrganizationId
    series: tuple[SeriesKey, ...]
    series_index: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    texts: tuple[str, ...] = ()
    source: SpoolPosition | None = None

    def __len__(self) -> int:
        return len(self.time_ns)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Row `index` of a batch was refused for good, for this reason."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    written: int
    rejected: tuple[Rejection, ...] = ()


class Aggregate(StrEnum):
    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    RATE = "rate"
    INCREASE = "increase"
    PERCENTILE = "percentile"
    DISTINCT = "distinct"
    """How many different values there are."""
    MODE = "mode"
    """The value there is most often, the smallest of several."""


_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)", re.ASCII)
AGGREGATE_NAMES: Final = tuple(item.value for item in Aggregate if item is not Aggregate.PERCENTILE)


def aggregate_named(name: str) -> tuple[Aggregate, float | None] | None:
    """What people call it: count, avg, p95. The second part is a percentile's; None when there is no such aggregate."""
    if found := _PERCENTILE.fullmatch(name):
        return Aggregate.PERCENTILE, float(found[1])
    return (Aggregate(name), None) if name in AGGREGATE_NAMES else None


COUNTED: Final = frozenset({Aggregate.RATE, Aggregate.INCREASE})
"""What is told of counters."""


class FilterOp(StrEnum):
    EQ = "="
    NE = "!="
    MATCH = "=~"
    NO_MATCH = "!~"
    IN = "in"


@dataclass(frozen=True, slots=True)
class TagFilter:
    """A tag that a series lacks counts as the empty string. A regex is RE2 syntax and unanchored."""

    tag: str
    op: FilterOp
    values: tuple[str, ...]


class ValueOp(StrEnum):
    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    MATCH = "=~"
    NO_MATCH = "!~"


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """Which points count, by their value. Strings have =, !=, =~ and !~ (RE2 syntax, unanchored), numbers all but these
    last two, booleans = and != with 0 or 1."""

    op: ValueOp
    value: float | str


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """Aggregate one field over windows [from + n*step, from + (n+1)*step), aligned to step from the epoch.

    The first window begins at from_ns rounded down to the step, yet only points in [from_ns, to_ns) count.
    With step_ns None the whole range is one window. `group_by` makes one answer series a combination of
    those tags' values; without it all matching series fold into one. Windows with no point are absent.
    `stretches`, where there are any, follow each other from from_ns to to_ns: each part of the range is answered from
    its tier. Without them all is answered from raw points.
    """

    organization_id: OrganizationId
    measurement: str
    field: str
    aggregate: Aggregate
    from_ns: int
    to_ns: int
    step_ns: int | None = None
    percentile: float | None = None
    filters: tuple[TagFilter, ...] = ()
    group_by: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    value_filters: tuple[ValueFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """Points of some series as they are kept. Row i is (series[series_index[i]], time_ns[i], values[i]); by series,
    then by time. Values stand as in a PointBatch."""

    series: tuple[SeriesKey, ...]
    series_index: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSeries:
    """Window starts in Unix milliseconds, ascending, each with its value."""

    tags: Mapping[str, str]
    points: tuple[tuple[int, float | str], ...]


@dataclass(frozen=True, slots=True)
class MetricAnswer:
    series: tuple[AnswerSeries, ...] = field(default=())
