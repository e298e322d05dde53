"""What a process remembers of the catalogue."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_ingest.registered import RegisteredSeries

ACME, GLOBEX = OrganizationId(UUID(int=1)), OrganizationId(UUID(int=2))


def keys(numbers):
    return [SeriesKey("m", (("host", str(number)),), "v", FieldClass.NUMBER) for number in numbers]


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12), st.booleans())
def test_exactly_those_that_were_told_are_known_as_any_object(told, is_anew):
    known, so_far, objects = RegisteredSeries(), set(), keys(range(31))
    for numbers in told:
        sent = keys(numbers) if is_anew else [objects[number] for number in numbers]
        assert [numbers[place] for place in known.missing(ACME, sent)] == [n for n in numbers if n not in so_far]
        known.add(ACME, sent)
        so_far.update(numbers)
        assert known.missing(GLOBEX, sent) == list(range(len(sent)))
    assert len(known) == len(so_far)


def test_it_stays_bounded_and_whoever_fills_it_forgets_alone():
    known = RegisteredSeries(limit=100)
    known.add(GLOBEX, keys(range(10)))
    for start in range(0, 10_000, 20):
        known.add(ACME, keys(range(start, start + 20)))
        assert len(known) <= 100
    assert known.missing(GLOBEX, keys(range(10))) == []
    for number in range(3, 30):
        known.add(OrganizationId(UUID(int=number)), keys(range(10)))
        assert len(known) <= 100


def test_one_that_was_forgotten_is_asked_for_again():
    known = RegisteredSeries()
    known.add(ACME, keys(range(3)))
    known.forget(ACME)
    assert known.missing(ACME, keys(range(3))) == [0, 1, 2]
    assert len(known) == 0


def test_objects_that_never_come_again_do_not_pile_up():
    known, held = RegisteredSeries(), []
    for _ in range(50):
        held.append(keys(range(10)))
        assert len(known.missing(ACME, held[-1])) in (0, 10)
        known.add(ACME, held[-1])
    assert len(known._known[ACME].by_id) <= 40


def test_of_series_that_came_together_what_was_known_once_is_not_known_after_it_was_forgotten():
    known, sent = RegisteredSeries(), tuple(keys(range(3)))
    known.add(ACME, sent)
    for _ in range(2):
        assert known.missing(ACME, sent) == []
        assert known.missing(GLOBEX, sent) == [0, 1, 2]
    known.forget(ACME)
    assert known.missing(ACME, sent) == [0, 1, 2]
