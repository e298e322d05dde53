"""Series are registered once, whoever races, and counted for the quota."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_core.series.commands import register
from strata_core.series.queries import known_fingerprints, series_count, series_held
from strata_core.series.rules import SeriesHeld, fingerprint
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
        assert len(register(uow, [*keys, keys[0]]).admitted) == 2_500
    with units.organization(two_organizations.first) as uow:
        assert register(uow, [*keys[:10], key(9_999)]).admitted == (key(9_999),)
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
            added.append(len(register(uow, keys).admitted))

    threads = [threading.Thread(target=run, args=(step,)) for step in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 8_000]


def test_too_many_at_once_are_refused(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    with pytest.raises(TooLargeError), units.organization(two_organizations.first) as uow:
        register(uow, (key(number) for number in range(10_001)))


def allow(uow: UnitOfWork, **values: int) -> None:
    for name, value in values.items():
        uow.execute(
            text("INSERT INTO quotas (organization_id, name, value) VALUES (app.organization_id(), :name, :value)"),
            {"name": name, "value": value},
        )


def test_each_limit_keeps_out_what_is_beyond_it_and_says_its_name(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    with system_units.organization(two_organizations.first) as uow:
        allow(uow, new_series_per_hour=3, series=5, labels_per_series=1)
    wide = SeriesKey("cpu", (("a", "1"), ("b", "2")), "usage", FieldClass.NUMBER)
    with units.organization(two_organizations.first) as uow:
        decision = register(uow, [wide, *map(key, range(4))])
    assert len(decision.admitted) == 3
    assert sorted(each.limit for each in decision.refused) == ["labels_per_series", "new_series_per_hour"]
    with units.organization(two_organizations.first) as uow:
        again = register(uow, decision.admitted)
    assert (again.admitted, again.refused) == ((), ())


def test_with_a_new_hour_others_are_let_in_up_to_the_total(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations, database: Database
) -> None:
    here = two_organizations.first
    with system_units.organization(here) as uow:
        allow(uow, new_series_per_hour=3, series=5)
        assert len(register(uow, map(key, range(4))).admitted) == 3
    database.run("UPDATE series_counts SET hour = hour - interval '1 hour', total = 77")  # as if some were forgotten
    with system_units.organization(here) as uow:
        decision = register(uow, map(key, range(10, 14)))
        assert (len(decision.admitted), {each.limit for each in decision.refused}) == (2, {"series"})
        assert series_held(uow) == SeriesHeld(total=5, new_in_hour=2)


def test_processes_that_race_never_overshoot(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    with system_units.organization(two_organizations.first) as uow:
        allow(uow, new_series_per_hour=100)
    start = threading.Barrier(4, timeout=10)

    def run(place: int) -> None:
        start.wait()
        for part in range(10):
            with system_units.organization(two_organizations.first) as uow:
                register(uow, [key(1_000 * place + 10 * part + number) for number in range(10)])

    threads = [threading.Thread(target=run, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with system_units.organization(two_organizations.first) as uow:
        assert series_count(uow) == 100


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
