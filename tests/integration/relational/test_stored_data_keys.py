"""The DataKeys port on PostgreSQL."""

import threading

import pytest

from fixtures.relational import TwoOrganizations
from strata_core.ports.data_keys import INDEX_KEY_VERSION, WrappedKey
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_stores.postgres.data_keys import PostgresDataKeys

pytestmark = pytest.mark.usefixtures("second_unmoved")


@pytest.fixture
def keys(units: UnitsOfWork) -> PostgresDataKeys:
    return PostgresDataKeys(units)


def test_the_current_key_is_the_newest_and_never_the_index_key(
    keys: PostgresDataKeys, two_organizations: TwoOrganizations
) -> None:
    first = two_organizations.first
    assert keys.current(first) is None
    keys.add(first, INDEX_KEY_VERSION, b"index", "k1")
    assert keys.current(first) is None
    keys.add(first, 1, b"one", "k1")
    keys.add(first, 2, b"two", "k2")
    assert keys.current(first) == WrappedKey(first, 2, b"two", "k2")
    assert keys.get(first, 1) == WrappedKey(first, 1, b"one", "k1")
    assert keys.get(first, 3) is None
    assert keys.current(two_organizations.second) is None


def test_of_racing_writers_the_first_wins_and_all_get_its_key(
    keys: PostgresDataKeys, two_organizations: TwoOrganizations
) -> None:
    got: list[WrappedKey] = []
    start = threading.Barrier(4, timeout=10)

    def add(number: int) -> None:
        start.wait()
        got.append(keys.add(two_organizations.first, 1, f"made by {number}".encode(), "k1"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len(set(got)) == 1
    assert keys.get(two_organizations.first, 1) == got[0]
