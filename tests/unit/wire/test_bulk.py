import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import ORGANIZATION, RECEIVED_NS, bulk_envelope
from strata_datamodel.errors import InvalidError, StrataError, TooLargeError
from strata_datamodel.limits import (
    JSON_DEPTH,
    LOG_DOCUMENT_BYTES,
    LOG_DOCUMENTS_PER_REQUEST,
    LOG_KEYWORD_BYTES,
    LOG_MESSAGE_BYTES,
    LOG_METADATA_BYTES,
    LOG_TAGS,
)
from strata_datamodel.logs import LogLevel, log_event_id
from strata_wire.bulk import parse_bulk

RECEIVED_DAY = "2027-01-15"


def body_of(*documents, action="index", **meta):
    lines = []
    for document in documents:
        lines.append(json.dumps({action: meta}))
        lines.append(document if isinstance(document, str) else json.dumps(document))
    return "".join(line + "\n" for line in lines).encode()


def event_of(document, **meta):
    parsed = parse_bulk(body_of(document, **meta), bulk_envelope())
    assert [item.error for item in parsed.items] == [None]
    return parsed.batch.events[0]


def error_of(document, **meta):
    """The refusal of one document between two good ones, which stay."""
    body = body_of({"message": "before"}) + body_of(document, **meta) + body_of({"message": "after"})
    parsed = parse_bulk(body, bulk_envelope())
    assert [event.message for event in parsed.batch.events] == ["before", "after"]
    return parsed.items[1].error


def test_a_document_becomes_an_event():
    event = event_of(
        {
            "@timestamp": "2027-01-15T07:00:00.123456789Z",
            "message": "started",
            "log.level": "WARNING",
            "host": {"name": "web-1", "os": "linux"},
            "service": "checkout",
            "tags": ["a", "b"],
            "trace": {"id": "x"},
        },
        _index="app",
    )
    assert event.timestamp_ns == 1_799_996_400_123_456_789
    assert event.day == RECEIVED_DAY
    assert (event.level, event.message) == (LogLevel.WARN, "started")
    assert (event.host_id, event.service_id, event.stream) == ("web-1", "checkout", "app")
    assert event.tags == {"a": "true", "b": "true"}
    assert event.metadata == {"host": {"os": "linux"}, "trace": {"id": "x"}}


@pytest.mark.parametrize(
    ("document", "field", "expected"),
    [
        ({"msg": "m"}, "message", "m"),
        ({"log": "from docker\n"}, "message", "from docker\n"),
        ({"MESSAGE": "from journald"}, "message", "from journald"),
        ({"message": {"a": 1}}, "message", '{"a":1}'),
        ({"message": 5, "msg": "text"}, "message", "text"),
        ({"user": "u"}, "message", '{"user": "u"}'),
        ({"message": ""}, "message", ""),
        ({"level": "err"}, "level", LogLevel.ERROR),
        ({"log": {"level": "debug"}, "message": "m"}, "level", LogLevel.DEBUG),
        ({"severity": 3}, "level", LogLevel.ERROR),
        ({"severity": "6"}, "level", LogLevel.INFO),
        ({"level": 30}, "level", LogLevel.INFO),
        ({"PRIORITY": "2"}, "level", LogLevel.FATAL),
        ({"level": "purple", "severity": "info"}, "level", LogLevel.INFO),
        ({"level": "purple"}, "level", LogLevel.UNKNOWN),
        ({"level": True}, "level", LogLevel.UNKNOWN),
        ({"host": "h"}, "host_id", "h"),
        ({"host.name": "h"}, "host_id", "h"),
        ({"host_id": 12}, "host_id", "12"),
        ({"hostname": "h"}, "host_id", "h"),
        ({"fromhost": "h"}, "host_id", "h"),
        ({"host": ["a"], "hostname": "h"}, "host_id", "h"),
        ({"service": {"name": "s"}}, "service_id", "s"),
        ({"service.name": "s"}, "service_id", "s"),
        ({"service_id": "s"}, "service_id", "s"),
        ({"tags": {"env": "prod", "n": 1, "on": True, "no": None}}, "tags", {"env": "prod", "n": "1", "on": "true"}),
        ({"tags": "one"}, "tags", {"one": "true"}),
        ({"time": "2027-01-15T09:00:00+02:00"}, "timestamp_ns", 1_799_996_400_000_000_000),
        ({"timestamp": 1_799_996_400_123}, "timestamp_ns", 1_799_996_400_123_000_000),
        ({"@timestamp": "1799996400123"}, "timestamp_ns", 1_799_996_400_123_000_000),
        ({"ts": 1_799_996_400.25}, "timestamp_ns", 1_799_996_400_250_000_000),
        ({"timereported": "2027-01-15T07:00:00Z"}, "timestamp_ns", 1_799_996_400_000_000_000),
        ({"time": "12:30"}, "timestamp_ns", RECEIVED_NS),
        ({"time": 17}, "timestamp_ns", RECEIVED_NS),
        ({}, "timestamp_ns", RECEIVED_NS),
    ],
)
def test_fields_are_found_under_their_many_names(document, field, expected):
    assert getattr(event_of(document), field) == expected


