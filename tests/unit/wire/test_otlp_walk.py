"""OTLP metrics by machine code, by the plain reading and in JSON: the same points and refusals, whatever is sent."""

import base64
import struct

import msgspec
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from factories.otlp_requests import NOW_NS, attribute, otlp_envelope, request_of
from strata_datamodel.errors import StrataError
from strata_wire.known_series import KnownSeries
from strata_wire.otlp_metrics import parse_otlp_json, parse_otlp_protobuf

_READY = KnownSeries()
_READY.prepare()
_READY_SMALL = KnownSeries(130_000)
_READY_SMALL.prepare()


def _mostly(usual, *odd):
    """Odd ones are rare: a single one refuses all that it is part of."""
    return st.sampled_from([*usual, *usual] * len(odd) * 3 + [*odd])


TIMES = _mostly([NOW_NS, NOW_NS - 1], 0, 1, NOW_NS + 599 * 10**9, NOW_NS + 601 * 10**9, 1 << 63, (1 << 64) - 1)
DOUBLES = _mostly([0.0, -0.0, 1.5, 1e308, 5e-324], float("nan"), float("inf"), float("-inf"))
TEXTS = _mostly(["", "a", "ä", "two\nlines", "C:\\"], "y" * 1030, "\0")
NAMES = _mostly(["a", "b", "host.name", "ä"], "", "x" * 257, "\0", "two\nlines")
COUNTS = _mostly([0, 1, 7], (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
FLAGS = _mostly([0, 2], 1, 300)
VALUES = st.one_of(
    TEXTS.map(lambda text: {"string_value": text}),
    st.booleans().map(lambda flag: {"bool_value": flag}),
    st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: {"int_value": number}),
    DOUBLES.map(lambda number: {"double_value": number}),
    st.binary(max_size=4).map(lambda raw: {"bytes_value": raw}),
    st.lists(st.integers(0, 3), max_size=3).map(
        lambda numbers: {"array_value": {"values": [{"int_value": number} for number in numbers]}}
    ),
    NAMES.map(lambda key: {"kvlist_value": {"values": [{"key": key, "value": {"double_value": 0.5}}, {"key": "n"}]}}),
    st.just({}),
)
ATTRIBUTES = st.lists(st.builds(lambda key, value: {"key": key, "value": value}, NAMES, VALUES), max_size=3)


def _points(**fields):
    optional = st.fixed_dictionaries({"attributes": ATTRIBUTES}, optional={"time_unix_nano": TIMES, **fields})
    return st.lists(optional, max_size=4)


START = st.just(NOW_NS - 10)
NUMBERS = st.one_of(
    _points(as_double=DOUBLES, flags=FLAGS, start_time_unix_nano=START),
    _points(as_int=st.sampled_from([0, -1, (1 << 63) - 1, -(1 << 63)]), flags=FLAGS),
)


def _mostly_fitting(points):
    """One bound fewer than there are buckets, but where there are four of these."""
    for point in points:
        buckets = len(point.get("bucket_counts", ()))
        if buckets < 4:
            point["explicit_bounds"] = point.get("explicit_bounds", [])[: max(0, buckets - 1)]
            point["bucket_counts"] = point.get("bucket_counts", [])[: len(point["explicit_bounds"]) + 1]
    return points


HISTOGRAMS = _points(
    count=COUNTS,
    sum=DOUBLES,
    min=DOUBLES,
    max=DOUBLES,
    flags=FLAGS,
    bucket_counts=st.lists(COUNTS, max_size=4),
    explicit_bounds=st.lists(_mostly([-1.0, 0.0, 10.0], 1e22, float("inf")), max_size=2, unique=True).map(sorted),
).map(_mostly_fitting)
BUCKETS = st.builds(
    lambda offset, counts: {"offset": offset, "bucket_counts": counts},
    _mostly([0, -3, 5], 2**31 - 1, -(2**31)),
    st.lists(COUNTS, max_size=3),
)
EXPONENTIALS = _points(
    count=COUNTS,
    sum=DOUBLES,
    scale=_mostly([0, 3, -10, 20], 21, -11),
    zero_count=COUNTS,
    positive=BUCKETS,
    negative=BUCKETS,
    zero_threshold=DOUBLES,
    flags=FLAGS,
)
QUANTILES = st.lists(
    st.builds(lambda q, value: {"quantile": q, "value": value}, st.sampled_from([0.0, 0.5, 0.99]), DOUBLES), max_size=3
)
SUMMARIES = _points(count=COUNTS, sum=DOUBLES, quantile_values=QUANTILES, flags=FLAGS)
TEMPORALITIES = st.integers(0, 2)


def _data(kind, points, temporality=None):
    fields = {"data_points": points}
    if temporality is not None:
        fields["aggregation_temporality"] = temporality
    return {kind: fields}


DATA = st.one_of(
    st.builds(lambda points: _data("gauge", points), NUMBERS),
    st.builds(lambda points, temporality: _data("sum", points, temporality), NUMBERS, TEMPORALITIES),
    st.builds(lambda points, temporality: _data("histogram", points, temporality), HISTOGRAMS, TEMPORALITIES),
    st.builds(lambda points, t: _data("exponential_histogram", points, t), EXPONENTIALS, TEMPORALITIES),
    st.builds(lambda points: _data("summary", points), SUMMARIES),
    st.just({}),
)
METRICS = st.builds(
    lambda name, unit, data: {"name": name, "unit": unit, **data}, NAMES, st.sampled_from(["", "By"]), DATA
)
SCOPES = st.fixed_dictionaries(
    {"metrics": st.lists(METRICS, max_size=3)},
    optional={"scope": st.builds(lambda name, some: {"name": name, "attributes": some}, TEXTS, ATTRIBUTES)},
)
RESOURCES = st.fixed_dictionaries(
    {"scope_metrics": st.lists(SCOPES, max_size=2)},
    optional={"resource": st.builds(lambda some: {"attributes": some}, ATTRIBUTES)},
)


@st.composite
def requests(draw):
    return ExportMetricsServiceRequest(resource_metrics=draw(st.lists(RESOURCES, max_size=2)))


def _answer(parse, body, **known):
    try:
        parsed = parse(body, otlp_envelope(), **known)
    except StrataError as error:
        return type(error), error.detail, error.code
    batch = parsed.batch
    columns = (batch.series_index, batch.time_ns, batch.values)
    assert [column.dtype for column in columns] == [np.int32, np.int64, np.float64]
    return batch.series, [column.tobytes() for column in columns], parsed.accepted, parsed.rejected, parsed.faults


def _check(body, known=_READY):
    plain = _answer(parse_otlp_protobuf, body)
    for _ in range(2):  # what was learned changes nothing either
        assert _answer(parse_otlp_protobuf, body, known=known) == plain
    return plain


def as_otlp_json(message, camel=MessageToDict):
    """What its own dialect makes of a message: enums are numbers, NaN and infinities are texts."""
    return msgspec.json.encode(camel(message, use_integers_for_enums=True))


@settings(deadline=None, max_examples=150)
@given(requests(), st.booleans())
def test_a_message_is_walked_as_it_is_read_and_json_of_it_is_the_same(request, is_small):
    plain = _check(request.SerializeToString(), _READY_SMALL if is_small else _READY)
    assert _answer(parse_otlp_json, as_otlp_json(request)) == plain


@settings(deadline=None, max_examples=150)
@given(requests().filter(lambda request: request.ByteSize() > 0), st.data())
def test_a_damaged_message_is_walked_as_it_is_read(request, data):
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0x0A, 0x12, 0x3A, 0x80, 0xFF, 0x0B])))
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body))) :]
    _check(bytes(body))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_walked_as_they_are_read(body):
    _check(body)


