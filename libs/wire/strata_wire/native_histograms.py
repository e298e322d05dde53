"""Prometheus' native histograms to a count, a sum and cumulative buckets."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeVar

from strata_datamodel.limits import BUCKETS_PER_HISTOGRAM
from strata_datamodel.metrics import SeriesKey, Tags
from strata_wire.label_sets import SampleError
from strata_wire.protobuf import FIXED64, LENGTH_DELIMITED, VARINT, Field, Message, signed, zigzag
from strata_wire.readings import INFINITE, STALE, field_series, reading_of

COUNT: Final = "count"
SUM: Final = "sum"
BUCKET: Final = "bucket"
LE: Final = "le"

_CUSTOM_BOUNDS: Final = -53
_FINEST: Final = 8
_COARSEST: Final = -4
_EXPONENT_MAX: Final = 1024

# Fields of a histogram, the same in both versions.
_COUNT_INTEGER: Final = 1
_COUNT_FLOAT: Final = 2
_SUM: Final = 3
_SCHEMA: Final = 4
_ZERO_THRESHOLD: Final = 5
_ZERO_INTEGER: Final = 6
_ZERO_FLOAT: Final = 7
_NEGATIVE_SPANS: Final = 8
_NEGATIVE_DELTAS: Final = 9
_NEGATIVE_COUNTS: Final = 10
_POSITIVE_SPANS: Final = 11
_POSITIVE_DELTAS: Final = 12
_POSITIVE_COUNTS: Final = 13
_TIMESTAMP: Final = 15
_CUSTOM_VALUES: Final = 16
_OFFSET: Final = 1
_LENGTH: Final = 2

_ROUNDING: Final = 1e-9  # counts that are floats add up to about their sum

T = TypeVar("T")


@dataclass(slots=True)
class Side:
    """Buckets of one sign. Integers come as differences, floats as they are."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def buckets(self) -> Iterator[tuple[int, float]]:
        """Index and count, by index. Raises SampleError."""
        values: list[float] = self.counts
        if self.deltas:
            total, values = 0, []
            for delta in self.deltas:
                total += delta
                values.append(float(total))
        if sum(length for _, length in self.spans) != len(values):
            raise SampleError("a histogram's spans are not of as many buckets as it has")
        if any(not 0 <= value < math.inf for value in values):
            raise SampleError("a histogram's bucket has a count that is none")
        return zip(self._indexes(), values, strict=True)

    def _indexes(self) -> Iterator[int]:
        index = 0
        for number, (offset, length) in enumerate(self.spans):
            if number and offset < 0:
                raise SampleError("a histogram's spans overlap")
            index += offset
            yield from range(index, index + length)
            index += length


@dataclass(slots=True)
class NativeHistogram:
    time_ms: int = 0
    count: float = 0.0
    sum_bits: int = 0
    schema: int = 0
    zero_threshold: float = 0.0
    zero_count: float = 0.0
    negative: Side = field(default_factory=Side)
    positive: Side = field(default_factory=Side)
    bounds: list[float] = field(default_factory=list)


def read_histogram(message: Message, start: int, end: int) -> NativeHistogram:
    """Raises InvalidError for what is no message, SampleError for more buckets than one may have."""
    histogram = NativeHistogram()
    for each in message.fields(start, end):
        if each.number in (_COUNT_INTEGER, _SCHEMA, _ZERO_INTEGER, _TIMESTAMP):
            message.expect(each, VARINT)
            _take_integer(histogram, each)
        elif each.number in (_COUNT_FLOAT, _SUM, _ZERO_THRESHOLD, _ZERO_FLOAT):
            message.expect(each, FIXED64)
            _take_double(message, histogram, each)
        elif each.number == _CUSTOM_VALUES:
            _extend(histogram.bounds, message.doubles(each))
        else:
            _take_buckets(message, histogram, each)
    return histogram


def _take_integer(histogram: NativeHistogram, each: Field) -> None:
    if each.number == _COUNT_INTEGER:
        histogram.count = float(each.bits)
    elif each.number == _SCHEMA:
        histogram.schema = zigzag(each.bits)
    elif each.number == _ZERO_INTEGER:
        histogram.zero_count = float(each.bits)
    else:
        histogram.time_ms = signed(each.bits)


def _take_double(message: Message, histogram: NativeHistogram, each: Field) -> None:
    (value,) = message.doubles(each)
    if each.number == _SUM:
        histogram.sum_bits = each.bits
    elif each.number == _COUNT_FLOAT:
        histogram.count = value
    elif each.number == _ZERO_THRESHOLD:
        histogram.zero_threshold = value
    else:
        histogram.zero_count = value


