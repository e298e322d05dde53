"""What an OTLP metric becomes: measurement, fields, tags, and what is refused with its reason."""

import math

import msgspec
import pytest

from factories.otlp_requests import NOW_NS, attribute, otlp_envelope, request_of
from strata_datamodel.errors import InvalidError, TooLargeError
from strata_wire.line_grammar import Fault
from strata_wire.otlp_metrics import parse_otlp_json, parse_otlp_protobuf


def _parsed(*metrics, **resource):
    return parse_otlp_protobuf(request_of(*metrics, **resource).SerializeToString(), otlp_envelope())


def _rows(parsed):
    """By field and tags, its value."""
    batch = parsed.batch
    assert len(set(batch.series)) == len(batch.series)
    rows = {}
    for index, value in zip(batch.series_index.tolist(), batch.values.tolist(), strict=True):
        series = batch.series[index]
        rows[series.field, series.tags] = value
    assert len(rows) == len(batch)
    return rows


def _point(**fields):
    return {"time_unix_nano": NOW_NS, **fields}


def test_a_gauge_is_one_field_with_all_that_identifies_it_as_tags():
    metric = {
        "name": "cpu",
        "unit": "1",
        "gauge": {"data_points": [_point(as_double=0.5, attributes=[attribute("core", "0")])]},
    }
    request = request_of(metric, resource={"service.name": "shop", "host.name": "web-1"})
    scope = request.resource_metrics[0].scope_metrics[0].scope
    scope.name, scope.version = "lib", "1.2"
    batch = parse_otlp_protobuf(request.SerializeToString(), otlp_envelope()).batch
    assert (batch.series[0].measurement, batch.series[0].field) == ("cpu", "value")
    assert dict(batch.series[0].tags) == {
        "core": "0",
        "host.name": "web-1",
        "otel.scope.name": "lib",
        "otel.scope.version": "1.2",
        "service.name": "shop",
        "unit": "1",
    }
    assert (batch.time_ns.tolist(), batch.values.tolist()) == ([NOW_NS], [0.5])


@pytest.mark.parametrize(
    ("temporality", "tags"),
    [(2, ()), (1, (("temporality", "delta"),)), (0, (("temporality", "unspecified"),))],
)
def test_a_sum_that_is_not_cumulative_says_so(temporality, tags):
    data = {"data_points": [_point(as_int=7)], "aggregation_temporality": temporality, "is_monotonic": True}
    assert _rows(_parsed({"name": "requests", "sum": data})) == {("value", tags): 7.0}


def test_a_sender_cannot_take_a_delta_for_something_else():
    point = _point(as_int=7, attributes=[attribute("temporality", "cumulative")])
    data = {"data_points": [point], "aggregation_temporality": 1}
    assert _rows(_parsed({"name": "requests", "sum": data})) == {("value", (("temporality", "delta"),)): 7.0}


def test_a_histogram_is_its_totals_and_cumulative_buckets():
    point = _point(count=6, sum=9.5, min=0.1, max=7.0, bucket_counts=[1, 2, 3], explicit_bounds=[0.25, 5])
    data = {"data_points": [point], "aggregation_temporality": 2}
    assert _rows(_parsed({"name": "latency", "histogram": data})) == {
        ("count", ()): 6,
        ("sum", ()): 9.5,
        ("min", ()): 0.1,
        ("max", ()): 7,
        ("bucket", (("le", "0.25"),)): 1,
        ("bucket", (("le", "5"),)): 3,
        ("bucket", (("le", "+Inf"),)): 6,
    }


def test_a_sender_cannot_name_a_bucket_itself():
    point = _point(count=1, bucket_counts=[1], attributes=[attribute("le", "mine"), attribute("z", "1")])
    data = {"data_points": [point], "aggregation_temporality": 2}
    assert _rows(_parsed({"name": "h", "histogram": data})) == {
        ("count", (("le", "mine"), ("z", "1"))): 1,
        ("bucket", (("le", "+Inf"), ("z", "1"))): 1,
    }


