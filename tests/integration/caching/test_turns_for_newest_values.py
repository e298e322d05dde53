"""Looking newest values up in the metric store takes long: few do it at once, and few wait."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from uuid import uuid4

import pytest

from factories.contexts import context
from strata_core.latest.nowhere import Nowhere
from strata_core.latest.queries import LatestOfHosts, Series
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from waiting import eventually

CTX = context(OrganizationId(uuid4()))
CALLERS = 12
MAY = 6


@pytest.fixture
def latest(tmp_path: Path) -> Iterator[LatestOfHosts]:
    store = DuckDbMetricStore(tmp_path, clock=SystemClock())
    yield LatestOfHosts(Nowhere(), store)
    store.close()


def test_a_wall_of_hosts_does_not_keep_every_thread_waiting(latest: LatestOfHosts) -> None:
    is_over = threading.Event()
    looking: list[int] = []

    def known() -> list[Series]:
        looking.append(threading.get_ident())
        is_over.wait(30)
        return []

    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(latest.of, CTX, f"host {number}", known, 0) for number in range(CALLERS)]
        try:
            eventually(lambda: sum(each.done() for each in asked) == CALLERS - MAY, 5)
            assert len(looking) == 2
        finally:
            is_over.set()
        wait(asked)
        refused = [each.exception() for each in asked if each.exception() is not None]
        assert len(refused) == CALLERS - MAY
        assert all(isinstance(each, UnavailableError) and each.code == "origin_busy" for each in refused)
        assert latest.of(CTX, "host", list, 0).is_complete


def test_a_look_up_that_failed_gives_its_turn_back(latest: LatestOfHosts) -> None:
    def broken() -> list[Series]:
        raise UnavailableError("down", code="down")

    for _ in range(3 * MAY):
        with pytest.raises(UnavailableError, match="down"):
            latest.of(CTX, "host", broken, 0)
    assert latest.of(CTX, "host", list, 0).is_complete
