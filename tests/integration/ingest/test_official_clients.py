"""The clients people really use, against the ingest port."""

import warnings

import pytest
from elasticsearch import ApiError, AuthenticationException, Elasticsearch
from elasticsearch.helpers import bulk
from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException


@pytest.fixture
def elastic(ingest):
    with Elasticsearch(ingest.url, basic_auth=("elastic", ingest.acme.key), max_retries=0) as client:
        yield client


@pytest.mark.parametrize("gzip", [True, False])
def test_influxdb_client_writes_points_a_microsecond_apart(ingest, gzip):
    at = ingest.machine.clock.now_ns() // 1000
    with InfluxDBClient(ingest.url, token=ingest.acme.key, org="acme", enable_gzip=gzip) as client:
        assert client.ping()
        writer = client.write_api(write_options=SYNCHRONOUS)
        points = [
            Point("temperature").tag("host", "a b,c=d").field("v", value).time(at + value, WritePrecision.US)
            for value in (1, 2)
        ]
        writer.write("telegraf", record=[*points, Point("texts").field("v", 'a "quoted"\nline')])
    assert ingest.points("temperature") == {"a b,c=d": 2}
    assert ingest.points("texts") == {"": 'a "quoted"\nline'}
    assert ingest.count_points() == 3


def test_influxdb_client_finds_what_it_asks_for_before_it_writes(ingest):
    with InfluxDBClient(ingest.url, token=ingest.acme.key, org="acme") as client:
        assert client.version()
        assert client.ready().status == "ready"
        (table,) = client.query_api().query("buckets()")
        assert [record["name"] for record in table.records] == ["acme"]
        with pytest.raises(ApiException, match="only buckets"):
            client.query_api().query('from(bucket: "acme") |> range(start: -1h)')


def test_influxdb_client_in_batches_loses_and_doubles_nothing(ingest):
    options = WriteOptions(batch_size=700, flush_interval=100, retry_interval=100)
    with (
        InfluxDBClient(ingest.url, token=ingest.acme.key, org="acme", enable_gzip=True) as client,
        client.write_api(write_options=options) as writer,
    ):
        for number in range(5_000):
            point = Point("batched").tag("host", f"h{number % 7}").field("v", number)
            writer.write("any", record=point.time(ingest.machine.clock.now_ns()))
    assert ingest.count_points() == 5_000
    assert sorted(ingest.points("batched").values()) == list(range(4_993, 5_000))
    assert ingest.count_points(ingest.globex) == 0


def test_influxdb_client_learns_which_line_was_bad_and_that_its_key_is_wrong(ingest):
    with InfluxDBClient(ingest.url, token=ingest.acme.key, org="acme") as client:
        with pytest.raises(ApiException) as refused:
            client.write_api(write_options=SYNCHRONOUS).write("b", record="m v=1\nm v=oops\n")
        assert refused.value.status == 400
        assert "line 2" in refused.value.message
    with InfluxDBClient(ingest.url, token="wrong", org="acme") as client:
        with pytest.raises(ApiException) as refused:
            client.write_api(write_options=SYNCHRONOUS).write("b", record="m v=1")
        assert refused.value.status == 401


def test_elasticsearch_client_recognises_the_server_and_sends_bulk(ingest, elastic):
    assert elastic.info()["tagline"] == "You Know, for Search"
    actions = [{"_op_type": "create", "_index": "app", "message": f"number {number}"} for number in range(5)]
    stored, errors = bulk(elastic, actions)
    assert (stored, errors) == (5, [])
    assert [event.message for event in ingest.events()] == [f"number {number}" for number in range(5)]
    assert {event.stream for event in ingest.events()} == {"app"}


def test_elasticsearch_client_is_told_of_each_bad_document(elastic):
    actions = [{"_index": "app", "message": "good"}, {"_index": "app", "@timestamp": "never", "message": "bad"}]
    stored, errors = bulk(elastic, actions, raise_on_error=False)
    assert stored == 1
    assert errors[0]["index"]["error"]["type"] == "document_parsing_exception"


def test_elasticsearch_client_may_compress_and_send_a_key_of_its_own_form(ingest):
    with Elasticsearch(ingest.url, api_key=("id", ingest.acme.key), http_compress=True) as client:
        assert client.bulk(operations=[{"index": {}}, {"message": "m"}], index="app")["errors"] is False
    assert [event.message for event in ingest.events()] == ["m"]


def test_elasticsearch_client_learns_that_its_key_is_wrong(ingest):
    with Elasticsearch(ingest.url, basic_auth=("elastic", "wrong"), max_retries=0) as client:
        with pytest.raises(AuthenticationException):
            client.info()
        with pytest.raises(ApiError), warnings.catch_warnings():
            client.bulk(operations=[{"index": {}}, {"message": "m"}])