def test_an_exponential_histogram_has_the_bounds_that_its_scale_says():
    point = _point(
        count=21,
        sum=1.0,
        scale=0,
        zero_count=4,
        positive={"offset": 1, "bucket_counts": [5, 6]},
        negative={"offset": 0, "bucket_counts": [3, 3]},
    )
    data = {"data_points": [point], "aggregation_temporality": 2}
    buckets = {
        dict(tags)["le"]: value
        for (field, tags), value in _rows(_parsed({"name": "e", "exponential_histogram": data})).items()
        if field == "bucket"
    }
    # Negative values lie in [-4, -2) and [-2, -1); positive ones in (2, 4] and (4, 8].
    assert buckets == {"-2": 3, "-1": 6, "0": 10, "4": 15, "8": 21, "+Inf": 21}


def test_bounds_past_the_doubles_fall_together():
    point = _point(count=2, scale=-10, positive={"offset": -4, "bucket_counts": [1, 0, 0, 1]})
    data = {"data_points": [point], "aggregation_temporality": 2}
    rows = _rows(_parsed({"name": "e", "exponential_histogram": data}))
    assert {dict(tags)["le"]: value for (field, tags), value in rows.items() if field == "bucket"} == {
        "0": 1,
        repr(2.0**-1024): 1,
        "1": 2,
        "+Inf": 2,
    }


def test_a_summary_has_a_tag_for_its_quantiles_and_leaves_out_those_of_nothing():
    quantiles = [{"quantile": 0.5, "value": 2.0}, {"quantile": 0.99, "value": math.nan}]
    data = {"data_points": [_point(count=3, sum=4.5, quantile_values=quantiles)]}
    assert _rows(_parsed({"name": "s", "summary": data})) == {
        ("count", ()): 3,
        ("sum", ()): 4.5,
        ("quantile", (("quantile", "0.5"),)): 2.0,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"bool_value": True}, "true"),
        ({"int_value": -5}, "-5"),
        ({"double_value": 2.0}, "2"),
        ({"double_value": 0.1}, "0.1"),
        ({"bytes_value": b"\0\1"}, "AAE="),
        ({"array_value": {"values": [{"string_value": "a"}, {"int_value": 1}, {}]}}, '["a",1,null]'),
        ({"kvlist_value": {"values": [{"key": "k", "value": {"bool_value": False}}]}}, '{"k":false}'),
        ({"string_value": "two\nlines"}, "two lines"),
        ({"string_value": "D:\\"}, "D:"),
        ({"string_value": "ä" * 600}, "ä" * 512),
    ],
)
def test_values_of_attributes_are_texts(value, text):
    point = _point(as_int=1, attributes=[{"key": "a", "value": value}])
    assert _rows(_parsed({"name": "m", "gauge": {"data_points": [point]}})) == {("value", (("a", text),)): 1}


def test_what_a_point_says_of_itself_stands_above_its_resource_and_nothing_is_no_tag():
    point = _point(as_int=1, attributes=[attribute("a", "mine"), attribute("b", "")])
    rows = _rows(_parsed({"name": "m", "gauge": {"data_points": [point]}}, resource={"a": "theirs", "c": "1"}))
    assert rows == {("value", (("a", "mine"), ("c", "1"))): 1}


def test_points_that_only_say_that_their_series_ended_are_neither_taken_nor_refused():
    parsed = _parsed({"name": "m", "gauge": {"data_points": [_point(flags=1), _point(as_int=1)]}})
    assert (parsed.accepted, parsed.rejections, len(parsed.batch)) == (1, 0, 1)


def test_a_point_without_a_time_is_of_its_arrival():
    assert _parsed({"name": "m", "gauge": {"data_points": [{"as_int": 1}]}}).batch.time_ns.tolist() == [NOW_NS]


