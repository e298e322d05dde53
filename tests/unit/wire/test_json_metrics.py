"""Metrics as JSON, ours and collectd's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import RECEIVED_NS, line_envelope
from strata_datamodel.errors import InvalidError
from strata_datamodel.metrics import FieldClass
from strata_wire.collectd import parse_collectd
from strata_wire.json_push import parse_json_push
from strata_wire.line_grammar import Fault

SECOND = RECEIVED_NS // 10**9
DAY_NS = 86_400 * 10**9


def points(parsed):
    batch = parsed.batch
    rows = zip(batch.series_index.tolist(), batch.time_ns.tolist(), batch.values.tolist(), strict=True)
    found = []
    for index, time_ns, value in rows:
        key = batch.series[index]
        kept = batch.texts[int(value)] if key.field_class is FieldClass.STRING else value
        found.append((key.measurement, dict(key.tags), key.field, time_ns, kept))
    return found


def push(*metrics, **rest):
    return parse_json_push(json.dumps({"metrics": metrics, **rest}).encode(), line_envelope())


def refused(parsed):
    return [(row.where, row.fault) for row in parsed.rejected]


def test_every_type_tag_and_time_comes_through():
    parsed = push(
        {"measurement": "cpu", "tags": {"host": "a", "empty": ""}, "fields": {"v": 1.5, "n": 2, "up": True}},
        {"measurement": "cpu", "fields": {"state": "läuft"}, "time": "2027-01-15T08:00:00.000000001Z"},
        {"measurement": "cpu", "fields": {"v": 3}, "time": SECOND + 0.25},
    )
    assert points(parsed) == [
        ("cpu", {"host": "a"}, "v", RECEIVED_NS, 1.5),
        ("cpu", {"host": "a"}, "n", RECEIVED_NS, 2.0),
        ("cpu", {"host": "a"}, "up", RECEIVED_NS, 1.0),
        ("cpu", {}, "state", 1_800_000_000_000_000_001, "läuft"),
        ("cpu", {}, "v", SECOND * 10**9 + 250_000_000, 3.0),
    ]
    assert (parsed.accepted, parsed.rejections) == (3, 0)


@pytest.mark.parametrize(("precision", "unit"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_numbers_are_times_in_the_precision_of_the_push(precision, unit):
    parsed = push({"measurement": "m", "fields": {"v": 1}, "time": SECOND * unit}, precision=precision)
    assert points(parsed)[0][3] == SECOND * 10**9


@pytest.mark.parametrize(
    ("metric", "where"),
    [
        ({"fields": {"v": 1}}, ""),
        ({"measurement": "m", "fields": {"v": None}}, "/fields"),
        ({"measurement": "m", "fields": {"v": [1]}}, "/fields"),
        ({"measurement": "m", "fields": {}}, "/fields"),
        ({"measurement": "m", "fields": {"v": 1}, "typo": 1}, ""),
        ({"measurement": "", "fields": {"v": 1}}, "/measurement"),
        ({"measurement": "m\0", "fields": {"v": 1}}, "/measurement"),
        ({"measurement": "m", "tags": {"a/b~": "x" * 1025}, "fields": {"v": 1}}, "/tags/a~1b~0"),
        ({"measurement": "m", "tags": {"time": "x"}, "fields": {"v": 1}}, "/tags/time"),
        ({"measurement": "m", "tags": {"a": 1}, "fields": {"v": 1}}, "/tags"),
        ({"measurement": "m", "fields": {"time": 1}}, "/fields/time"),
        ({"measurement": "m", "fields": {"v": 10**400}}, "/fields/v"),
        ({"measurement": "m", "fields": {"v": 1}, "time": "yesterday"}, "/time"),
        ({"measurement": "m", "fields": {"v": 1}, "time": 1e300}, "/time"),
    ],
)
def test_a_bad_row_is_pointed_at_and_costs_only_itself(metric, where):
    good = {"measurement": "m", "fields": {"v": 7}}
    parsed = push(good, metric, good)
    assert refused(parsed) == [(f"/metrics/1{where}", Fault.MALFORMED)]
    assert (parsed.accepted, len(parsed.batch)) == (2, 2)


def test_times_out_of_range_are_refused_by_row():
    envelope = line_envelope(raw_kept_ns=str(DAY_NS))
    at = [RECEIVED_NS - DAY_NS, RECEIVED_NS - DAY_NS - 1, RECEIVED_NS + 601 * 10**9]
    metrics = [{"measurement": "m", "fields": {"v": 1}, "time": time_ns} for time_ns in at]
    parsed = parse_json_push(json.dumps({"metrics": metrics, "precision": "ns"}).encode(), envelope)
    assert refused(parsed) == [("/metrics/1/time", Fault.TOO_OLD), ("/metrics/2/time", Fault.IN_FUTURE)]
    assert parsed.accepted == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"metrics": 1}', b"\xff", b'{"metrics":[],"x":1}', b'{"metrics":' + b"[" * 10_000]
)
def test_a_body_that_is_no_push_is_refused_whole(body):
    with pytest.raises(InvalidError) as refusal:
        parse_json_push(body, line_envelope())
    assert refusal.value.code == "invalid_json"


def test_depth_of_ten_thousand_is_refused_without_a_crash():
    deep = b"[" * 10_000 + b"]" * 10_000
    for parse, body in ((parse_json_push, b'{"metrics":[%b]}' % deep), (parse_collectd, deep)):
        try:
            parsed = parse(body, line_envelope())
        except InvalidError:
            continue
        assert parsed.accepted == 0


VALUE = st.one_of(st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8), st.integers())
JSON = st.recursive(st.none() | VALUE, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner))


@given(st.lists(JSON, max_size=6), st.binary(max_size=40))
def test_whatever_comes_each_row_is_accepted_or_refused_and_a_replay_is_the_same(rows, junk):
    body = json.dumps({"metrics": rows}).encode()
    first, second = (parse_json_push(body, line_envelope()) for _ in range(2))
    assert first.accepted + first.rejections == len(rows)
    assert points(first) == points(second)
    collected = parse_collectd(json.dumps(rows).encode(), line_envelope())
    assert collected.accepted + collected.rejections == len(rows)
    for parse in (parse_json_push, parse_collectd):
        try:
            parse(junk, line_envelope())
        except InvalidError as error:
            assert error.code == "invalid_json"  # noqa: PT017


NAME = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text and text != "time")


@given(NAME, st.dictionaries(NAME, NAME, max_size=4), st.dictionaries(NAME, VALUE, min_size=1, max_size=4))
def test_what_was_sent_comes_back(measurement, tags, fields):
    fields = {name: value for name, value in fields.items() if not (isinstance(value, str) and "\0" in value)}
    if not fields:
        return
    parsed = push({"measurement": measurement, "tags": tags, "fields": fields})
    assert [(point[0], point[1], point[2], point[4]) for point in points(parsed)] == [
        (measurement, tags, name, float(value) if not isinstance(value, str) else value)
        for name, value in fields.items()
    ]


def value_list(**changes):
    return {
        "values": [12, None, 0.5],
        "dstypes": ["derive", "counter", "gauge"],
        "dsnames": ["rx", "tx", "load"],
        "time": SECOND + 0.123,
        "interval": 10.0,
        "host": "web-1",
        "plugin": "interface",
        "plugin_instance": "eth0",
        "type": "if_octets",
        "type_instance": "",
        "meta": {"network:received": True},
    } | changes


def collectd(*lists):
    return parse_collectd(json.dumps(lists).encode(), line_envelope())


def test_collectds_plugin_is_the_measurement_and_each_data_source_a_field():
    tags = {"host": "web-1", "plugin_instance": "eth0", "type": "if_octets"}
    at = SECOND * 10**9 + 123_000_000
    assert points(collectd(value_list())) == [
        ("interface", tags, "rx", at, 12.0),
        ("interface", tags, "load", at, 0.5),
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"values": [1]}, "/values"),
        ({"values": [None] * 3}, "/values"),
        ({"dstypes": ["derive", "odd", "gauge"]}, "/dstypes/1"),
        ({"host": 3}, "/host"),
        ({"host": "h" * 1025}, "/host"),
        ({"time": -1}, "/time"),
        ({"plugin": ""}, "/measurement"),
    ],
)
def test_a_bad_value_list_costs_only_itself(changes, where):
    parsed = collectd(value_list(), value_list(**changes))
    assert refused(parsed) == [(f"/1{where}", Fault.MALFORMED)]
    assert parsed.accepted == 1
