"""What bounds a DuckDB metric store: time, memory, its owner, its life."""

import threading
from uuid import uuid4

import numpy as np
import pytest

from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point, question
from strata_datamodel.errors import DeadlineError, LimitError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, SeriesKey, WriteOutcome
from strata_datamodel.spooling import SpoolPosition
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from waiting import eventually

ACME = OrganizationId(uuid4())
UMBRELLA = OrganizationId(uuid4())


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def open_(**options) -> DuckDbMetricStore:
        stores.append(DuckDbMetricStore(tmp_path / "metrics", SystemClock(), **options))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def _many(points: int, *, series: int = 100, first: int = 0) -> PointBatch:
    keys = tuple(SeriesKey("cpu", (("host", f"h{n}"),), "usage", FieldClass.NUMBER) for n in range(series))
    rows = np.arange(points, dtype=np.int64)
    return PointBatch(
        ACME, keys, (rows % series).astype(np.int32), BASE + (first + rows // series) * SECOND, rows.astype(np.float64)
    )


def test_a_question_past_its_time_is_interrupted_and_the_store_goes_on(open_store):
    store = open_store(query_timeout_s=0.05, threads=1)
    store.write(_many(2_000_000))
    slow = question(ACME, 0, 2**62, Aggregate.PERCENTILE, step_ns=SECOND, percentile=50, group_by=("host",))
    with pytest.raises(DeadlineError):
        store.query(slow)
    assert answered(store, question(ACME, BASE, BASE + SECOND, Aggregate.COUNT)) == {(): [(BASE // 10**6, 100)]}


def test_a_question_that_needs_too_much_memory_is_refused_and_the_store_goes_on(open_store):
    store = open_store(memory_limit="60MB", threads=1, temp_bytes=1024)
    for part in range(12):
        store.write(_many(300_000, first=part * 3_000))
    with pytest.raises(LimitError) as refused:
        store.query(question(ACME, 0, 2**62, Aggregate.PERCENTILE, percentile=50))
    assert refused.value.code == "query_memory"
    assert store.write(batch_of(UMBRELLA, point(BASE, 1.0))) == WriteOutcome(1)
    assert answered(store, whole_range(UMBRELLA, Aggregate.SUM)) == {(): [(BASE // 10**6, 1.0)]}


def test_a_write_that_needs_too_much_memory_is_not_the_fault_of_its_points(open_store):
    store = open_store(memory_limit="6MB", threads=1, temp_bytes=1024)
    store.write(_many(1_000_000))
    with pytest.raises(StoreUnavailableError, match="memory"):
        store.write(_many(1_000_000))  # each of them might double, and has to be looked up
    assert store.write(batch_of(UMBRELLA, point(BASE, 1.0))) == WriteOutcome(1)
    assert (store.count_points(ACME), store.count_points(UMBRELLA)) == (1_000_000, 1)


def test_points_positions_and_newest_times_survive_a_restart(open_store):
    source = SpoolPosition(uuid4(), 41)
    first = open_store()
    first.write(batch_of(ACME, point(BASE, 1.0), point(BASE + SECOND, "text"), source=source))
    first.close()
    again = open_store()
    assert again.committed_sequence(source.spool_id) == 41
    again.write(batch_of(ACME, point(BASE, 2.0), point(BASE + SECOND, "new text")))
    assert again.count_points(ACME) == 2
    assert answered(again, whole_range(ACME, Aggregate.SUM)) == {(): [(BASE // 10**6, 2.0)]}


def test_a_replayed_position_is_skipped_even_if_its_points_differ(open_store):
    store = open_store()
    spool = uuid4()
    store.write(batch_of(ACME, point(BASE, 1.0), source=SpoolPosition(spool, 5)))
    store.write(batch_of(ACME, point(BASE, 7.0), source=SpoolPosition(spool, 5)))
    store.write(batch_of(ACME, point(BASE, 8.0), source=SpoolPosition(spool, 4)))
    assert answered(store, whole_range(ACME, Aggregate.SUM)) == {(): [(BASE // 10**6, 1.0)]}
    store.write(batch_of(ACME, point(BASE, 9.0), source=SpoolPosition(uuid4(), 4)))
    assert answered(store, whole_range(ACME, Aggregate.SUM)) == {(): [(BASE // 10**6, 9.0)]}


def test_a_closed_store_says_so(open_store):
    store = open_store()
    store.prepare()
    store.close()
    for call in (lambda: store.write(_many(1)), lambda: store.query(whole_range(ACME, Aggregate.SUM)), store.prepare):
        with pytest.raises(StoreUnavailableError, match="closed"):
            call()
    assert not store.health().is_ready


def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "metrics").write_text("a file where the directory should be")
    store = DuckDbMetricStore(tmp_path / "metrics", SystemClock())
    with pytest.raises(StoreUnavailableError):
        store.prepare()
    assert not store.health().is_ready


def test_readers_see_whole_batches_while_a_writer_writes(open_store):
    store = open_store()
    store.prepare()
    stop = threading.Event()
    problems: list[object] = []

    def read() -> None:
        while not stop.is_set():
            counted = answered(store, question(ACME, BASE, BASE + 10**6 * SECOND, Aggregate.COUNT))
            if counted and counted[()][0][1] % 1_000:
                problems.append(counted)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for part in range(30):
        store.write(_many(1_000, first=part * 10))
    stop.set()
    for reader in readers:
        reader.join(30)
    assert not problems
    assert store.count_points(ACME) == 30_000


def test_writers_of_several_threads_take_turns(open_store):
    store = open_store()
    threads = [threading.Thread(target=store.write, args=(_many(5_000, first=n * 50),)) for n in range(6)]
    for thread in threads:
        thread.start()
    eventually(lambda: not any(thread.is_alive() for thread in threads), 30)
    assert store.count_points(ACME) == 30_000


def test_a_writer_that_waits_too_long_for_its_turn_is_told_to_come_back(open_store):
    store = open_store(write_timeout_s=0.05)
    store.prepare()
    with store._writing, pytest.raises(StoreUnavailableError, match="other writes"):
        store.write(_many(10))
    assert store.write(_many(10)) == WriteOutcome(10)
