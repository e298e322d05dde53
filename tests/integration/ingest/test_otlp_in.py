"""OTLP metrics through the ingest port: the OpenTelemetry SDK as people run it, and what each sender is answered."""

import gzip
import zlib
from contextlib import contextmanager

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from factories.otlp_requests import attribute, request_of
from strata_datamodel.metrics import Aggregate, MetricQuery
from strata_datamodel.spooling import Signal
from strata_ingest.arrivals import points_of

PROTOBUF, JSON = "application/x-protobuf", "application/json"
RESOURCE = {
    "service.name": "shop",
    "host.name": "web-1",
    "deployment.environment.name": "prod",
    "cloud.region": "eu-1",
    "cloud.availability_zone": "eu-1a",
}
DAY_NS = 86_400 * 10**9


def export(ingest, content, media_type=PROTOBUF, sender=None, **headers):
    token = {"authorization": f"Bearer {(sender or ingest.acme).key}"}
    return ingest.client.post("/v1/metrics", content=content, headers={"content-type": media_type, **token, **headers})


def found(ingest, measurement, field, aggregate, *tags):
    """What an organization finds of a field, by the values of those tags, once all that was acknowledged is in."""
    ingest.machine.drain()
    now_ns = ingest.machine.clock.now_ns()
    query = MetricQuery(
        ingest.acme.organization_id, measurement, field, aggregate, now_ns - DAY_NS, now_ns + DAY_NS, group_by=tags
    )
    answer = ingest.machine.metric_store.query(query)
    return {tuple(series.tags.get(tag, "") for tag in tags): series.points[-1][1] for series in answer.series}


def gauge(ingest, *values, name="m"):
    now_ns = ingest.machine.clock.now_ns()
    points = [
        {"time_unix_nano": now_ns, "as_double": value, "attributes": [attribute("host", f"h{number}")]}
        for number, value in enumerate(values)
    ]
    return request_of({"name": name, "gauge": {"data_points": points}})


@contextmanager
def meters(ingest, *, temporality=None, compression=Compression.Gzip, views=()):
    exporter = OTLPMetricExporter(
        f"{ingest.url}/v1/metrics",
        headers={"authorization": f"Bearer {ingest.acme.key}"},
        compression=compression,
        preferred_temporality=temporality,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    provider = MeterProvider([reader], resource=Resource(RESOURCE), views=views)
    try:
        yield provider
    finally:
        provider.shutdown()


def test_the_sdk_sends_every_kind_of_metric_and_each_is_found_once(ingest):
    views = [View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation())]
    with meters(ingest, views=views) as provider:
        meter = provider.get_meter("lib", "1.2")
        orders, queue = meter.create_counter("orders", unit="{order}"), meter.create_up_down_counter("queue")
        heat = meter.create_gauge("heat")
        waits = meter.create_histogram("waits", explicit_bucket_boundaries_advisory=[1.0, 5.0])
        sizes = meter.create_histogram("sizes")
        for shop in range(50):
            orders.add(shop, {"shop": f"s{shop}", "paid": True})
        queue.add(7)
        queue.add(-3)
        heat.set(36.6)
        for seconds in (0.5, 2, 3, 9):
            waits.record(seconds)
            sizes.record(seconds)
        provider.force_flush()
    expected = {(f"s{shop}", "true"): shop for shop in range(50)}
    assert found(ingest, "orders", "value", Aggregate.LAST, "shop", "paid") == expected
    assert found(ingest, "orders", "value", Aggregate.COUNT) == {(): 50}
    assert found(ingest, "orders", "value", Aggregate.LAST, "unit", "otel.scope.name", "otel.scope.version") == {
        ("{order}", "lib", "1.2"): 49
    }
    assert found(ingest, "queue", "value", Aggregate.LAST, "service.name") == {("shop",): 4}
    assert found(ingest, "heat", "value", Aggregate.MAX) == {(): 36.6}
    assert found(ingest, "waits", "bucket", Aggregate.LAST, "le") == {("1",): 1, ("5",): 3, ("+Inf",): 4}
    assert [found(ingest, "waits", field, Aggregate.LAST)[()] for field in ("count", "sum", "min", "max")] == [
        4,
        14.5,
        0.5,
        9,
    ]
    buckets = found(ingest, "sizes", "bucket", Aggregate.LAST, "le")
    assert (buckets[("+Inf",)], buckets[("0",)], found(ingest, "sizes", "count", Aggregate.LAST)) == (4, 0, {(): 4})
    upper = sorted((float(le), count) for (le,), count in buckets.items() if le != "+Inf")
    assert [max(count for le, count in upper if le <= at) for at in (0.5, 2.1, 3.2)] == [1, 2, 3]
    (host,) = ingest.database.rows("SELECT name, environment, region, datacenter FROM hosts")
    assert dict(host) == {"name": "web-1", "environment": "prod", "region": "eu-1", "datacenter": "eu-1a"}
    assert [row["name"] for row in ingest.database.rows("SELECT name FROM services")] == ["shop"]
    assert ingest.count_points(ingest.globex) == 0


