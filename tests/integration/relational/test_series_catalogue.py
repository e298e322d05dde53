"""Series are registered once, whoever races, and counted for the quota."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.series.commands import register
from strata_core.series.queries import known_fingerprints, series_count
from strata_core.series.rules import fingerprint
from strata_datamodel.errors import TooLargeError
from strata_datamodel.metrics import FieldClass, SeriesKey

pytestmark = pytest.mark.usefixtures("second_unmoved")


def key(number: int) -> SeriesKey:
    return SeriesKey("cpu", (("host", f"h{number}"),), "usage", FieldClass.NUMBER)


def test_registering_twice_adds_once(
    units: UnitsOfWork, two_organizations: TwoOrganizations, database: Database
) -> None:
    keys = [key(number) for number in range(2_500)]
    with units.organization(two_organizations.first) as uow:
        assert register(uow, [*keys, keys[0]]) == 2_500
    with units.organization(two_organizations.first) as uow:
        assert register(uow, [*keys[:10], key(9_999)]) == 1
        assert series_count(uow) == 2_501
        assert known_fingerprints(uow, [fingerprint(keys[0]), b"other"]) == {fingerprint(keys[0])}
    row = database.rows("SELECT * FROM metric_series WHERE fingerprint = %s", fingerprint(keys[3]))[0]
    assert (row["measurement"], row["field"], row["field_class"]) == ("cpu", "usage", "number")
    assert row["tags"] == {"host": "h3"}


def test_each_organization_counts_its_own(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    with units.organization(two_organizations.first) as uow:
        register(uow, [key(1)])
    with units.organization(two_organizations.second) as uow:
        assert series_count(uow) == 0
        assert known_fingerprints(uow, [fingerprint(key(1))]) == set()


def test_writers_with_the_same_new_series_never_deadlock(
    units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    added: list[int] = []
    start = threading.Barrier(2, timeout=10)

    def run(step: int) -> None:
        keys = [key(number) for number in range(8_000)][::step]
        start.wait()
        with units.organization(two_organizations.first) as uow:
            added.append(register(uow, keys))

    threads = [threading.Thread(target=run, args=(step,)) for step in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 8_000]


def test_too_many_at_once_are_refused(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    with pytest.raises(TooLargeError), units.organization(two_organizations.first) as uow:
        register(uow, (key(number) for number in range(10_001)))


NAMES = st.text(min_size=1, max_size=4)
KEYS = st.builds(
    SeriesKey,
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=3).map(lambda tags: tuple(sorted(tags.items()))),
    NAMES,
    st.sampled_from(FieldClass),
)


@given(KEYS, KEYS)
def test_fingerprints_are_equal_for_equal_series_only(one: SeriesKey, other: SeriesKey) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)
    assert len(fingerprint(one)) == 16


def test_a_fingerprint_is_the_same_for_ever() -> None:
    """It stands in databases: a changed encoding would register every series again."""
    assert fingerprint(key(1)).hex() == "0ae7506065cb392cc9685dc1234835f7"
