"""The cache of series never gives one series' value to another."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_stores.series_cache import SeriesCache

_ORGANIZATIONS = [OrganizationId(uuid4()) for _ in range(2)]


def key(name: str) -> SeriesKey:
    return SeriesKey("cpu", (("host", name),), "usage", FieldClass.NUMBER)


def test_an_equal_key_that_is_another_object_is_found_too():
    cache: SeriesCache[int] = SeriesCache()
    cache.remember(_ORGANIZATIONS[0], key("a"), 0)
    assert cache.find(_ORGANIZATIONS[0], [key("a"), key("b")]) == [0, None]
    assert cache.find(_ORGANIZATIONS[1], [key("a")]) == [None]


def test_a_forgotten_organization_is_forgotten_alone():
    cache: SeriesCache[int] = SeriesCache()
    for organization_id in _ORGANIZATIONS:
        cache.remember(organization_id, key("a"), 7)
    cache.forget(_ORGANIZATIONS[0])
    assert [cache.find(organization_id, [key("a")]) for organization_id in _ORGANIZATIONS] == [[None], [7]]


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from("abcdefgh"), st.booleans()), max_size=60))
def test_what_is_found_is_what_was_remembered_however_small_the_cache(steps):
    cache: SeriesCache[str] = SeriesCache(max_entries=3)
    for number, name, is_written in steps:
        organization_id, expected = _ORGANIZATIONS[number], f"{number}{name}"
        if is_written:
            cache.remember(organization_id, key(name), expected)
        (found,) = cache.find(organization_id, [key(name)])
        assert found == expected if is_written else found in (expected, None)


def test_equal_objects_take_one_place_however_many_come():
    cache: SeriesCache[int] = SeriesCache()
    cache.remember(_ORGANIZATIONS[0], key("a"), 7)
    for _ in range(1_000):
        again = key("a")
        assert cache.find(_ORGANIZATIONS[0], [again]) == [7]
        assert cache.find_all(_ORGANIZATIONS[0], [again]) == [7]
    assert len(cache) == 1
    cache.forget(_ORGANIZATIONS[0])
    assert len(cache) == 0


def test_more_series_than_it_holds_are_each_found_or_unknown_and_never_another():
    cache: SeriesCache[int] = SeriesCache(max_entries=300_000)
    for start in range(0, 320_000, 5_000):
        keys = [key(str(number)) for number in range(start, start + 5_000)]
        for number, series in enumerate(keys, start):
            cache.remember(_ORGANIZATIONS[0], series, number)
        again = cache.find(_ORGANIZATIONS[0], [key(str(number)) for number in range(start, start + 5_000)])
        assert all(found in (None, number) for number, found in enumerate(again, start))
        assert cache.find(_ORGANIZATIONS[0], [keys[-1]]) == [start + 4_999]
        assert len(cache) <= 300_000
    early = cache.find(_ORGANIZATIONS[0], [key(str(number)) for number in range(0, 320_000, 100)])
    assert all(found in (None, number) for number, found in zip(range(0, 320_000, 100), early, strict=True))
