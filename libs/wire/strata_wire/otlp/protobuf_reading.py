"""Messages of OTLP from protobuf: the plain way, which says what the walk in machine code has to answer.

What is not needed is skipped unread: exemplars, descriptions, start times, and whatever this version does not know.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import OTLP_ATTRIBUTES_BYTES
from strata_wire.otlp.fields import (
    BYTES,
    FIXED64,
    VARINT,
    WireError,
    double,
    doubles,
    fields_of,
    fixed64s,
    int32,
    signed,
    text,
    unsigned,
    varints,
    zigzag,
)
from strata_wire.otlp.messages import (
    AnyValue,
    ArrayValue,
    Buckets,
    DataPoint,
    ExponentialPoint,
    HistogramPoint,
    KeyValue,
    KeyValueList,
    NumberPoint,
    QuantileValue,
    Resource,
    Scope,
    SummaryPoint,
)
from strata_wire.otlp.series import Kind

_DEPTH: Final = 100  # as the libraries of protobuf have it


def children(message: bytes, number: int) -> Iterator[bytes]:
    """Each message in that field. Raises WireError."""
    return (raw for found, kind, raw in fields_of(message) if found == number and kind == BYTES)


def child(message: bytes, number: int) -> bytes | None:
    """The message in a field that is there once: of several, all of them merged, which is their bytes end to end."""
    found = list(children(message, number))
    return b"".join(found) if found else None


def read_resource(message: bytes) -> Resource:
    return Resource(_attributes(message, 1, 0))


def read_scope(message: bytes) -> Scope:
    scope = Scope()
    for number, kind, raw in fields_of(message):
        match number, kind:
            case 1, 2:
                scope.name = text(raw)
            case 2, 2:
                scope.version = text(raw)
    scope.attributes = _attributes(message, 3, 0)
    return scope


@dataclass(slots=True)
class MetricFields:
    """`data` is the last kind's, whose messages are merged."""

    name: str = ""
    unit: str = ""
    kind: Kind | None = None
    data: bytes = b""


def read_metric(message: bytes) -> MetricFields:
    metric = MetricFields()
    for number, kind, raw in fields_of(message):
        if kind != BYTES:
            continue
        if number == 1:
            metric.name = text(raw)
        elif number == 3:
            metric.unit = text(raw)
        elif number in _KINDS:
            metric.data = metric.data + raw if metric.kind == number else raw
            metric.kind = Kind(number)
    return metric


def temporality_of(data: bytes, kind: Kind) -> int:
    temporality = 0
    if kind in (Kind.GAUGE, Kind.SUMMARY):
        return temporality
    for number, wire_type, raw in fields_of(data):
        if number == 2 and wire_type == VARINT:
            temporality = int32(raw)
    return temporality


def read_attributes(message: bytes, number: int) -> list[KeyValue]:
    """Raises WireError."""
    return _attributes(message, number, 0)


def read_number(message: bytes) -> NumberPoint:
    point = NumberPoint(_attributes(message, 7, 0))
    for number, kind, raw in fields_of(message):
        match number, kind:
            case 3, 1:
                point.time_unix_nano = unsigned(raw)
            case 4, 1:
                point.as_double, point.as_int = double(raw), None
            case 6, 1:
                point.as_int, point.as_double = signed(raw), None
            case 8, 0:
                point.flags = unsigned(raw)
    return point


def read_histogram(message: bytes) -> HistogramPoint:
    counts: list[int] = []
    bounds: list[float] = []
    point = HistogramPoint(_attributes(message, 9, 0), bucket_counts=counts, explicit_bounds=bounds)
    for number, kind, raw in fields_of(message):
        match number, kind:
            case 6, 1 | 2:
                counts += fixed64s(raw)
            case 7, 1 | 2:
                bounds += doubles(raw)
            case _:
                _set(point, _IN_HISTOGRAM, (number, kind), raw)
    return point


def read_exponential(message: bytes) -> ExponentialPoint:
    point = ExponentialPoint(_attributes(message, 1, 0))
    for number, kind, raw in fields_of(message):
        _set(point, _IN_EXPONENTIAL, (number, kind), raw)
    point.positive, point.negative = (_buckets(child(message, number)) for number in (8, 9))
    return point


def read_summary(message: bytes) -> SummaryPoint:
    quantiles = [_quantile(raw) for raw in children(message, 6)]
    point = SummaryPoint(_attributes(message, 7, 0), quantile_values=quantiles)
    for number, kind, raw in fields_of(message):
        _set(point, _IN_SUMMARY, (number, kind), raw)
    return point