def _take_buckets(message: Message, histogram: NativeHistogram, each: Field) -> None:
    side = histogram.negative if each.number <= _NEGATIVE_COUNTS else histogram.positive
    if each.number in (_NEGATIVE_SPANS, _POSITIVE_SPANS):
        message.expect(each, LENGTH_DELIMITED)
        _extend(side.spans, (_span(message, each),))
    elif each.number in (_NEGATIVE_DELTAS, _POSITIVE_DELTAS):
        _extend(side.deltas, map(zigzag, message.integers(each)))
    elif each.number in (_NEGATIVE_COUNTS, _POSITIVE_COUNTS):
        _extend(side.counts, message.doubles(each))


def _span(message: Message, spanned: Field) -> tuple[int, int]:
    offset = length = 0
    for each in message.fields(spanned.start, spanned.end):
        if each.number in (_OFFSET, _LENGTH):
            message.expect(each, VARINT)
        if each.number == _OFFSET:
            offset = zigzag(each.bits)
        elif each.number == _LENGTH:
            length = each.bits
    return offset, length


def _extend(values: list[T], more: Iterable[T]) -> None:
    for value in more:
        if len(values) >= BUCKETS_PER_HISTOGRAM:
            raise SampleError(f"a histogram has more than {BUCKETS_PER_HISTOGRAM} buckets")
        values.append(value)


def row_of(histogram: NativeHistogram, measurement: str, tags: Tags) -> dict[SeriesKey, float | str]:
    """Its points. Of a series that ended only the count and the sum say so. Raises SampleError."""
    if any(name == LE for name, _ in tags):
        raise SampleError(f"a histogram has a label {LE} of its own")
    total = reading_of(histogram.sum_bits)
    count: float | str = STALE if total == STALE else histogram.count
    row: dict[SeriesKey, float | str] = {
        field_series(measurement, tags, COUNT, count): count,
        field_series(measurement, tags, SUM, total): total,
    }
    if total == STALE:
        return row
    if not 0 <= histogram.count < math.inf:
        raise SampleError("a histogram has a count that is none")
    for text, cumulative in _cumulative(histogram):
        le_tags = tuple(sorted((*tags, (LE, text))))
        row[field_series(measurement, le_tags, BUCKET, cumulative)] = cumulative
    return row


def _cumulative(histogram: NativeHistogram) -> Iterator[tuple[str, float]]:
    """Upper bounds and how many observations are at most that, from the lowest bound up."""
    seen = 0.0
    for bound, count in _buckets(histogram):
        seen += count
        if seen > histogram.count * (1 + _ROUNDING):
            raise SampleError("a histogram has more observations in its buckets than it counts")
        if bound < math.inf:
            yield format(bound, ".12g"), seen
    yield INFINITE, histogram.count


def _buckets(histogram: NativeHistogram) -> Iterator[tuple[float, float]]:
    if histogram.schema == _CUSTOM_BOUNDS:
        yield from _custom_buckets(histogram)
        return
    schema = histogram.schema
    if not _COARSEST <= schema <= _FINEST:
        raise SampleError(f"a histogram has the unknown schema {schema}")
    if not (0 <= histogram.zero_count < math.inf and 0 <= histogram.zero_threshold < math.inf):
        raise SampleError("a histogram has a zero bucket that is none")
    # A bucket below zero ends where the next one that is nearer to zero begins.
    for index, count in reversed(list(histogram.negative.buckets())):
        yield -_bound(index - 1, schema), count
    if histogram.zero_count:
        yield histogram.zero_threshold, histogram.zero_count
    for index, count in histogram.positive.buckets():
        yield _bound(index, schema), count


def _custom_buckets(histogram: NativeHistogram) -> Iterator[tuple[float, float]]:
    bounds = histogram.bounds
    if not all(map(math.isfinite, bounds)) or any(lower >= upper for lower, upper in pairwise(bounds)):
        raise SampleError("the bounds of a histogram's buckets do not ascend")
    for index, count in histogram.positive.buckets():
        if not 0 <= index <= len(bounds):
            raise SampleError("a histogram has more buckets than bounds")
        yield (bounds[index] if index < len(bounds) else math.inf), count


def _bound(index: int, schema: int) -> float:
    """The upper bound of bucket `index`: 2 to the power of index / 2**schema."""
    if schema <= 0:
        exponent, fraction = index << -schema, 0.0
    else:
        exponent, fraction = index >> schema, (index & ((1 << schema) - 1)) / (1 << schema)
    if exponent >= _EXPONENT_MAX:
        return math.inf
    return math.ldexp(2.0**fraction, max(exponent, -2 * _EXPONENT_MAX))