def test_what_was_not_used_stays_metadata():
    document = {"level": "purple", "time": "12:30", "host": "a", "hostname": "b", "message": "m", "msg": "n"}
    assert event_of(document).metadata == {"level": "purple", "time": "12:30", "hostname": "b", "msg": "n"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2027-01-15T07:00:00", 1_799_996_400_000_000_000),
        ("2027-01-15 07:00:00.5 +00:00", 1_799_996_400_500_000_000),
        ("2027-01-15T07:00:00.1234567891Z", 1_799_996_400_123_456_789),
        ("2027-01-15T02:30:00-0430", 1_799_996_400_000_000_000),
        ("2027-01-15", 1_799_971_200_000_000_000),
        ("2024-02-29T23:59:60Z", 1_709_251_200_000_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond(text, expected):
    assert event_of({"@timestamp": text}).timestamp_ns == expected


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "2027-02-30T00:00:00Z",
        "2027-01-15T25:00:00Z",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
        None,
        True,
        -5,
        1e300,
        [1],
        {"a": 1},
    ],
)
def test_an_unreadable_event_time_is_an_error_of_its_document(value):
    error = error_of({"@timestamp": value})
    assert (error.type, error.status) == ("document_parsing_exception", 400)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2027-01-14T00:00:00Z", "2027-01-14"),
        ("2001-01-01T00:00:00Z", "2027-01-08"),
        ("2099-01-01T00:00:00Z", RECEIVED_DAY),
    ],
)
def test_the_index_day_is_that_of_the_event_within_what_is_kept(at, day):
    assert event_of({"@timestamp": at}).day == day


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "",
        "[]",
        '"text"',
        "null",
        '{"a":NaN}',
        '{"a":"\ud800"}',
        json.loads("[" * JSON_DEPTH + "]" * JSON_DEPTH),
        {"a": json.loads("[" * JSON_DEPTH + "]" * JSON_DEPTH)},
        {"message": "x" * (LOG_MESSAGE_BYTES + 1)},
        {"message": "m", "x": "x" * LOG_METADATA_BYTES},
        {"x": "x" * LOG_DOCUMENT_BYTES},
        {"host": "h" * (LOG_KEYWORD_BYTES + 1)},
        {"service": "☃" * (LOG_KEYWORD_BYTES // 2)},
        {"host": "a\0b"},
        {"tags": {"k": "v\0"}},
        {"tags": [f"t{n}" for n in range(LOG_TAGS + 1)]},
    ],
)
def test_a_bad_document_is_refused_alone(document):
    if isinstance(document, str) and "\ud800" in document:
        document = r'{"a":"\ud800"}'
    assert error_of(document).status == 400


@pytest.mark.parametrize("action", ["update", "delete"])
def test_logs_are_append_only(action):
    line = json.dumps({action: {"_index": "a", "_id": "1"}}) + "\n"
    body = body_of({"message": "a"}) + line.encode() + (b'{"doc":{}}\n' if action == "update" else b"")
    parsed = parse_bulk(body + body_of({"message": "b"}), bulk_envelope())
    assert [event.message for event in parsed.batch.events] == ["a", "b"]
    assert parsed.items[1].error.type == "illegal_argument_exception"


