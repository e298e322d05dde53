"""OTLP metrics of one export after the other, as a collector batches them."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint

_RESOURCES: Final = 25
_METRICS: Final = 10
_STRIDES: Final = (3, 7, 9, 11, 13, 17, 19)  # none has a divisor in common with how many series a metric has
_CUMULATIVE: Final = 2
_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class OtlpWorkload:
    """Body n has a data point of each series, of export n: of 25 services, gauges and sums in turns, or histograms."""

    start_ns: int
    data_points: int = 5_000
    every_ns: int = 10_000_000_000

    def body(self, number: int, *, shuffled: bool = False) -> bytes:
        request = ExportMetricsServiceRequest()
        each = self.data_points // _RESOURCES // _METRICS
        for resource in range(_RESOURCES):
            metrics = _metrics_of(request, resource)
            for metric in range(_METRICS):
                made = metrics.add(name=f"http.server.thing.{metric}", unit="By", description="What it measures.")
                if metric % 2:
                    points = made.gauge.data_points
                else:
                    made.sum.aggregation_temporality, made.sum.is_monotonic = _CUMULATIVE, True
                    points = made.sum.data_points
                stride = _STRIDES[number % len(_STRIDES)] if shuffled else 1
                for place in range(each):
                    self._fill(points.add(), number, place * stride % each)
        return request.SerializeToString()

    def histograms(self, number: int) -> bytes:
        request = ExportMetricsServiceRequest()
        for resource in range(_RESOURCES):
            made = _metrics_of(request, resource).add(name="http.server.request.duration", unit="s")
            made.histogram.aggregation_temporality = _CUMULATIVE
            for place in range(self.data_points // _RESOURCES):
                point = made.histogram.data_points.add(count=66, sum=place * 0.5, min=0.001, max=9.5)
                point.explicit_bounds.extend(_BOUNDS)
                point.bucket_counts.extend(range(len(_BOUNDS) + 1))
                self._stamp(point, number, place)
        return request.SerializeToString()

    def _fill(self, point: NumberDataPoint, number: int, place: int) -> None:
        if place % 2:
            point.as_double = place * 1.25 + number
        else:
            point.as_int = place + number
        self._stamp(point, number, place)

    def _stamp(self, point: NumberDataPoint | HistogramDataPoint, number: int, place: int) -> None:
        point.start_time_unix_nano = self.start_ns
        point.time_unix_nano = self.start_ns + number * self.every_ns
        point.attributes.extend(
            _attributes({"http.route": f"/api/v1/things/{place}", "http.request.method": "GET", "status": "200"})
        )


def _metrics_of(request: ExportMetricsServiceRequest, resource: int) -> RepeatedCompositeFieldContainer[Metric]:
    resource_metrics = request.resource_metrics.add()
    named = {"service.name": f"shop-{resource}", "host.name": f"web-{resource}", "telemetry.sdk.language": "python"}
    resource_metrics.resource.attributes.extend(_attributes(named))
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name, scope_metrics.scope.version = "shop.http", "1.2.0"
    return scope_metrics.metrics


def _attributes(texts: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value={"string_value": text}) for key, text in texts.items()]
