import math

import pytest

from factories.wire_envelopes import RECEIVED_NS, line_envelope
from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import (
    FIELDS_PER_LINE,
    FUTURE_SECONDS,
    LINE_BYTES,
    LINES_PER_REQUEST,
    NAME_BYTES,
    STRING_FIELD_BYTES,
    TAG_VALUE_BYTES,
    TAGS_PER_SERIES,
)
from strata_datamodel.metrics import FieldClass
from strata_wire.line_protocol import Fault, parse_lines
from strata_wire.precision import v1_precision, v2_precision

DAY_NS = 86_400_000_000_000


def points(body, **parameters):
    """(measurement, tags, field, class, time, value) of every row, strings resolved."""
    parsed = parse_lines(body, line_envelope(**parameters))
    batch = parsed.batch
    rows = []
    for index, time_ns, value in zip(batch.series_index, batch.time_ns, batch.values, strict=True):
        series = batch.series[index]
        shown = batch.texts[int(value)] if series.field_class is FieldClass.STRING else float(value)
        rows.append((series.measurement, dict(series.tags), series.field, str(series.field_class), int(time_ns), shown))
    return rows


def one_value(text):
    (row,) = points(b"m v=" + text)
    return row[3], row[5]


def reasons(body, **parameters):
    return [(line.number, line.reason) for line in parse_lines(body, line_envelope(**parameters)).rejected]


def only_reason(line):
    body = b"good v=1\n" + line + b"\ngood v=2\n"
    parsed = parse_lines(body, line_envelope())
    assert parsed.accepted == 2
    assert len(parsed.batch) == 2
    (rejected,) = parsed.rejected
    assert rejected.number == 2
    return rejected.reason


def test_a_line_becomes_a_point_per_field():
    rows = points(b"cpu,host=a,region=eu usage=1.5,idle=98i 1800000000000000000\n")
    at = 1_800_000_000_000_000_000
    tags = {"host": "a", "region": "eu"}
    assert rows == [("cpu", tags, "usage", "number", at, 1.5), ("cpu", tags, "idle", "number", at, 98.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1", ("number", 1.0)),
        (b"-1.5e-3", ("number", -0.0015)),
        (b"+.5E2", ("number", 50.0)),
        (b"1.", ("number", 1.0)),
        (b"1i", ("number", 1.0)),
        (b"-9223372036854775808i", ("number", -9223372036854775808.0)),
        (b"9223372036854775807i", ("number", 9223372036854775807.0)),
        (b"9007199254740993i", ("number", 9007199254740992.0)),
        (b"0000000000000000000000000000001i", ("number", 1.0)),
        (b"18446744073709551615u", ("number", 18446744073709551615.0)),
        (b'"text"', ("string", "text")),
        (b'""', ("string", "")),
        (b'"a \\"quoted\\" \\\\ word, x=1"', ("string", 'a "quoted" \\ word, x=1')),
        (b'"a\\b"', ("string", "a\\b")),
        (b'"two\nlines"', ("string", "two\nlines")),
        ('"naïve ☃"'.encode(), ("string", "naïve ☃")),
    ],
)
def test_values_of_every_type(text, expected):
    assert one_value(text) == expected