@pytest.mark.parametrize("line", [b"nope", b"[]", b'{"put":{}}', b'{"index":{},"create":{}}', b'{"index":1}', b"{}"])
def test_a_line_that_is_no_action_refuses_the_request_and_is_named(line):
    with pytest.raises(InvalidError, match=r"line \[3\]"):
        parse_bulk(body_of({"message": "a"}) + line + b"\n{}\n", bulk_envelope())


def test_the_stream_is_the_index_of_the_action_then_of_the_path():
    body = b'{"index":{"_index":"own"}}\n{}\n{"create":{}}\n{}\n'
    assert [event.stream for event in parse_bulk(body, bulk_envelope(index="path")).batch.events] == ["own", "path"]
    assert [event.stream for event in parse_bulk(body, bulk_envelope()).batch.events] == ["own", "logs"]


def test_blank_lines_and_a_missing_last_newline_lose_nothing():
    body = b'\n{"index":{}}\n{"message":"a"}\r\n\n{"index":{}}\n{"message":"b"}'
    assert [event.message for event in parse_bulk(body, bulk_envelope()).batch.events] == ["a", "b"]


def test_a_body_cut_after_an_action_refuses_that_item_only():
    parsed = parse_bulk(body_of({"message": "a"}) + b'{"index":{}}\n', bulk_envelope())
    assert [item.error is None for item in parsed.items] == [True, False]


def test_ids_are_those_of_the_batch_and_place():
    parsed = parse_bulk(body_of({"message": "a"}, "{", {"message": "b"}), bulk_envelope(batch=7))
    batch_id = bulk_envelope(batch=7).batch_id
    expected = [log_event_id(RECEIVED_NS, ORGANIZATION, batch_id, place) for place in (0, 2)]
    assert [event.event_id for event in parsed.batch.events] == expected


def test_an_event_its_sender_named_keeps_its_id_over_retries():
    document = {"@timestamp": "2027-01-15T07:00:00Z", "message": "a"}
    body = body_of(document, _index="i", _id="mine")
    ids = {
        parse_bulk(body, bulk_envelope(RECEIVED_NS + shift, batch)).batch.events[0].event_id
        for shift, batch in ((0, 1), (5_000_000_000, 2))
    }
    assert len(ids) == 1
    untimed = body_of({"message": "a"}, _index="i", _id="mine")
    assert len({parse_bulk(untimed, bulk_envelope(RECEIVED_NS + n)).batch.events[0].event_id for n in (0, 10**10)}) == 1
    for other in (body_of(document, _index="j", _id="mine"), body_of(document, _index="i", _id="other")):
        assert parse_bulk(other, bulk_envelope()).batch.events[0].event_id not in ids


@pytest.mark.parametrize(("meta", "is_taken"), [({"_id": ""}, False), ({"_id": "x" * 513}, False), ({"_id": 7}, True)])
def test_ids_have_the_bounds_of_elasticsearch(meta, is_taken):
    parsed = parse_bulk(body_of({"message": "m"}, **meta), bulk_envelope())
    assert (parsed.items[0].error is None) is is_taken


def test_too_many_documents_are_refused_whole():
    with pytest.raises(TooLargeError):
        parse_bulk(b'{"index":{}}\n{}\n' * (LOG_DOCUMENTS_PER_REQUEST + 1), bulk_envelope())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_known = st.sampled_from(
    ["@timestamp", "time", "level", "log", "message", "msg", "host", "host.name", "service", "tags"]
)


@given(st.lists(st.dictionaries(_known | st.text(max_size=5), _json, max_size=6), max_size=5))
def test_every_item_is_either_an_event_or_an_error_and_a_replay_is_the_same(documents):
    body = body_of(*documents)
    parsed = parse_bulk(body, bulk_envelope())
    assert len(parsed.items) == len(documents)
    assert sum(item.error is None for item in parsed.items) == len(parsed.batch.events)
    assert parsed == parse_bulk(body, bulk_envelope())


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":index,create\n\\u0 ', max_size=80).map(str.encode))
def test_arbitrary_bytes_give_an_answer_or_a_strata_error(body):
    try:
        parse_bulk(body, bulk_envelope())
    except StrataError:
        return
