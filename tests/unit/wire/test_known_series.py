"""Series keys kept from body to body: the same answers, by the same objects, within bounds."""

from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import line_envelope
from strata_datamodel.ids import OrganizationId
from strata_stores.series_cache import SeriesCache
from strata_wire.known_series import KnownSeries
from strata_wire.line_protocol import parse_lines

ACME, GLOBEX = (OrganizationId(UUID(int=number)) for number in (1, 2))
# Two spellings of one series, two series of one field name, and lines that are refused at the key, a field or a value.
LINES = (
    "m,a=1,b=2 v=1",
    "m,b=2,a=1 v=2",
    "m,a=1 v=1",
    'm,a=1 v="x"',
    "m,a=1 v=t",
    "m,a v=1",
    "m,a=1 w=1,time=2",
    "n v=?",
)


@given(st.lists(st.lists(st.sampled_from(LINES), max_size=6), max_size=6), st.sampled_from([0, 3_000, 1 << 20]))
def test_what_is_known_changes_no_answer(bodies, limit_bytes):
    known = KnownSeries(limit_bytes)
    for lines in bodies:
        body = "\n".join(lines).encode()
        alone, shared = parse_lines(body, line_envelope()), parse_lines(body, line_envelope(), known=known)
        assert (alone.batch.series, alone.batch.texts) == (shared.batch.series, shared.batch.texts)
        for column in ("series_index", "time_ns", "values"):
            assert np.array_equal(getattr(alone.batch, column), getattr(shared.batch, column))
        assert (alone.accepted, alone.rejected, alone.faults) == (shared.accepted, shared.rejected, shared.faults)


def test_a_series_is_one_object_in_every_body_so_that_a_cache_finds_it_by_identity():
    known, cache = KnownSeries(), SeriesCache[int]()
    body = "\n".join(f"cpu,host=h{number} user={number},system=2,up=t" for number in range(200)).encode()
    first = parse_lines(body, line_envelope(), known=known).batch.series
    for number, series in enumerate(first):
        cache.remember(ACME, series, number)
    for _ in range(20):
        again = parse_lines(body, line_envelope(), known=known).batch.series
        assert cache.find_all(ACME, again) == list(range(600))
    assert (len(cache), len(known)) == (600, 200)


def test_organizations_share_nothing():
    known = KnownSeries()
    assert known.key(ACME, b"m,a=1") is known.key(ACME, b"m,a=1")
    assert known.key(ACME, b"m,a=1") is not known.key(GLOBEX, b"m,a=1")


def test_keys_that_come_and_go_do_not_pile_up_and_one_that_stays_is_kept():
    known = KnownSeries(1 << 20)
    stays = known.key(ACME, b"m,host=stays")
    for number in range(20_000):
        known.key(ACME, b"m,host=%d" % number)
        assert known.key(ACME, b"m,host=stays") is stays
    assert len(known) < 2_000


def test_fields_that_come_and_go_do_not_pile_up():
    known = KnownSeries()
    for number in range(5_000):
        parse_lines(b"m f%d=1" % number, line_envelope(), known=known)
    assert len(known.key(line_envelope().organization_id, b"m").numbers) <= 1_000
