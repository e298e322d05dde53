"""Series kept from body to body, and bodies walked by machine code: the same answers as the grammar gives, by the same
objects, within bounds."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factories.wire_envelopes import RECEIVED_NS, line_envelope
from strata_datamodel.errors import TooLargeError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass
from strata_stores.series_cache import SeriesCache
from strata_wire.compiled.registry import Registry
from strata_wire.known_series import KnownSeries
from strata_wire.line_protocol import parse_lines

ACME, GLOBEX = (OrganizationId(UUID(int=number)) for number in (1, 2))
SECOND = RECEIVED_NS // 10**9
# Two spellings of one series, series of one field name in each class, and lines that are refused at the key, a field, a
# value or the time; then what is plain but near an edge, and what is not plain.
LINES = (
    "m,a=1,b=2 v=1",
    "m,b=2,a=1 v=2",
    "m,a=1 v=1",
    'm,a=1 v="x"',
    "m,a=1 v=t",
    "m,a v=1",
    "m,a=1 w=1,time=2",
    "m,a=1 w=1,v=oops",
    "n v=?",
    "m v=1,v=2",
    'm v=1,v="two"',
    f"m v=1,w=2 {RECEIVED_NS}",
    f"m v=3 {RECEIVED_NS - 1}",
    "m v=1 -5",
    "m v=1 17",
    f"m v=1 {RECEIVED_NS}0",
    "m v=1 9999999999999999999",
    "m v=0.1,w=-0.30000000000000004,x=12345678901234567,y=1e22,z=1.7976931348623157e308",
    "m v=1e-7,w=123456789012345678901234567890,x=4.9e-324,y=1e400,z=.5",
    "m v=-9223372036854775808i",
    "m v=9223372036854775808i,w=1",
    "m v=18446744073709551615u,w=007i",
    "m v=+1.,w=1u,x=-1u",
    "m v=TRUE,w=False,x=f,y=T",
    "m v=True1",
    "m v=truE",
    'm v="",w="a b,c=d"',
    'm v="ä",w="x"',
    r'm v="a\"b",w="a\\b"',
    'm v="two\nlines" 5',
    'm v="open',
    r"disk\ one,path=C:\ D,x=a\,b v=1",
    r'm,q="x" v=1',
    r"m f\ g=1,h=2",
    "  m v=1\t",
    "m  v=1",
    "m v=1 \r",
    f"m v=1 {RECEIVED_NS}\r",
    "m\tv=1",
    "# m v=1",
    "  # m v=1",
    "m v=",
    "m =1",
    "m v=1,",
    "m ,v=1",
    ",m v=1",
    "m",
    "m v=1 2 3",
    "m v\x00=1",
    "m,a=\x00 v=1",
    "é,ü=ö v=1",
)
_READY = KnownSeries()
_READY.prepare()


def _ready(limit_bytes=1 << 28):
    known = KnownSeries(limit_bytes)
    known.prepare()
    return known


def _check(known, body, **parameters):
    alone = parse_lines(body, line_envelope(**parameters))
    shared = parse_lines(body, line_envelope(**parameters), known=known)
    assert (alone.batch.series, alone.batch.texts) == (shared.batch.series, shared.batch.texts)
    for column in ("series_index", "time_ns", "values"):
        expected, found = getattr(alone.batch, column), getattr(shared.batch, column)
        assert expected.dtype == found.dtype
        assert np.array_equal(expected.view(np.uint8), found.view(np.uint8)), column
    assert (alone.accepted, alone.rejected, alone.faults) == (shared.accepted, shared.rejected, shared.faults)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(LINES), max_size=8), max_size=6), st.sampled_from([0, 130_000, 1 << 20]))
def test_what_is_known_changes_no_answer(bodies, limit_bytes):
    known = _ready(limit_bytes)
    for lines in bodies:
        _check(known, "\n".join(lines).encode())


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_walked_as_they_are_read(body):
    _check(_READY, body)


@given(st.text(alphabet='ab,= \\"\n\t\r#019.-+eiutTfF\0\x7f\xff', max_size=160))
def test_bytes_of_the_grammar_in_any_order_are_walked_as_they_are_read(text):
    _check(_READY, text.encode("latin-1"))


@given(st.text(alphabet="0123456789.-+eEiu", min_size=1, max_size=26))
@example("9007199254740993")
@example("1.00000000000000011102230246251565")
@example("-0")
@example("0e-80")
def test_numbers_are_walked_as_they_are_read(number):
    _check(_READY, f"m v={number},w=1".encode())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_come_back_to_the_bit(number):
    batch = parse_lines(f"m v={number!r}".encode(), line_envelope(), known=_READY).batch
    assert batch.values.tobytes() == np.array([number]).tobytes()


@given(st.integers(-(2**64), 2**65), st.sampled_from(["ns", "us", "ms", "s", "m", "h"]))
@example(SECOND, "s")
@example(RECEIVED_NS + 600 * 10**9, "ns")
@example(RECEIVED_NS + 600 * 10**9 + 1, "ns")
def test_times_are_walked_as_they_are_read(number, precision):
    _check(_READY, f"m v=1 {number}\nm v=2 {number}\nm v=3".encode(), precision=precision)


@pytest.mark.parametrize("fields", [255, 256, 257])
def test_the_limit_of_fields_is_the_same(fields):
    _check(_READY, ("m " + ",".join(f"f{number}=1" for number in range(fields))).encode())


@pytest.mark.parametrize("length", [(1 << 16) - 20, 1 << 16, (1 << 16) + 1])
def test_the_limit_of_a_line_is_the_same(length):
    values = "a" * 16_000
    line = f'm a="{values}",b="{values}",c="{values}",d="{values}",e="'
    _check(_READY, (line + "x" * (length - len(line) - 1) + '"\nm v=1').encode())


@pytest.mark.parametrize("length", [1 << 14, (1 << 14) + 1])
def test_the_limit_of_a_string_is_the_same(length):
    _check(_READY, f'm v="{"x" * length}"'.encode())


def test_more_texts_than_there_is_room_for_are_all_kept():
    _check(_READY, "\n".join(f'm v="text {number}",w="text {number % 7}"' for number in range(20_000)).encode())


def test_many_series_in_one_body_are_all_found_again():
    body = "\n".join(f"m,host=h{number} a=1,b={number}.5,c=t" for number in range(3_000)).encode()
    known = _ready()
    for _ in range(2):
        _check(known, body)
    _check(known, b"\n".join(reversed(body.split(b"\n"))))


def test_a_body_of_too_many_points_is_refused_by_the_walk_too():
    line = "m " + ",".join(f"f{number}=1" for number in range(250))
    body = "\n".join([line] * 4_001).encode()
    with pytest.raises(TooLargeError, match="1000000 points"):
        parse_lines(body, line_envelope(), known=_READY)
    assert len(parse_lines(b"\n".join(body.split(b"\n")[:4_000]), line_envelope(), known=_READY).batch) == 1_000_000


def test_before_the_machine_code_is_there_bodies_are_read_plainly():
    known = KnownSeries()
    assert not known.is_ready
    _check(known, b"m v=1")
    assert len(known) == 0


def test_a_series_is_one_object_in_every_body_so_that_a_cache_finds_it_by_identity():
    known, cache = _ready(), SeriesCache[int]()
    body = "\n".join(f"cpu,host=h{number} user={number},system=2,up=t" for number in range(200)).encode()
    first = parse_lines(body, line_envelope(), known=known).batch.series
    for number, series in enumerate(first):
        cache.remember(ACME, series, number)
    for _ in range(20):
        again = parse_lines(body, line_envelope(), known=known).batch.series
        assert cache.find_all(ACME, again) == list(range(600))
    assert (len(cache), len(known)) == (600, 600)


def test_the_same_series_in_the_same_order_are_one_tuple_while_they_are_sent():
    known = _ready()
    bodies = (b"a v=1\nb v=1", b"b v=1\na v=1", b"a v=2\nb v=2")
    first, other, again = (parse_lines(body, line_envelope(), known=known).batch.series for body in bodies)
    assert again is first
    assert other == first[::-1]


def test_series_in_ever_new_orders_do_not_pile_up():
    known, lines = _ready(), [b"m,n=%d v=1" % number for number in range(500)]
    parse_lines(b"\n".join(lines), line_envelope(organization_id=ACME), known=known)
    with known.of(ACME, Registry) as registry:
        before = registry.size_bytes
    for turn in range(200):
        body = b"\n".join(lines[turn:] + lines[:turn])
        parse_lines(body, line_envelope(organization_id=ACME), known=known)
    with known.of(ACME, Registry) as registry:
        assert registry.size_bytes < before + 500_000


def test_organizations_share_nothing():
    known = _ready()
    acme, globex = (
        parse_lines(b"m,a=1 v=1", line_envelope(organization_id=organization), known=known).batch.series[0]
        for organization in (ACME, GLOBEX)
    )
    assert acme == globex
    assert acme is not globex


def test_series_that_come_and_go_do_not_pile_up():
    known = _ready(1 << 20)
    for number in range(300):
        body = "\n".join(f"m,host=h{number},n={place} v=1" for place in range(40)).encode()
        parse_lines(body, line_envelope(), known=known)
        assert len(known) < 2_000


def test_an_organization_that_fills_the_room_does_not_last_at_the_cost_of_one_that_keeps_sending():
    known = _ready(1 << 20)
    stays = line_envelope(organization_id=GLOBEX)
    kept = parse_lines(b"m v=1", stays, known=known).batch.series[0]
    for number in range(50):
        body = "\n".join(f"m,host=h{number},n={place} v=1" for place in range(100)).encode()
        parse_lines(body, line_envelope(organization_id=ACME), known=known)
        assert parse_lines(b"m v=1", stays, known=known).batch.series[0] is kept
    assert kept.field_class is FieldClass.NUMBER
