"""What becomes of each thing that Prometheus sends."""

import math

import pytest

from factories.remote_write import (
    NOW_MS,
    STALE,
    Request2,
    double,
    integer,
    label,
    message,
    packed,
    packed_doubles,
    remote_write_envelope,
    sample,
    series_1,
    span,
    zigzag,
)
from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import BUCKETS_PER_HISTOGRAM, SERIES_PER_REQUEST, SYMBOLS_PER_REQUEST
from strata_datamodel.metrics import FieldClass
from strata_wire.known_series import KnownSeries
from strata_wire.line_grammar import Fault
from strata_wire.remote_write import parse_remote_write
from strata_wire.remote_write_reading import check_symbols
from strata_wire.times_kept import RAW_KEPT_NS

UP = {"__name__": "up", "job": "node"}
NUMBER, STRING = FieldClass.NUMBER, FieldClass.STRING


def parse(body, version=1, known=None, **parameters):
    return parse_remote_write(body, remote_write_envelope(version, **parameters), known=known)


def points(parsed):
    """Measurement, tags, field, time and value of each."""
    batch = parsed.batch
    rows = zip(batch.series_index.tolist(), batch.time_ns.tolist(), batch.values.tolist(), strict=True)
    return [
        (
            key.measurement,
            dict(key.tags),
            key.field,
            at // 10**6,
            batch.texts[int(value)] if key.field_class is STRING else value,
        )
        for key, at, value in ((batch.series[place], at, value) for place, at, value in rows)
    ]


def histogram(*fields, time_ms=NOW_MS):
    return message(4, b"".join(fields) + integer(15, time_ms))


def shape(parsed):
    """Fields of one histogram's points: buckets by their bound."""
    return {(field, tags.get("le", "")): value for _, tags, field, _, value in points(parsed)}


@pytest.mark.parametrize("version", [1, 2])
def test_the_name_is_the_measurement_and_the_other_labels_are_tags(version):
    labels = {"job": "node", "instance": "a:1", "empty": "", "__name__": "up"}
    body = series_1(labels, sample(1.5, NOW_MS)) if version == 1 else Request2().add(labels, sample(1.5, NOW_MS)).body
    assert points(parse(body, version)) == [("up", {"instance": "a:1", "job": "node"}, "value", NOW_MS, 1.5)]


def test_what_is_no_number_is_a_text_of_the_same_field():
    values = (STALE, math.nan, math.inf, -math.inf, 2.0)
    parsed = parse(series_1(UP, *(sample(value, NOW_MS + place) for place, value in enumerate(values))))
    assert [point[4] for point in points(parsed)] == ["stale", "NaN", "+Inf", "-Inf", 2.0]
    assert [(key.field, key.field_class) for key in parsed.batch.series] == [("value", STRING), ("value", NUMBER)]
    assert (parsed.samples, parsed.rejections) == (5, 0)


def test_times_outside_of_what_is_kept_are_refused_by_sample():
    kept = {RAW_KEPT_NS: str(86_400 * 10**9)}
    times = (NOW_MS - 86_400_001, NOW_MS - 86_399_999, NOW_MS + 600_000, NOW_MS + 600_001, -(2**63))
    parsed = parse(series_1(UP, *(sample(1, at) for at in times)), **kept)
    assert [point[3] for point in points(parsed)] == [NOW_MS - 86_399_999, NOW_MS + 600_000]
    assert parsed.faults == {Fault.TOO_OLD: 2, Fault.IN_FUTURE: 1}
    assert parsed.rejected[0].labels == 'up{job="node"}'


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (label("job", "node"), "no label __name__"),
        (label("__name__", ""), "no label __name__"),
        (label("__name__", "up") + label("", "x"), "a label has no name"),
        (label("__name__", "up") + label("a", "1") + label("a", "2"), 'duplicate label "a"'),
        (label("__name__", b"\xff\xfe"), "not valid UTF-8"),
        (label("__name__", "up") + label("a", "x" * 1025), "longer than 1024 bytes"),
        (label("__name__", "x" * 257), "longer than 256 bytes"),
        (label("__name__", "up") + b"".join(label(f"l{n}", "x") for n in range(65)), "more than 64 labels"),
    ],
)
def test_labels_that_are_no_series_are_refused_and_their_neighbours_kept(labels, reason):
    good = series_1(UP, sample(1, NOW_MS))
    parsed = parse(good + message(1, labels + sample(2, NOW_MS) + sample(3, NOW_MS)) + good)
    assert (parsed.samples, parsed.faults) == (2, {Fault.MALFORMED: 2})
    assert reason in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("references", "reason"), [([1, 2, 3], "is odd"), ([1, 2, 3, 9], "symbol 9, and there are 5"), ([], "no label")]
)
def test_references_that_lead_nowhere_are_refused_and_their_neighbours_kept(references, reason):
    request = Request2().add(UP, sample(1, NOW_MS))
    request.series.append(message(5, packed(1, references) + sample(2, NOW_MS)))
    parsed = parse(request.body, 2)
    assert (parsed.samples, parsed.faults) == (1, {Fault.MALFORMED: 1})
    assert reason in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b"\x0a", 1),
        (b"\x0a\x05abc", 1),
        (b"\x0a\x02\x12\x01", 1),
        (b"\x0b\x0c", 1),
        (b"\x00", 1),
        (b"\xff" * 11, 1),
        (integer(1, 5), 1),
        (message(1, integer(1, 5)), 1),
        (message(1, label("__name__", "up") + message(2, integer(1, 5))), 1),
        (message(4, b"no empty string first"), 2),
        (message(4, b"") + message(5, double(2, 1)), 2),
    ],
)
def test_of_a_body_that_is_no_message_nothing_is_taken(body, version):
    good = series_1(UP, sample(1, NOW_MS)) if version == 1 else b""
    with pytest.raises(InvalidError):
        parse(good + body, version)