def _field(number, payload):
    size = len(payload)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + payload


POINT = b"\x19" + struct.pack("<Q", NOW_NS) + b"\x21" + struct.pack("<d", 2.5)
GAUGE = _field(5, _field(1, POINT))
METRIC = _field(1, b"m") + GAUGE
RESOURCE = _field(1, _field(1, _field(1, b"a") + _field(2, _field(1, b"b"))))


def _body(metric=METRIC, around_scope=b"", around_metric=b"", resource=RESOURCE, end=b""):
    return _field(1, resource + _field(2, around_metric + _field(2, metric)) + around_scope) + end


# Each still is the one point that it was.
ODD_BUT_GOOD = {
    "resource after its scopes": _body(resource=b"", around_scope=RESOURCE),
    "resource in two parts": _body(around_scope=_field(1, b"")),
    "name after the data": _body(GAUGE + _field(1, b"m")),
    "data in two parts": _body(_field(1, b"m") + _field(5, b"") + GAUGE),
    "other data before": _body(_field(1, b"m") + _field(7, b"") + GAUGE),
    "unknown fields": _body(
        METRIC + b"\xa2\x06\x01x", b"\xa0\x06\x05", b"\xa1\x06" + bytes(8), end=b"\xa5\x06" + bytes(4)
    ),
    "long tag": _body(_field(1, b"m") + b"\xaa\x00" + GAUGE[1:]),
    "long length": _body(_field(1, b"m") + b"\x2a" + bytes([GAUGE[1] | 128, 128, 0]) + GAUGE[2:]),
    "unknown varint of ten bytes": _body(METRIC + b"\x90\x03" + b"\xff" * 9 + b"\x01"),
    "a known number of another type": _body(METRIC + b"\x08\x01"),
    "exemplars unread": _body(_field(1, b"m") + _field(5, _field(1, POINT + _field(5, b"\xff\xff")))),
}
BAD = {
    "length beyond the end": b"\x0a\x7f",
    "huge length": b"\x0a" + b"\xff" * 9 + b"\x01",
    "endless number": b"\x0a" + b"\xff" * 11,
    "no number of a field": _body(METRIC + b"\x02\x00"),
    "a group": _body(METRIC + b"\x9b\x06\x9c\x06"),
    "wire type 7": _body(METRIC + b"\x0f"),
    "text that is not UTF-8": _body(_field(1, b"\xff") + GAUGE),
    "an attribute that is not UTF-8": _body(resource=_field(1, _field(1, _field(1, b"\xc3")))),
    "a time that is cut": _body(_field(1, b"m") + _field(5, _field(1, b"\x19\0"))),
    "a tag that is too long": _body(METRIC + b"\xff\xff\xff\xff\xff\x01"),
}