def test_deltas_of_the_sdk_add_up_and_say_what_they_are(ingest):
    temporality = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
    with meters(ingest, temporality=temporality, compression=Compression.NoCompression) as provider:
        orders = provider.get_meter("lib").create_counter("orders")
        for number in (5, 6, 7):
            orders.add(number)
            provider.force_flush()
    assert found(ingest, "orders", "value", Aggregate.SUM, "temporality") == {("delta",): 18}
    assert found(ingest, "orders", "value", Aggregate.COUNT, "temporality") == {("delta",): 3}


def test_a_sender_that_repeats_itself_adds_nothing(ingest):
    content = gauge(ingest, 1.0, 2.0).SerializeToString()
    for _ in range(3):
        assert export(ingest, content).status_code == 200
    assert ingest.count_points() == 2


def test_what_is_refused_of_a_request_is_told_in_its_encoding_and_the_rest_is_kept(ingest):
    request = gauge(ingest, 1.0, float("nan"), 3.0)
    answer = export(ingest, request.SerializeToString())
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, answer.headers["content-type"], partial.rejected_data_points) == (200, PROTOBUF, 1)
    assert partial.error_message == "metric 'm', data point 2: its value is NaN"
    point = {"asDouble": "NaN"}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "n", "gauge": {"dataPoints": [point]}}]}]}]}
    answer = export(ingest, msgspec.json.encode(body), JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    assert answer.json() == {
        "partialSuccess": {
            "rejectedDataPoints": "1",
            "errorMessage": "metric 'n', data point 1: its value is NaN",
        }
    }
    assert ingest.points("m", "value") == {"h0": 1, "h2": 3}


@pytest.mark.parametrize(("media_type", "empty"), [(PROTOBUF, b""), (f"{JSON}; charset=utf-8", b"{}")])
def test_a_success_is_an_empty_message(ingest, media_type, empty):
    answer = export(ingest, empty, media_type)
    assert (answer.status_code, answer.content) == (200, empty)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies_are_taken(ingest, encoding):
    content = gauge(ingest, 4.0).SerializeToString()
    packed = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    assert export(ingest, packed, **{"content-encoding": encoding}).status_code == 200
    assert ingest.points("m", "value") == {"h0": 4}


def status_of(answer):
    if answer.headers["content-type"] == PROTOBUF:
        status = Status.FromString(answer.content)
        return status.code, status.message
    return answer.json()["code"], answer.json()["message"]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_refusals_are_a_status_in_the_encoding_of_the_request(shared_ingest, media_type):
    ingest = shared_ingest
    answer = export(ingest, b"\xff\xff", media_type)
    assert (answer.status_code, status_of(answer)[0], answer.headers["content-type"]) == (400, 3, media_type)
    answer = export(ingest, gzip.compress(b"\0" * (65 << 20)), media_type, **{"content-encoding": "gzip"})
    assert (answer.status_code, status_of(answer)[0]) == (413, 3)
    answer = ingest.client.post("/v1/metrics", content=b"", headers={"content-type": media_type})
    assert (answer.status_code, status_of(answer)[0]) == (401, 16)
    assert answer.headers["www-authenticate"].startswith("Basic ")
    answer = ingest.client.get("/v1/metrics", headers={"content-type": media_type})
    assert (answer.status_code, status_of(answer)[0]) == (405, 12)


def test_other_content_is_not_guessed_at(shared_ingest):
    answer = export(shared_ingest, b"", "text/plain")
    assert (answer.status_code, status_of(answer)[0]) == (415, 3)


def test_a_full_spool_is_said_in_a_way_that_senders_try_again(make_ingest):
    ingest = make_ingest(is_writing=False, max_bytes=20_000)
    content = gauge(ingest, *map(float, range(300))).SerializeToString()
    answers = [export(ingest, content) for _ in range(3)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 503)
    assert status_of(answers[-1])[0] == 14
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_replay_gives_the_points_that_were_acknowledged_also_by_machine_code(make_ingest):
    ingest = make_ingest(is_writing=False)
    request = gauge(ingest, 1.0, 2.0)
    request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].time_unix_nano = 0  # of its arrival
    assert export(ingest, gzip.compress(request.SerializeToString()), **{"content-encoding": "gzip"}).status_code == 200
    metric = {"name": "j", "gauge": {"dataPoints": [{"asInt": 3}]}}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    assert export(ingest, msgspec.json.encode(body), JSON).status_code == 200
    records = ingest.machine.spools[Signal.METRICS].read(-1, max_records=10, max_bytes=1 << 20)
    handed = [ingest.machine.shared.points.take(record) for record in records]
    series = ingest.machine.shared.series
    for _ in range(2):
        for record, batch in zip(records, handed, strict=True):
            again = points_of(record, series)
            assert (again.series, again.time_ns.tolist(), again.values.tolist()) == (
                batch.series,
                batch.time_ns.tolist(),
                batch.values.tolist(),
            )
        series.prepare()
    ingest.machine.close()
    ingest.machine.open()
    ingest.machine.start_writers()
    assert ingest.points("m", "value") == {"h0": 1, "h1": 2}
    assert ingest.points("j", "value") == {"": 3}
    assert ingest.count_points() == 3