@pytest.mark.parametrize("word", ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"])
def test_booleans_in_every_spelling(word):
    assert one_value(word.encode()) == ("boolean", 1.0 if word[0] in "tT" else 0.0)


@pytest.mark.parametrize(
    "text",
    [
        b"nan",
        b"NaN",
        b"inf",
        b"-Infinity",
        b"1_000",
        b"0x10",
        b"1e",
        b"1e400",
        b"--1",
        b"1.2.3",
        b"tRUE",
        b"yes",
        b"9223372036854775808i",
        b"-1u",
        b"+1u",
        b"18446744073709551616u",
        b"1.5i",
        b"i",
        b"u",
        b"1ii",
        b"-",
        b".",
        b'"open',
        b'"shut"x',
        b'a"b"',
        b"'x'",
        b"1" * 5000 + b"i",
        "\u0661".encode(),
        b"\xff",
    ],
)
def test_what_is_no_value_is_rejected(text):
    assert only_reason(b"m v=" + text)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"cpu", "missing fields"),
        (b"cpu ", "missing fields"),
        (b"cpu,host=a", "missing fields"),
        (b",host=a v=1", "missing measurement"),
        (b"cpu,host= v=1", "invalid tag format"),
        (b"cpu,=a v=1", "invalid tag format"),
        (b"cpu,host v=1", "invalid tag format"),
        (b"cpu,host=a=b v=1", "invalid tag format"),
        (b"cpu,host=a, v=1", "invalid tag format"),
        (b"cpu,host=a,host=b v=1", 'duplicate tag "host"'),
        (b"cpu,time=1 v=1", "invalid tag key"),
        (b"cpu time=1", "invalid field name"),
        (b"cpu v", "invalid field format"),
        (b"cpu v=", "missing field value"),
        (b"cpu v=1,", "invalid field format"),
        (b"cpu v=1,,w=2", "invalid field format"),
        (b"cpu =1", "invalid field format"),
        (b"cpu v=1 12x", "bad timestamp"),
        (b"cpu v=1 1.5", "bad timestamp"),
        (b"cpu v=1 1_0", "bad timestamp"),
        (b"cpu v=1 " + b"9" * 30, "time outside range"),
        (b"cpu v=1 1800000000000000000 extra", "bad timestamp"),
        (b'cpu v="a"b', "unbalanced quotes"),
        (b"c\xffpu v=1", "measurement is not valid UTF-8"),
        (b"cpu,h\xff=a v=1", "tag key is not valid UTF-8"),
        (b"cpu,h=a\xff v=1", 'value of tag "h" is not valid UTF-8'),
        (b'cpu v="\xff"', "string value is not valid UTF-8"),
        (b"cpu,h=a\x00 v=1", 'value of tag "h" holds a NUL'),
        (b"m" * (NAME_BYTES + 1) + b" v=1", "measurement is longer than"),
        (b"m " + b"f" * (NAME_BYTES + 1) + b"=1", "field name is longer than"),
        (b"m,h=" + b"v" * (TAG_VALUE_BYTES + 1) + b" v=1", 'value of tag "h" is longer than'),
        (b'm v="' + b"s" * (STRING_FIELD_BYTES + 1) + b'"', "string value is longer than"),
        (b"m" + b"".join(b",t%d=x" % n for n in range(TAGS_PER_SERIES + 1)) + b" v=1", "more than 64 tags"),
        (b"m " + b",".join(b"f%d=1" % n for n in range(FIELDS_PER_LINE + 1)), "more than 256 fields"),
        (b'm v="' + b"s" * LINE_BYTES + b'"', "line is longer than"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_and_its_neighbours_are_kept(line, reason):
    assert only_reason(line).startswith(reason)


def test_escapes_of_each_place():
    (row,) = points(rb"my\,m\ x\=y,tag\ \,\=k=a\ b\,c\=d,w=C:\dir fi\,e\=l\ d=1")
    assert row[0] == r"my,m x\=y"
    assert row[1] == {"tag ,=k": "a b,c=d", "w": r"C:\dir"}
    assert row[2] == "fi,e=l d"


def test_quotes_outside_of_string_values_mean_nothing():
    (row,) = points(b'"m",t="a"b" "f"=1')
    assert row[:3] == ('"m"', {"t": '"a"b"'}, '"f"')


def test_a_newline_in_a_string_does_not_end_the_line_and_lines_are_still_counted():
    body = b'a v="1\n2\n3",w=1\nb bad\nc v=1\n'
    assert [row[0] for row in points(body)] == ["a", "a", "c"]
    assert reasons(body) == [(4, "invalid field format")]


def test_the_content_of_a_closed_string_is_never_read_as_lines():
    parsed = parse_lines(b'a v="x\nadmin v=1\n",w=oops\nb v=2\n', line_envelope())
    assert {series.measurement for series in parsed.batch.series} == {"b"}
    assert [line.number for line in parsed.rejected] == [1]


def test_an_unclosed_quote_swallows_no_good_line():
    body = b'a v="open\nb v=1\nc v="closed"\nd v="open again\ne v=2'
    parsed = parse_lines(body, line_envelope())
    assert {series.measurement for series in parsed.batch.series} == {"b", "c", "e"}
    assert [line.number for line in parsed.rejected] == [1, 4]


def test_empty_lines_comments_and_carriage_returns_are_no_points():
    body = b"\n\r\n   \n# cpu v=1\n  # indented\na v=1\r\n\tb v=2 \r\n\n"
    parsed = parse_lines(body, line_envelope())
    assert (parsed.accepted, parsed.rejections) == (2, 0)
    assert [row[0] for row in points(body)] == ["a", "b"]


def test_several_spaces_between_sections_are_one():
    assert len(points(b"cpu,a=b   v=1  1800000000000000000")) == 1


def test_a_missing_timestamp_is_the_arrival_so_that_a_replay_gives_the_same():
    assert points(b"m v=1")[0][4] == RECEIVED_NS
    assert points(b"m v=1") == points(b"m v=1")


@pytest.mark.parametrize(
    ("precision", "sent"),
    [
        ("ns", 1_799_999_100_000_000_000),
        ("us", 1_799_999_100_000_000),
        ("ms", 1_799_999_100_000),
        ("s", 1_799_999_100),
        ("m", 29_999_985),
    ],
)
def test_precisions_scale_the_timestamp(precision, sent):
    assert points(b"m v=1 %d" % sent, precision=precision)[0][4] == 1_799_999_100_000_000_000


def test_hours_scale_too():
    assert points(b"m v=1 500000", precision="h")[0][4] == 1_800_000_000_000_000_000


def test_precision_spellings_of_both_versions():
    assert [v1_precision(text) for text in ("", "n", "u", "µ", "ms", "s", "m", "h")] == (
        ["ns", "ns", "us", "us", "ms", "s", "m", "h"]
    )
    assert [v2_precision(text) for text in ("", "ns", "us", "ms", "s")] == ["ns", "ns", "us", "ms", "s"]
    for spell, text in ((v1_precision, "d"), (v2_precision, "m"), (v2_precision, "n")):
        with pytest.raises(InvalidError):
            spell(text)


def test_the_window_of_time_is_exact_at_both_ends():
    oldest = RECEIVED_NS - 3 * DAY_NS
    newest = RECEIVED_NS + FUTURE_SECONDS * 1_000_000_000
    parsed = parse_lines(
        b"m v=1 %d\nm v=1 %d\nm v=1 %d\nm v=1 %d" % (oldest, oldest - 1, newest, newest + 1),
        line_envelope(raw_kept_ns=str(3 * DAY_NS)),
    )
    assert parsed.accepted == 2
    assert [(line.number, line.fault) for line in parsed.rejected] == [(2, Fault.TOO_OLD), (4, Fault.IN_FUTURE)]
    assert parsed.faults == {Fault.TOO_OLD: 1, Fault.IN_FUTURE: 1}


def test_tags_are_sorted_so_that_their_order_makes_no_series():
    parsed = parse_lines(b"m,b=2,a=1 v=1\nm,a=1,b=2 v=2", line_envelope())
    assert len(parsed.batch.series) == 1
    assert parsed.batch.series[0].tags == (("a", "1"), ("b", "2"))


def test_a_tag_called_organization_is_a_users_tag():
    assert points(b"m,organization=theirs v=1")[0][1] == {"organization": "theirs"}


def test_of_a_field_sent_twice_the_last_value_wins_even_of_another_type():
    assert [row[2:6:3] for row in points(b"m v=1,v=2")] == [("v", 2.0)]
    assert [(row[3], row[5]) for row in points(b'm v=1,w=3,v="x"')] == [("string", "x"), ("number", 3.0)]


def test_types_of_one_field_are_series_of_their_own():
    parsed = parse_lines(b'm v=1\nm v="a"\nm v=true\nm v=2i', line_envelope())
    assert [series.field_class for series in parsed.batch.series] == [
        FieldClass.NUMBER,
        FieldClass.STRING,
        FieldClass.BOOLEAN,
    ]


def test_a_rejected_line_leaves_no_series_behind():
    parsed = parse_lines(b"gone,a=b v=1,w=bad\nkept v=1\ngone v=1 1", line_envelope(raw_kept_ns=str(DAY_NS)))
    assert [series.measurement for series in parsed.batch.series] == ["kept"]
    assert parsed.batch.series_index.tolist() == [0]


def test_points_a_microsecond_apart_stay_two():
    at = RECEIVED_NS - 1_000_000
    assert [row[4] for row in points(b"m v=1 %d\nm v=1 %d" % (at, at + 1_000))] == [at, at + 1_000]


def test_an_empty_body_is_an_empty_batch():
    parsed = parse_lines(b"", line_envelope())
    assert (len(parsed.batch), parsed.batch.series, parsed.accepted) == (0, (), 0)


def test_too_many_lines_are_refused_whole():
    with pytest.raises(TooLargeError):
        parse_lines(b"\n" * (LINES_PER_REQUEST + 1), line_envelope())


def test_reported_rejections_are_bounded_and_counted_in_full():
    parsed = parse_lines(b"bad\n" * 5_000, line_envelope())
    assert len(parsed.rejected) == 100
    assert parsed.rejections == 5_000


def test_no_stored_value_is_infinite_or_missing():
    assert all(math.isfinite(row[5]) for row in points(b"m a=1e308,b=-1e308,c=1e-320"))