_Number = Callable[[bytes], float]
_Table = Mapping[tuple[int, int], tuple[str, _Number]]
"""By number and wire type of a field: what it is called here, and how its number is read."""

_IN_ALL: Final[_Table] = {
    (3, FIXED64): ("time_unix_nano", unsigned),
    (4, FIXED64): ("count", unsigned),
    (5, FIXED64): ("sum", double),
}
_IN_HISTOGRAM: Final[_Table] = {
    **_IN_ALL,
    (10, VARINT): ("flags", unsigned),
    (11, FIXED64): ("min", double),
    (12, FIXED64): ("max", double),
}
_IN_EXPONENTIAL: Final[_Table] = {
    **_IN_ALL,
    (6, VARINT): ("scale", zigzag),
    (7, FIXED64): ("zero_count", unsigned),
    (10, VARINT): ("flags", unsigned),
    (12, FIXED64): ("min", double),
    (13, FIXED64): ("max", double),
    (14, FIXED64): ("zero_threshold", double),
}
_IN_SUMMARY: Final[_Table] = {**_IN_ALL, (8, VARINT): ("flags", unsigned)}


def _set(point: DataPoint, table: _Table, field: tuple[int, int], raw: bytes) -> None:
    if (known := table.get(field)) is not None:
        name, read = known
        setattr(point, name, read(raw))


READERS: Final[dict[Kind, Callable[[bytes], DataPoint]]] = {
    Kind.GAUGE: read_number,
    Kind.SUM: read_number,
    Kind.HISTOGRAM: read_histogram,
    Kind.EXPONENTIAL_HISTOGRAM: read_exponential,
    Kind.SUMMARY: read_summary,
}
_KINDS: Final = frozenset(READERS)


def _buckets(message: bytes | None) -> Buckets | None:
    if message is None:
        return None
    counts: list[int] = []
    buckets = Buckets(bucket_counts=counts)
    for number, kind, raw in fields_of(message):
        match number, kind:
            case 1, 0:
                buckets.offset = zigzag(raw)
            case 2, 0:
                counts.append(unsigned(raw))
            case 2, 2:
                counts += varints(raw)
    return buckets


def _quantile(message: bytes) -> QuantileValue:
    found = QuantileValue()
    for number, kind, raw in fields_of(message):
        if kind == FIXED64 and number == 1:
            found.quantile = double(raw)
        elif kind == FIXED64 and number == 2:
            found.value = double(raw)
    return found


def _attributes(message: bytes, number: int, depth: int) -> list[KeyValue]:
    found: list[KeyValue] = []
    size_bytes = 0
    for raw in children(message, number):
        size_bytes += len(raw) + 2
        if size_bytes > OTLP_ATTRIBUTES_BYTES:
            raise TooLargeError(
                f"something has more than {OTLP_ATTRIBUTES_BYTES} bytes of attributes", code="otlp_attributes_bytes"
            )
        found.append(_key_value(raw, depth))
    return found


def _key_value(message: bytes, depth: int) -> KeyValue:
    found = KeyValue()
    value: bytes | None = None
    for number, kind, raw in fields_of(message):
        if kind == BYTES and number == 1:
            found.key = text(raw)
        elif kind == BYTES and number == 2:
            value = (value or b"") + raw
    if value is not None:
        found.value = _any_value(value, depth)
    return found


def _any_value(message: bytes, depth: int) -> AnyValue:
    """The last of its kinds. Raises WireError, also for what is nested too deep to be read."""
    if depth > _DEPTH:
        raise WireError(f"the message is nested deeper than {_DEPTH}")
    found = AnyValue()
    for number, kind, raw in fields_of(message):
        match number, kind:
            case 1, 2:
                found = AnyValue(string_value=text(raw))
            case 2, 0:
                found = AnyValue(bool_value=any(raw))
            case 3, 0:
                found = AnyValue(int_value=signed(raw))
            case 4, 1:
                found = AnyValue(double_value=double(raw))
            case 5, 2:
                values = [_any_value(item, depth + 1) for item in children(raw, 1)]
                found = AnyValue(array_value=ArrayValue(values))
            case 6, 2:
                found = AnyValue(kvlist_value=KeyValueList(_attributes(raw, 1, depth + 1)))
            case 7, 2:
                found = AnyValue(bytes_value=bytes(raw))
    return found