def _nested(depth):
    value = _field(1, b"x")
    for _ in range(depth):
        value = _field(5, _field(1, value))
    return _body(resource=_field(1, _field(1, _field(1, b"a") + _field(2, value))))


@pytest.mark.parametrize("case", ODD_BUT_GOOD)
def test_what_no_sender_does_but_protobuf_allows_is_the_same_point(case):
    usual = _check(_body())
    assert len(usual[0]) == 1
    assert _check(ODD_BUT_GOOD[case]) == usual


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_protobuf_is_refused_whole(case):
    assert _check(BAD[case])[2] == "bad_protobuf"


def test_attributes_may_be_nested_but_not_without_end():
    assert _check(_nested(16))[2] == 1
    faults = _check(_nested(17))
    assert (faults[2], faults[3][0].reason) == (0, "resource: an attribute is nested deeper than 16")
    assert _check(_nested(101))[2] == "bad_protobuf"


def test_many_series_are_found_again_whatever_their_order():
    names = [f"h{number}" for number in range(700)]
    points = [{"attributes": [attribute("host", name)], "time_unix_nano": NOW_NS, "as_int": 1} for name in names]
    for order in (points, points[::-1], points[::2]):
        body = request_of({"name": "m", "gauge": {"data_points": order}}).SerializeToString()
        assert _check(body)[2] == len(order)


def test_a_series_is_one_object_in_every_body():
    body = request_of({"name": "m", "gauge": {"data_points": [{"as_int": 1}]}}).SerializeToString()
    first, second = (parse_otlp_protobuf(body, otlp_envelope(), known=_READY).batch.series[0] for _ in range(2))
    assert first is second


def test_bytes_in_json_are_base64():
    value = {"bytesValue": base64.b64encode(b"\x00\xff").decode()}
    point = {"asInt": "1", "attributes": [{"key": "raw", "value": value}]}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}]}
    parsed = parse_otlp_json(msgspec.json.encode(body), otlp_envelope())
    assert parsed.batch.series[0].tags == (("raw", "AP8="),)
