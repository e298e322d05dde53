"""Hours are copied while somebody writes to both stores."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from factories.point_batches import MINUTE, SECOND, batch_of, point
from strata_core.cells.copying import Journey, copy_hour, hours_that_differ
from strata_core.metrics.slices import form_of_points, form_of_windows
from strata_datamodel.errors import ConflictError, LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Rejection, WriteOutcome
from strata_datamodel.tiers import Tier
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

HOUR = 60 * MINUTE
BASE = 1_763_640_000 * SECOND
ACME = OrganizationId(uuid4())


class Interrupted:
    """A store in front of which something happens, once before each call of the method."""

    def __init__(self, store: Any, method: str, happens: list[Callable[[], None]]) -> None:
        self._store, self._method, self._happens = store, method, happens

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._happens:
            self._happens.pop(0)()
        return getattr(self._store, name)


@pytest.fixture
def stores(tmp_path) -> Iterator[tuple[DuckDbMetricStore, DuckDbMetricStore]]:
    found = (DuckDbMetricStore(tmp_path / "a", SystemClock()), DuckDbMetricStore(tmp_path / "b", SystemClock()))
    yield found
    for store in found:
        store.close()


def value(at: int, number: float) -> Any:
    return batch_of(
        ACME, point(BASE + at * SECOND, number, host="a"), point(BASE + at * SECOND, f"is {number}", field="s")
    )


def test_a_correction_in_the_midst_of_a_copy_stays_the_newest(stores):
    source, target = stores
    for at in range(20):
        source.write(value(at, 1.0))

    def corrected(number: float) -> Callable[[], None]:
        def happen() -> None:
            for store in stores:
                store.write(value(7, number))

        return happen

    busy = Interrupted(target, "write", [corrected(2.0), corrected(3.0), corrected(4.0)])
    copy_hour(Journey(ACME, source, busy, Tier.RAW, BASE), BASE)
    here, there = (store.point_slice(ACME, BASE, BASE + HOUR, 1_000) for store in stores)
    assert form_of_points(here) == form_of_points(there)
    assert 4.0 in here.values
    assert hours_that_differ(Journey(ACME, source, target, Tier.RAW, BASE - 5 * HOUR), BASE) == []


def test_windows_that_were_rolled_up_from_half_of_their_points_are_overwritten(stores):
    source, target = stores
    for at in range(20):
        source.write(value(at, float(at)))
    target.write(value(3, 3.0))
    for store in stores:
        store.roll_up(Tier.MINUTE, BASE, BASE + HOUR)
    journey = Journey(ACME, source, target, Tier.MINUTE, BASE)
    assert hours_that_differ(journey, BASE) == []  # as many windows: they are compared themselves
    copy_hour(journey, BASE)
    here, there = (store.window_slice(ACME, Tier.MINUTE, BASE, BASE + HOUR, 1_000) for store in stores)
    assert form_of_windows(here) == form_of_windows(there)
    assert here.counts.tolist() == [20, 20]


def test_an_hour_that_is_too_much_at_once_is_copied_in_pieces(stores):
    source, target = stores

    class Narrow:
        """Takes thirty rows at a time."""

        def __getattr__(self, name: str) -> Any:
            return getattr(source, name)

        def point_slice(self, organization_id, from_ns, to_ns, limit):
            return source.point_slice(organization_id, from_ns, to_ns, 30)

    for at in range(0, 3_600, 40):
        source.write(value(at, float(at)))
    copy_hour(Journey(ACME, Narrow(), target, Tier.RAW, BASE), BASE)
    assert target.count_points(ACME) == 180
    source.write(batch_of(ACME, *(point(BASE + at, 1.0) for at in range(40))))
    with pytest.raises(LimitError):
        copy_hour(Journey(ACME, Narrow(), target, Tier.RAW, BASE), BASE)


def test_points_that_the_new_store_refuses_for_good_end_the_move(stores):
    source, target = stores
    source.write(value(1, 1.0))

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(target, name)

        def write(self, batch):
            return WriteOutcome(0, tuple(Rejection(row, "too old") for row in range(len(batch))))

    with pytest.raises(ConflictError, match="too old"):
        copy_hour(Journey(ACME, source, Refusing(), Tier.RAW, BASE - 5 * HOUR), BASE)
    # What is past its time, or nearly, may go.
    copy_hour(Journey(ACME, source, Refusing(), Tier.RAW, BASE), BASE)
