"""Which series the values of a data point belong to."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from strata_datamodel.limits import BUCKETS_PER_HISTOGRAM
from strata_datamodel.metrics import FieldClass, SeriesKey, Tags
from strata_wire.otlp.attributes import (
    PointError,
    check_tags,
    checked_name,
    number_text,
    sorted_tags,
    tag_value,
    tags_of,
)
from strata_wire.otlp.messages import CUMULATIVE, DELTA, KeyValue, Resource, Scope

VALUE: Final = "value"
COUNT: Final = "count"
SUM: Final = "sum"
MIN: Final = "min"
MAX: Final = "max"
BUCKET: Final = "bucket"
QUANTILE: Final = "quantile"
LE: Final = "le"
INFINITE: Final = "+Inf"

_TEMPORALITY: Final = "temporality"
_UNIT: Final = "unit"
_SCOPE_NAME: Final = "otel.scope.name"
_SCOPE_VERSION: Final = "otel.scope.version"


class Kind(IntEnum):
    """By the numbers of their fields in a metric."""

    GAUGE = 5
    SUM = 7
    HISTOGRAM = 9
    EXPONENTIAL_HISTOGRAM = 10
    SUMMARY = 11


@dataclass(frozen=True, slots=True)
class Origin:
    """What the data points of a scope's metrics have in common. With a refusal none of them can be taken."""

    tags: dict[str, str]
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What the data points of a metric have in common."""

    origin: Origin
    name: str
    tags: dict[str, str]
    refusal: str | None = None

    def keys(self, attributes: Sequence[KeyValue] | None) -> "Keys":
        """Raises PointError."""
        if self.refusal is not None:
            raise PointError(self.refusal)
        # What tells points of one metric apart stands above what a sender calls the same.
        own = {_TEMPORALITY: self.tags[_TEMPORALITY]} if _TEMPORALITY in self.tags else {}
        return Keys(self.name, sorted_tags(self.origin.tags, self.tags, tags_of(attributes), own))


@dataclass(frozen=True, slots=True)
class Keys:
    measurement: str
    tags: Tags

    def of(self, field: str) -> SeriesKey:
        return SeriesKey(self.measurement, self.tags, field, FieldClass.NUMBER)

    def each(self, field: str, tag: str, texts: Iterable[str]) -> Iterator[SeriesKey]:
        """With a tag more, which stands above all others too. Raises PointError."""
        before = tuple(pair for pair in self.tags if pair[0] < tag)
        after = tuple(pair for pair in self.tags if pair[0] > tag)
        check_tags(len(before) + 1 + len(after))
        for text in texts:
            yield SeriesKey(self.measurement, (*before, (tag, text), *after), field, FieldClass.NUMBER)


def resource_origin(resource: Resource | None) -> Origin:
    try:
        return Origin(tags_of(resource.attributes) if resource else {})
    except PointError as error:
        return Origin({}, f"resource: {error}")


def scope_origin(resource: Origin, scope: Scope | None) -> Origin:
    if resource.refusal is not None or scope is None:
        return resource
    named = {_SCOPE_NAME: tag_value(scope.name), _SCOPE_VERSION: tag_value(scope.version)}
    try:
        own = {name: text for name, text in named.items() if text} | tags_of(scope.attributes)
    except PointError as error:
        return Origin({}, f"scope: {error}")
    return Origin({**resource.tags, **own})


def head_of(origin: Origin, name: str, unit: str, kind: Kind, temporality: int) -> Head:
    tags = {_UNIT: text} if (text := tag_value(unit)) else {}
    has_temporality = kind in (Kind.SUM, Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM)
    if has_temporality and temporality != CUMULATIVE:
        tags[_TEMPORALITY] = "delta" if temporality == DELTA else "unspecified"
    try:
        return Head(origin, checked_name(name, "name of the metric"), tags, origin.refusal)
    except PointError as error:
        return Head(origin, name, tags, origin.refusal or str(error))


def bucket_keys(keys: Keys, bounds: Sequence[float]) -> list[SeriesKey]:
    """One a bound and one for all beyond. Raises PointError."""
    if len(bounds) >= BUCKETS_PER_HISTOGRAM:
        raise PointError(f"more than {BUCKETS_PER_HISTOGRAM} buckets")
    if not all(map(math.isfinite, bounds)) or any(lower >= upper for lower, upper in pairwise(bounds)):
        raise PointError("the bounds of its buckets do not ascend")
    return list(keys.each(BUCKET, LE, (*map(number_text, bounds), INFINITE)))