def test_fields_of_newer_versions_are_passed_over():
    unknown = integer(200, 1) + double(201, 1.0) + message(202, b"x") + b"\xdd\x0c1234"
    content = label("__name__", "up") + unknown + message(2, double(1, 3) + integer(2, NOW_MS) + unknown)
    assert points(parse(unknown + message(1, content) + unknown)) == [("up", {}, "value", NOW_MS, 3)]


def test_an_integer_histogram_is_a_count_a_sum_and_cumulative_buckets():
    # Schema 0: bounds are powers of two. Two buckets below zero, one at zero, two, a gap and one above.
    parts = (
        integer(1, 20) + double(3, 12.5) + integer(4, zigzag(0)) + double(5, 0.001) + integer(6, 2),
        message(8, span(0, 2)) + packed(9, [zigzag(1), zigzag(1)]),
        message(11, span(0, 2)) + message(11, span(1, 1)) + packed(12, [zigzag(3), zigzag(1), zigzag(-1)]),
    )
    parsed = parse(series_1(UP, histogram(*parts)))
    assert (parsed.samples, parsed.histograms, parsed.rejections) == (0, 1, 0)
    assert shape(parsed) == {
        ("count", ""): 20,
        ("sum", ""): 12.5,
        ("bucket", "-1"): 2,
        ("bucket", "-0.5"): 3,
        ("bucket", "0.001"): 5,
        ("bucket", "1"): 8,
        ("bucket", "2"): 12,
        ("bucket", "8"): 15,
        ("bucket", "+Inf"): 20,
    }


def test_a_float_histogram_of_fine_buckets_has_bounds_between_powers():
    parts = (
        double(2, 2.5) + double(3, 1) + integer(4, zigzag(1)) + message(11, span(1, 2)) + packed_doubles(13, [1, 1.5])
    )
    assert shape(parse(series_1(UP, histogram(parts)))) == {
        ("count", ""): 2.5,
        ("sum", ""): 1,
        ("bucket", "1.41421356237"): 1,
        ("bucket", "2"): 2.5,
        ("bucket", "+Inf"): 2.5,
    }


def test_a_histogram_of_custom_buckets_has_the_bounds_it_names():
    parts = integer(1, 6) + integer(4, zigzag(-53)) + message(11, span(0, 3)) + packed(12, [2, 0, 0])
    assert shape(parse(series_1(UP, histogram(parts, packed_doubles(16, [0.1, 5]))))) == {
        ("count", ""): 6,
        ("sum", ""): 0,
        ("bucket", "0.1"): 1,
        ("bucket", "5"): 2,
        ("bucket", "+Inf"): 6,
    }


def test_a_histogram_that_ended_says_so_in_its_count_and_its_sum():
    assert shape(parse(series_1(UP, histogram(double(3, STALE))))) == {("count", ""): "stale", ("sum", ""): "stale"}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (integer(1, 1) + message(11, span(0, 2)) + packed(12, [2]), "as many buckets"),
        (integer(1, 1) + message(11, span(0, 2**40)) + packed(12, [2]), "as many buckets"),
        (integer(1, 1) + message(11, span(0, 1)) + packed(12, [1]), "is none"),
        (integer(1, 1) + message(11, span(0, 1)) + packed(12, [4]), "more observations"),
        (integer(4, zigzag(9)), "unknown schema 9"),
        (integer(4, zigzag(-53)) + packed_doubles(16, [2, 1]), "do not ascend"),
        (integer(4, zigzag(-53)) + message(11, span(0, 2)) + packed(12, [0, 0]), "more buckets than bounds"),
        (message(11, span(0, 1)) + message(11, span(-1, 1)) + packed(12, [0, 0]), "overlap"),
        (double(2, math.nan), "a count that is none"),
        (packed(12, [0] * (BUCKETS_PER_HISTOGRAM + 1)), "more than 1000 buckets"),
        (integer(1, 1) + message(11, span(2**50, 1)) + packed(12, [2]), None),
        (integer(1, 1) + integer(4, zigzag(-4)) + message(8, span(-(2**50), 1)) + packed(9, [2]), None),
    ],
)
def test_a_histogram_that_is_none_is_refused_alone(parts, reason):
    parsed = parse(series_1(UP, histogram(parts), sample(1, NOW_MS)))
    assert parsed.samples == 1
    if reason is None:
        assert parsed.rejections == 0
    else:
        assert reason in parsed.rejected[0].reason


def test_a_body_of_too_many_series_or_symbols_is_refused():
    known = KnownSeries()
    known.prepare()
    assert parse(series_1({"__name__": "m"}) * SERIES_PER_REQUEST, known=known).rejections == 0
    with pytest.raises(TooLargeError, match="series"):
        parse(series_1({"__name__": "m"}) * (SERIES_PER_REQUEST + 1), known=known)
    with pytest.raises(TooLargeError, match="symbols"):
        check_symbols([b""] * (SYMBOLS_PER_REQUEST + 1))
