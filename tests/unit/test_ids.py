"""Version 7 UUIDs: well-formed, of their instant, in order, and never twice."""

import threading
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.ids import unix_ms_of, uuid7


@given(st.integers(0, (1 << 48) - 1))
def test_an_id_is_a_version_7_uuid_of_its_instant(unix_ms):
    made = uuid7(unix_ms)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert unix_ms_of(made) == unix_ms


def test_ids_of_one_millisecond_rise_in_the_order_they_are_made():
    made = [uuid7(1_700_000_000_000) for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(st.lists(st.integers(0, 1 << 41), min_size=2, max_size=20))
def test_ids_sort_by_instant(instants):
    made = [uuid7(unix_ms) for unix_ms in sorted(instants)]
    assert [unix_ms_of(item) for item in sorted(made)] == sorted(instants)


def test_threads_never_make_the_same_id():
    made: list = []

    def make() -> None:
        made.extend(uuid7(1) for _ in range(2_000))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000
