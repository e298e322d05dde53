"""Data points of a request one by one: the plain way, from protobuf and from JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import OTLP_ITEMS_PER_REQUEST, POINTS_PER_REQUEST, REPORTED_REJECTIONS
from strata_datamodel.metrics import SeriesKey
from strata_wire.line_grammar import Fault
from strata_wire.otlp.attributes import PointError
from strata_wire.otlp.messages import (
    UNSPECIFIED,
    DataPoint,
    ExportRequest,
    Metric,
)
from strata_wire.otlp.points import is_recorded, row_of
from strata_wire.otlp.protobuf_reading import (
    READERS,
    child,
    children,
    read_metric,
    read_resource,
    read_scope,
    temporality_of,
)
from strata_wire.otlp.series import Head, Kind, Origin, head_of, resource_origin, scope_origin
from strata_wire.times_kept import TimesKept

_SHOWN_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class RejectedPoint:
    """`number` counts the data points of its metric from 1."""

    metric: str
    number: int
    fault: Fault
    reason: str


@dataclass(slots=True)
class Refusals:
    """`first` holds the first of them, `faults` counts all."""

    first: list[RejectedPoint] = field(default_factory=list)
    faults: dict[Fault, int] = field(default_factory=dict)

    def add(self, head: Head, number: int, error: PointError) -> None:
        if len(self.first) < REPORTED_REJECTIONS:
            self.first.append(RejectedPoint(head.name[:_SHOWN_NAME], number, error.fault, str(error)))
        self.faults[error.fault] = self.faults.get(error.fault, 0) + 1


class Taker(Protocol):
    def take(self, time_ns: int, row: Mapping[SeriesKey, float]) -> None:
        """The values of one data point."""

    def __len__(self) -> int:
        """How many values were taken."""


class FoundPoint(NamedTuple):
    head: Head
    number: int
    point: DataPoint


def take_point(found: FoundPoint, times: TimesKept, taker: Taker, refusals: Refusals) -> None:
    if not is_recorded(found.point):
        return
    try:
        time_ns, row = row_of(found.point, found.head, times)
    except PointError as error:
        refusals.add(found.head, found.number, error)
    else:
        taker.take(time_ns, row)
        check_points(len(taker))


def check_items(items: int) -> None:
    if items > OTLP_ITEMS_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {OTLP_ITEMS_PER_REQUEST} resources, scopes, metrics and data points",
            code="otlp_items_per_request",
            hint="send smaller batches",
        )


def check_points(points: int) -> None:
    if points > POINTS_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {POINTS_PER_REQUEST} points",
            code="points_per_request",
            hint="send smaller batches",
        )


class _Items:
    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        self._count += 1
        check_items(self._count)


def points_in_protobuf(body: bytes) -> Iterator[FoundPoint]:
    """Raises WireError, TooLargeError."""
    items = _Items()
    for resource_metrics in children(body, 1):
        items.add()
        raw = child(resource_metrics, 1)
        resource = resource_origin(None if raw is None else read_resource(raw))
        for scope_metrics in children(resource_metrics, 2):
            items.add()
            raw = child(scope_metrics, 1)
            origin = scope_origin(resource, None if raw is None else read_scope(raw))
            for metric in children(scope_metrics, 2):
                items.add()
                yield from _points_of_metric(metric, origin, items)


def _points_of_metric(message: bytes, origin: Origin, items: _Items) -> Iterator[FoundPoint]:
    metric = read_metric(message)
    if metric.kind is None:
        return
    head = head_of(origin, metric.name, metric.unit, metric.kind, temporality_of(metric.data, metric.kind))
    read = READERS[metric.kind]
    for number, raw in enumerate(children(metric.data, 1), 1):
        items.add()
        yield FoundPoint(head, number, read(raw))


def points_in_request(request: ExportRequest) -> Iterator[FoundPoint]:
    """Raises TooLargeError."""
    items = _Items()
    for resource_metrics in request.resource_metrics or ():
        items.add()
        resource = resource_origin(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics or ():
            items.add()
            origin = scope_origin(resource, scope_metrics.scope)
            for metric in scope_metrics.metrics or ():
                items.add()
                yield from _points_of_request(metric, origin, items)


def _points_of_request(metric: Metric, origin: Origin, items: _Items) -> Iterator[FoundPoint]:
    found = _data_of(metric)
    if found is None:
        return
    kind, temporality, points = found
    head = head_of(origin, metric.name, metric.unit, kind, temporality)
    for number, point in enumerate(points or (), 1):
        items.add()
        yield FoundPoint(head, number, point)


def _data_of(metric: Metric) -> tuple[Kind, int, Sequence[DataPoint] | None] | None:
    """The one kind of data that it should have, or the first."""
    if metric.gauge is not None:
        return Kind.GAUGE, UNSPECIFIED, metric.gauge.data_points
    if (data := metric.sum) is not None:
        return Kind.SUM, data.aggregation_temporality, data.data_points
    if (histogram := metric.histogram) is not None:
        return Kind.HISTOGRAM, histogram.aggregation_temporality, histogram.data_points
    if (exponential := metric.exponential_histogram) is not None:
        return Kind.EXPONENTIAL_HISTOGRAM, exponential.aggregation_temporality, exponential.data_points
    return None if metric.summary is None else (Kind.SUMMARY, UNSPECIFIED, metric.summary.data_points)
