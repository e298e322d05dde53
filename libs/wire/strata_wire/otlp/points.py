"""The values of one data point, each with its series: what every way of reading has to answer."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from strata_datamodel.limits import BUCKETS_PER_HISTOGRAM
from strata_datamodel.metrics import SeriesKey
from strata_wire.line_grammar import Fault
from strata_wire.otlp.attributes import PointError, number_text
from strata_wire.otlp.messages import (
    NO_RECORDED_VALUE,
    Buckets,
    DataPoint,
    ExponentialPoint,
    HistogramPoint,
    NumberPoint,
    SummaryPoint,
)
from strata_wire.otlp.series import BUCKET, COUNT, INFINITE, LE, MAX, MIN, QUANTILE, SUM, VALUE, Head, Keys, bucket_keys
from strata_wire.times_kept import TimesKept

Row = tuple[SeriesKey, float]

_INT64_BITS: Final = 63
_SCALE_MIN: Final = -10
_SCALE_MAX: Final = 20


def is_recorded(point: DataPoint) -> bool:
    """Whether it says more than that its series has ended."""
    return not point.flags & NO_RECORDED_VALUE


def row_of(point: DataPoint, head: Head, times: TimesKept) -> tuple[int, dict[SeriesKey, float]]:
    """Its time and its values. Raises PointError."""
    keys = head.keys(point.attributes)
    time_ns = _time_ns(point.time_unix_nano, times)
    match point:
        case NumberPoint():
            return time_ns, {keys.of(VALUE): _number(point)}
        case HistogramPoint():
            return time_ns, dict([*_totals(keys, point), *_explicit(keys, point)])
        case ExponentialPoint():
            return time_ns, dict([*_totals(keys, point), *_exponential(keys, point)])
        case SummaryPoint():
            return time_ns, dict(_summary(keys, point))


def _time_ns(time_ns: int, times: TimesKept) -> int:
    if not time_ns:
        return times.received_ns
    if time_ns < times.oldest_ns:
        raise PointError(times.too_old(), Fault.TOO_OLD)
    if time_ns > times.newest_ns:
        raise PointError(times.in_future(), Fault.IN_FUTURE)
    return time_ns


def _number(point: NumberPoint) -> float:
    if point.as_int is not None:
        if not -(1 << _INT64_BITS) <= point.as_int < 1 << _INT64_BITS:
            raise PointError("its integer is out of range")
        return float(point.as_int)
    if point.as_double is None:
        raise PointError("it has no value")
    return _finite(point.as_double, "value")


def _finite(number: float, what: str) -> float:
    if not math.isfinite(number):
        raise PointError(f"its {what} is {number_text(number)}")
    return number


def _counted(count: int) -> float:
    if not 0 <= count < 1 << _INT64_BITS:
        raise PointError("a count is out of range")
    return float(count)


def _totals(keys: Keys, point: HistogramPoint | ExponentialPoint) -> Iterator[Row]:
    yield keys.of(COUNT), _counted(point.count)
    for name, number in ((SUM, point.sum), (MIN, point.min), (MAX, point.max)):
        if number is not None:
            yield keys.of(name), _finite(number, name)


def _explicit(keys: Keys, point: HistogramPoint) -> Iterator[Row]:
    counts, bounds = point.bucket_counts or [], point.explicit_bounds or []
    if not counts and not bounds:
        return
    if len(counts) != len(bounds) + 1:
        raise PointError("its buckets are not one more than their bounds")
    yield from zip(bucket_keys(keys, bounds), _cumulative(counts), strict=True)


def _cumulative(counts: Sequence[int]) -> list[float]:
    for count in counts:
        _counted(count)
    return [_counted(total) for total in accumulate(counts)]


def _exponential(keys: Keys, point: ExponentialPoint) -> Iterator[Row]:
    """As explicit buckets would have it, from the lowest bound to the highest. Of equal bounds the last counts."""
    if not _SCALE_MIN <= point.scale <= _SCALE_MAX:
        raise PointError(f"its scale is not within {_SCALE_MIN} and {_SCALE_MAX}")
    negative, positive = point.negative or Buckets(), point.positive or Buckets()
    below, above = negative.bucket_counts or [], positive.bucket_counts or []
    if len(below) + len(above) > BUCKETS_PER_HISTOGRAM:
        raise PointError(f"more than {BUCKETS_PER_HISTOGRAM} buckets")
    bounds = [-_power(negative.offset + place, point.scale) for place in reversed(range(len(below)))]
    bounds.append(_finite(point.zero_threshold, "zero threshold"))
    bounds += [_power(positive.offset + place + 1, point.scale) for place in range(len(above))]
    totals = _cumulative([*reversed(below), point.zero_count, *above])
    # Zero has no sign here.
    told = {
        number_text(bound + 0.0): total for bound, total in zip(bounds, totals, strict=True) if math.isfinite(bound)
    }
    told[INFINITE] = totals[-1]
    yield from zip(keys.each(BUCKET, LE, told), told.values(), strict=True)


def _power(index: int, scale: int) -> float:
    """The lower bound of bucket `index`: 2 ** (index / 2 ** scale)."""
    try:
        return float(2.0 ** (index / 2.0**scale))
    except OverflowError:
        return math.inf


def _summary(keys: Keys, point: SummaryPoint) -> Iterator[Row]:
    yield keys.of(COUNT), _counted(point.count)
    yield keys.of(SUM), _finite(point.sum, SUM)
    quantiles = point.quantile_values or []
    if len(quantiles) > BUCKETS_PER_HISTOGRAM:
        raise PointError(f"more than {BUCKETS_PER_HISTOGRAM} quantiles")
    # Of a window without observations a quantile is NaN: there is none then.
    known = [each for each in quantiles if not math.isnan(each.value)]
    texts = [number_text(each.quantile) for each in known]
    values = [_finite(each.value, QUANTILE) for each in known]
    yield from zip(keys.each(QUANTILE, QUANTILE, texts), values, strict=True)
