"""Bodies of remote write walked by machine code: the same answers, to the bit, as the plain reading gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories.remote_write import (
    NOW_MS,
    STALE,
    Request2,
    double,
    integer,
    label,
    message,
    packed,
    remote_write_envelope,
    sample,
    series_1,
    span,
    varint,
)
from strata_datamodel.errors import InvalidError, StrataError
from strata_wire.known_series import KnownSeries
from strata_wire.remote_write import parse_remote_write
from strata_wire.times_kept import RAW_KEPT_NS

DAY_MS = 86_400_000
KEPT = {RAW_KEPT_NS: str(7 * DAY_MS * 10**6)}
UP = {"__name__": "up", "instance": "a:9100", "job": "node"}
HISTOGRAM = integer(1, 3) + double(3, 4.5) + integer(15, NOW_MS) + message(11, span(0, 2)) + packed(12, [2, 2])
SAMPLES = (
    sample(1.5, NOW_MS),
    sample(0, NOW_MS + 1),
    sample(-0.0, NOW_MS - DAY_MS),
    sample(STALE, NOW_MS),
    sample(float("nan"), NOW_MS),
    sample(float("inf"), NOW_MS, start_ms=NOW_MS - 5),
    sample(float("-inf"), NOW_MS),
    sample(5e-324, NOW_MS, start_ms=-1),
    sample(2, NOW_MS - 8 * DAY_MS),
    sample(3, NOW_MS + 11 * 60_000),
    sample(4, 0),
    sample(5, -7),
    message(2, integer(2, NOW_MS) + double(1, 7)),
    message(2, double(1, 1) + double(1, 2) + integer(2, NOW_MS)),
    message(2, double(1, 1) + varint(2 << 3) + b"\xe4\x00"),
    message(2, integer(1, 3)),
    message(2, double(1, 1)[:5]),
    message(2, double(1, 1) + integer(2, NOW_MS) + message(9, b"new")),
    message(2, b"\x0b\x0c"),
    message(3, b"exemplar or histogram"),
    message(3, HISTOGRAM),
    message(4, HISTOGRAM),
    message(4, b"exemplar or histogram"),
    message(5, integer(1, 1) + integer(3, 2)),
    integer(6, NOW_MS),
    message(2000, b"unknown"),
    varint(3 << 3 | 5) + b"1234",
    label("job", "late"),
    b"\x12\xff\xff\xff\xff\x0f",
    b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x00",
)
LABELS = (
    b"".join(label(*pair) for pair in UP.items()),
    b"".join(label(*pair) for pair in reversed(UP.items())),
    label("__name__", "up") + label("job", ""),
    label("__name__", "up"),
    label("__name__", "é\n") + label("ü", "x" * 1024),
    label("__name__", "up") + label("a", "x" * 1025),
    label("__name__", ""),
    label("", "x") + label("__name__", "up"),
    label("__name__", "up") + label("a", "1") + label("a", "1"),
    label("job", "nameless"),
    label("__name__", b"\xff"),
    message(1, b"\x0a\x02up\x0a\x08__name__\x12\x02up"),
    message(1, message(1, b"__name__") + message(3, b"?") + message(2, b"m")),
    message(1, b"\x0a\x09__name__"),
    message(1, integer(1, 5)),
    b"\x8a\x00" + label("__name__", "up")[1:],
    b"".join(label(f"l{number}", "x") for number in range(64)) + label("__name__", "wide"),
    b"".join(label(f"l{number}", "x") for number in range(65)) + label("__name__", "too wide"),
    b"",
)
SYMBOLS = ("", "__name__", "up", "job", "node", "instance", "a:9100", "\n", "x" * 1025, b"\xff")
REFERENCES = (
    packed(1, [1, 2, 3, 4, 5, 6]),
    packed(1, [5, 6, 3, 4, 1, 2]),
    packed(1, [1, 2, 3, 0]),
    packed(1, [1, 2]) + packed(1, [3, 4]),
    packed(1, [1, 2]) + integer(1, 3) + integer(1, 4),
    integer(1, 1) + integer(1, 2),
    packed(1, [1, 2, 3]),
    packed(1, [1, 10]),
    packed(1, [1, 2**32]),
    packed(1, [1, 2, 0, 4]),
    packed(1, [1, 2, 3, 4, 3, 4]),
    packed(1, [3, 4]),
    packed(1, [1, 0]),
    packed(1, [1, 2, 3, 8]),
    packed(1, [1, 9]),
    packed(1, [1, 7]),
    packed(1, [1, 2] * 200),
    message(1, b"\x01\x82"),
    message(1, b"\x81\x00\x02"),
    packed(1, []),
    b"",
)
OUTSIDE = (
    message(3, b"metadata"),
    integer(9, 1),
    message(1, b""),
    message(5, b""),
    message(4, b"late symbol"),
    b"\x0a",
    b"\x0a\xff\xff\xff\xff\x7f",
    b"\x2a\x85",
    b"\x0b\x0c",
)
_READY = KnownSeries()
_READY.prepare()


def outcome(body, version, known=None):
    try:
        return parse_remote_write(body, remote_write_envelope(version, **KEPT), known=known)
    except StrataError as error:
        return error.code, error.detail


def check(known, body, version):
    plain, walked = outcome(body, version), outcome(body, version, known)
    if isinstance(plain, tuple) or isinstance(walked, tuple):
        assert plain == walked
        return
    assert (plain.batch.series, plain.batch.texts) == (walked.batch.series, walked.batch.texts)
    for column in ("series_index", "time_ns", "values"):
        expected, found = getattr(plain.batch, column), getattr(walked.batch, column)
        assert expected.dtype == found.dtype
        assert np.array_equal(expected.view(np.uint8), found.view(np.uint8)), column
    assert (plain.samples, plain.histograms, plain.rejected, plain.faults) == (
        walked.samples,
        walked.histograms,
        walked.rejected,
        walked.faults,
    )


def is_read(series):
    return not isinstance(outcome(series, 1), tuple) and not isinstance(outcome(series, 2), tuple)


def bodies(labels, series_field, first):
    # What makes a whole body worthless is rare, and what is plain is frequent: the walk gets far, and stops anywhere.
    harmless = [each for each in SAMPLES if is_read(message(1, each)) and is_read(message(4, b"") + message(5, each))]
    readable = [each for each in labels if is_read(message(1, each)) and is_read(message(4, b"") + message(5, each))]
    samples = st.lists(st.one_of(st.sampled_from(SAMPLES[:4]), st.sampled_from(harmless)), max_size=4).map(b"".join)
    series = st.tuples(st.sampled_from(readable), samples).map(lambda parts: message(series_field, b"".join(parts)))
    wild = st.tuples(st.sampled_from(labels), st.sampled_from(SAMPLES)).map(
        lambda parts: message(series_field, b"".join(parts))
    )
    good = st.lists(series, max_size=8)
    spoiled = st.lists(st.one_of(series, series, series, wild, st.sampled_from(OUTSIDE)), max_size=6)
    return st.one_of(good, good, spoiled).map(lambda parts: first + b"".join(parts))


OF_1 = bodies(LABELS, 1, b"")
OF_2 = bodies(REFERENCES, 5, b"".join(message(4, s.encode() if isinstance(s, str) else s) for s in SYMBOLS))


@settings(deadline=None, max_examples=60)
@given(st.lists(OF_1, max_size=4), st.sampled_from([1, 2]))
def test_labels_are_walked_as_they_are_read(sent, version):
    known = KnownSeries()
    known.prepare()
    for body in sent:
        check(known, body, version)
        check(_READY, body, version)


@settings(deadline=None, max_examples=60)
@given(st.lists(OF_2, max_size=4))
def test_references_to_symbols_are_walked_as_they_are_read(sent):
    known = KnownSeries()
    known.prepare()
    for body in sent:
        check(known, body, 2)
        check(_READY, body, 2)


@settings(deadline=None, max_examples=60)
@given(st.one_of(OF_1, OF_2), st.data(), st.sampled_from([1, 2]))
def test_damaged_bodies_are_walked_as_they_are_read(body, data, version):
    if body:
        at = data.draw(st.integers(0, len(body) - 1))
        body = body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 4)) :]
    check(_READY, body, version)


@given(st.binary(max_size=200), st.sampled_from([1, 2]))
def test_arbitrary_bytes_are_walked_as_they_are_read(body, version):
    check(_READY, body, version)


@given(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1))
def test_values_come_back_to_the_bit_whatever_they_are(bits, time_ms):
    check(_READY, series_1(UP, sample(bits.to_bytes(8, "little"), time_ms)), 1)


def test_many_series_are_found_again_in_any_order_and_in_both_versions():
    known = KnownSeries()
    known.prepare()
    labels = [{**UP, "cpu": str(number)} for number in range(400)]
    for ordered in (labels, labels, labels[::-1], labels[::3] + labels[1::2]):
        body = b"".join(series_1(each, sample(1, NOW_MS), sample(2, NOW_MS + 1)) for each in ordered)
        check(known, body, 1)
        request = Request2()
        for each in ordered:
            request.add(each, sample(1, NOW_MS))
        check(known, request.body, 2)
    assert len(known) == 800


def test_a_series_is_one_object_in_every_body():
    body = series_1(UP, sample(1, NOW_MS))
    first, again = (parse_remote_write(body, remote_write_envelope(1), known=_READY).batch.series for _ in range(2))
    assert first[0] is again[0]


def test_series_of_bodies_that_are_refused_do_not_pile_up():
    known = KnownSeries(1 << 20)
    known.prepare()
    for number in range(60):
        series = [
            series_1({"__name__": "up", "instance": f"h{number}-{place}"}, sample(1, NOW_MS)) for place in range(100)
        ]
        with pytest.raises(InvalidError):
            parse_remote_write(b"".join(series)[:-1], remote_write_envelope(1), known=known)
        assert len(known) < 2_000
