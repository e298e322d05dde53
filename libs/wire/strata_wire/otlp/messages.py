"""Messages of OTLP metrics, as far as points are made of them. The names are those of its JSON, in camel case."""

from msgspec import Struct

UNSPECIFIED = 0
DELTA = 1
CUMULATIVE = 2
NO_RECORDED_VALUE = 1


class AnyValue(Struct, rename="camel"):
    """At most one of them is there."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    array_value: "ArrayValue | None" = None
    kvlist_value: "KeyValueList | None" = None
    bytes_value: bytes | None = None


class ArrayValue(Struct, rename="camel"):
    values: list[AnyValue] | None = None


class KeyValue(Struct, rename="camel"):
    key: str = ""
    value: AnyValue | None = None


class KeyValueList(Struct, rename="camel"):
    values: list[KeyValue] | None = None


class Resource(Struct, rename="camel"):
    attributes: list[KeyValue] | None = None


class Scope(Struct, rename="camel"):
    name: str = ""
    version: str = ""
    attributes: list[KeyValue] | None = None


class NumberPoint(Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    time_unix_nano: int = 0
    as_double: float | None = None
    as_int: int | None = None
    flags: int = 0


class HistogramPoint(Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    time_unix_nano: int = 0
    count: int = 0
    sum: float | None = None
    bucket_counts: list[int] | None = None
    explicit_bounds: list[float] | None = None
    flags: int = 0
    min: float | None = None
    max: float | None = None


class Buckets(Struct, rename="camel"):
    """The first of them is that of index `offset`."""

    offset: int = 0
    bucket_counts: list[int] | None = None


class ExponentialPoint(Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    time_unix_nano: int = 0
    count: int = 0
    sum: float | None = None
    scale: int = 0
    zero_count: int = 0
    positive: Buckets | None = None
    negative: Buckets | None = None
    flags: int = 0
    min: float | None = None
    max: float | None = None
    zero_threshold: float = 0.0


class QuantileValue(Struct, rename="camel"):
    quantile: float = 0.0
    value: float = 0.0


class SummaryPoint(Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    time_unix_nano: int = 0
    count: int = 0
    sum: float = 0.0
    quantile_values: list[QuantileValue] | None = None
    flags: int = 0


DataPoint = NumberPoint | HistogramPoint | ExponentialPoint | SummaryPoint


class Gauge(Struct, rename="camel"):
    data_points: list[NumberPoint] | None = None


class Sum(Struct, rename="camel"):
    data_points: list[NumberPoint] | None = None
    aggregation_temporality: int = UNSPECIFIED


class Histogram(Struct, rename="camel"):
    data_points: list[HistogramPoint] | None = None
    aggregation_temporality: int = UNSPECIFIED


class ExponentialHistogram(Struct, rename="camel"):
    data_points: list[ExponentialPoint] | None = None
    aggregation_temporality: int = UNSPECIFIED


class Summary(Struct, rename="camel"):
    data_points: list[SummaryPoint] | None = None


class Metric(Struct, rename="camel"):
    """At most one kind of data is there."""

    name: str = ""
    unit: str = ""
    gauge: Gauge | None = None
    sum: Sum | None = None
    histogram: Histogram | None = None
    exponential_histogram: ExponentialHistogram | None = None
    summary: Summary | None = None


class ScopeMetrics(Struct, rename="camel"):
    scope: Scope | None = None
    metrics: list[Metric] | None = None


class ResourceMetrics(Struct, rename="camel"):
    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None


class ExportRequest(Struct, rename="camel"):
    resource_metrics: list[ResourceMetrics] | None = None