REFUSED = {
    "its value is NaN": _point(as_double=math.nan),
    "its value is +Inf": _point(as_double=math.inf),
    "it has no value": _point(),
    "timestamp is more than 600 seconds in the future": {"time_unix_nano": NOW_NS + 601 * 10**9, "as_int": 1},
    "timestamp is more than 7 days old": {"time_unix_nano": NOW_NS - 8 * 86_400 * 10**9, "as_int": 1},
    "name of an attribute is longer than 256 bytes": _point(as_int=1, attributes=[attribute("k" * 257, "v")]),
    "empty name of an attribute": _point(as_int=1, attributes=[attribute("", "v")]),
    "more than 64 tags, those of resource and scope counted": _point(
        as_int=1, attributes=[attribute(f"k{number}", "v") for number in range(65)]
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_point_is_named_and_the_others_are_kept(reason):
    points = [_point(as_int=1), REFUSED[reason], {"time_unix_nano": NOW_NS - 1, "as_int": 2}]
    parsed = _parsed({"name": "m", "gauge": {"data_points": points}})
    (rejected,) = parsed.rejected
    assert (rejected.metric, rejected.number, rejected.reason) == ("m", 2, reason)
    assert (parsed.accepted, parsed.batch.values.tolist()) == (2, [1, 2])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bucket_counts": [1, 1], "explicit_bounds": [1, 2]}, "its buckets are not one more than their bounds"),
        ({"bucket_counts": [1, 1, 1], "explicit_bounds": [2, 1]}, "the bounds of its buckets do not ascend"),
        ({"sum": math.nan}, "its sum is NaN"),
        ({"bucket_counts": [0] * 1001, "explicit_bounds": range(1000)}, "more than 1000 buckets"),
    ],
)
def test_a_histogram_is_taken_whole_or_not_at_all(fields, reason):
    data = {"data_points": [_point(count=1, **fields)], "aggregation_temporality": 2}
    parsed = _parsed({"name": "h", "histogram": data})
    assert (parsed.accepted, len(parsed.batch), parsed.rejected[0].reason) == (0, 0, reason)


def test_faults_are_counted_by_kind():
    points = [REFUSED["its value is NaN"], REFUSED["timestamp is more than 7 days old"]] * 2
    parsed = _parsed(
        {"name": "m", "gauge": {"data_points": points}}, {"name": "", "gauge": {"data_points": [_point()]}}
    )
    assert parsed.faults == {Fault.MALFORMED: 3, Fault.TOO_OLD: 2}


def _json(**metric):
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", **metric}]}]}]}
    return msgspec.json.encode(body)


def test_json_takes_integers_as_texts_and_ignores_what_it_does_not_know():
    point = {"timeUnixNano": str(NOW_NS), "asInt": "-3", "exemplars": [{"traceId": "0af7"}], "new": {"x": [1]}}
    parsed = parse_otlp_json(_json(sum={"dataPoints": [point], "aggregationTemporality": 1}), otlp_envelope())
    assert _rows(parsed) == {("value", (("temporality", "delta"),)): -3}


def test_json_in_the_names_of_protobuf_is_not_this_dialect():
    body = _json(gauge={"data_points": [{"as_int": 1}]})
    assert parse_otlp_json(body, otlp_envelope()).accepted == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"resourceMetrics":{}}',
        _json(sum={"dataPoints": [], "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}),
        _json(gauge={"dataPoints": [{"asInt": "1.5"}]}),
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"resourceMetrics":[{"resource":{"attributes":[' + b'{"value":{"kvlistValue":{"values":[' * 10_000,
    ],
)
def test_what_is_no_json_of_otlp_is_refused_whole(body):
    with pytest.raises(InvalidError) as refused:
        parse_otlp_json(body, otlp_envelope())
    assert refused.value.code == "bad_json"


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (parse_otlp_protobuf, b"\x0a\x00" * 250_001),
        (parse_otlp_json, b'{"resourceMetrics":[' + b"{}," * 1_000_001 + b"{}]}"),
        (parse_otlp_json, b'{"x":[' + b"0," * 4_000_001 + b"0]}"),
    ],
)
def test_bodies_of_more_than_a_request_may_carry_are_refused_before_they_cost_much(parse, body):
    with pytest.raises(TooLargeError):
        parse(body, otlp_envelope())


def test_attributes_without_end_are_refused():
    point = b"\x3a\x00" * 600_000
    size = len(point)

    def message(tag, payload):
        length, number = b"", len(payload)
        while number > 127:
            length, number = length + bytes([number & 127 | 128]), number >> 7
        return bytes([tag]) + length + bytes([number]) + payload

    body = message(0x0A, message(0x12, message(0x12, b"\x0a\x01m" + message(0x2A, message(0x0A, point)))))
    assert len(body) > size
    with pytest.raises(TooLargeError) as refused:
        parse_otlp_protobuf(body, otlp_envelope())
    assert refused.value.code == "otlp_attributes_bytes"
