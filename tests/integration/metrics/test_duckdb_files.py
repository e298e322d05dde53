"""Metrics in files by time: expiry gives space back, sealing saves some, and a kill in between harms neither."""

import shutil
import threading
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from contract.metric_views import BASE, answered
from factories.point_batches import SECOND, batch_of, point, question
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, SeriesKey
from strata_datamodel.spooling import SpoolPosition
from strata_datamodel.tiers import KEPT_NS, ROLLED_UP, Tier
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from waiting import eventually

ACME = OrganizationId(uuid4())
UMBRELLA = OrganizationId(uuid4())
DAY = 86_400 * SECOND
_LONG = dict.fromkeys(Tier, 3_000 * DAY)


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def open_() -> DuckDbMetricStore:
        for store in stores:
            store.close()
        stores.append(DuckDbMetricStore(tmp_path, SystemClock()))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def files(path, tier="*"):
    return sorted(each.name for each in path.glob(f"{tier}-*-*-*-*.duckdb"))


def many(count, organization_id=ACME, series=50):
    rows = np.arange(count, dtype=np.int64)
    keys = tuple(SeriesKey("cpu", (("host", f"h{n}"),), "usage", FieldClass.NUMBER) for n in range(series))
    values = np.round(np.random.default_rng(1).random(count) * 100, 2)
    return PointBatch(organization_id, keys, (rows % series).astype(np.int32), BASE + rows // series * SECOND, values)


def test_what_is_overdue_gives_its_space_back_and_positions_outlive_their_file(open_store, tmp_path):
    store, spool = open_store(), uuid4()
    now_ns = SystemClock().now_ns()
    store.write(batch_of(ACME, point(now_ns, 1.0), source=SpoolPosition(spool, 3)))
    store.write(replace(many(60_000), source=SpoolPosition(spool, 4)))
    for tier in ROLLED_UP:
        store.roll_up(tier, BASE, BASE + 3600 * SECOND)
    size = store.health().detail
    assert [len(files(tmp_path, tier.value)) for tier in Tier] == [2, 1, 1, 1]
    store.keep(_LONG | {Tier.RAW: KEPT_NS[Tier.RAW]})
    assert [len(files(tmp_path, tier.value)) for tier in Tier] == [1, 1, 1, 1]
    assert store.count_points(ACME) == 1
    assert store.count_windows(ACME, Tier.MINUTE) == 20 * 50
    store.keep(dict.fromkeys(Tier, DAY))
    assert [len(files(tmp_path, tier.value)) for tier in Tier] == [1, 0, 0, 0]
    assert store.health().detail != size
    assert open_store().committed_sequence(spool) == 4


def test_a_reader_of_a_file_that_expires_reads_on(open_store, tmp_path):
    store = open_store()
    store.write(many(400_000))
    query = question(ACME, BASE, BASE + DAY, Aggregate.PERCENTILE, percentile=50, step_ns=SECOND)
    whole, read, problems = store.query(query), threading.Event(), []

    def ask():
        while files(tmp_path, "raw"):
            read.set()
            if store.query(query).series not in (whole.series, ()):
                problems.append("a part of a file was read")

    reader = threading.Thread(target=ask)
    reader.start()
    read.wait(30)
    store.keep({Tier.RAW: DAY})
    eventually(lambda: not files(tmp_path, "raw"), 30)
    reader.join(30)
    assert not problems
    assert store.query(query).series == ()


def test_a_closed_file_is_sealed_once_and_says_what_it_said(open_store, tmp_path):
    store = open_store()
    for part in range(10):
        batch = many(20_000)
        store.write(replace(batch, time_ns=batch.time_ns + part * 400 * SECOND))
    store.write(batch_of(UMBRELLA, point(BASE, "a"), point(BASE + 1, 2.0, host="x")))
    query = question(ACME, BASE, BASE + DAY, Aggregate.MAX, step_ns=60 * SECOND, group_by=("host",))
    before = answered(store, query)
    store.keep(_LONG)
    sealed = files(tmp_path, "raw")
    assert sealed == ["raw-2025-11-20-1.duckdb"]
    store.keep(_LONG)
    assert files(tmp_path, "raw") == sealed
    assert answered(store, query) == before
    assert (store.count_points(ACME), store.count_points(UMBRELLA)) == (200_000, 2)


def test_a_late_write_into_a_sealed_file_counts_once_and_it_is_sealed_again(open_store, tmp_path):
    store, spool = open_store(), uuid4()
    store.write(replace(many(1_000), source=SpoolPosition(spool, 8)))
    store.keep(_LONG)
    store.write(replace(many(1_000), values=np.full(1_000, 2.0)))
    store.write(batch_of(ACME, point(BASE + 1, 3.0, host="h0")))
    for _ in range(2):
        assert store.count_points(ACME) == 1_001
        assert answered(store, question(ACME, BASE, BASE + DAY, Aggregate.SUM)) == {(): [(BASE // 10**6, 2_003.0)]}
        store.keep(_LONG)
    assert files(tmp_path, "raw") == ["raw-2025-11-20-2.duckdb"]
    assert open_store().committed_sequence(spool) == 8


def test_a_file_whose_day_is_not_over_is_not_sealed(open_store, tmp_path):
    store = open_store()
    store.write(batch_of(ACME, point(SystemClock().now_ns(), 1.0)))
    store.keep(_LONG)
    (name,) = files(tmp_path, "raw")
    assert name.endswith("-0.duckdb")


def test_what_a_kill_leaves_of_sealing_is_cleared(open_store, tmp_path):
    store = open_store()
    store.write(many(1_000))
    store.close()
    (written,) = files(tmp_path, "raw")
    shutil.copy(tmp_path / written, tmp_path / "raw-2025-11-20-1.duckdb")  # complete, and the older one still there
    for left in ("raw-2025-11-20-2.duckdb.building", "raw-2025-11-20-2.duckdb.building.wal", "raw-2025-11-21-0.duckdb"):
        (tmp_path / left).write_bytes(b"half a file")
    store = open_store()
    assert store.count_points(ACME) == 1_000
    assert [each.name for each in sorted(tmp_path.glob("raw-*"))] == ["raw-2025-11-20-1.duckdb"]


def test_points_of_one_batch_lie_in_a_file_a_day_and_are_all_found(open_store, tmp_path):
    store = open_store()
    days = [point(BASE + day * DAY, float(day)) for day in range(9)]
    store.write(batch_of(ACME, *days))
    assert len(files(tmp_path, "raw")) == 9
    query = question(ACME, BASE, BASE + 100 * DAY, Aggregate.SUM)
    store.write(batch_of(ACME, *days[::4]))
    assert answered(store, query) == {(): [(BASE // 10**6, 36.0)]}
    store.delete_organization(ACME)
    assert store.count_points(ACME) == 0


def test_times_beyond_a_century_share_a_file(open_store, tmp_path):
    store = open_store()
    store.write(batch_of(ACME, *(point(year * 366 * DAY, 1.0) for year in (-200, -1, 1, 200, 250))))
    assert files(tmp_path, "raw") == ["raw-2000-01-01-0.duckdb", "raw-2100-01-01-0.duckdb"]
    assert store.count_points(ACME) == 5


def test_readers_and_a_writer_go_on_while_files_are_sealed(open_store, tmp_path):
    store = open_store()
    for day in range(6):
        batch = many(20_000)
        store.write(replace(batch, time_ns=batch.time_ns + day * DAY))
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            counted = answered(store, question(ACME, BASE, BASE + 6 * DAY, Aggregate.COUNT))[()][0][1]
            if counted != 120_000:
                wrong.append(counted)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for day in range(6):
        store.keep(_LONG)
        store.write(batch_of(UMBRELLA, point(BASE + day * DAY, 1.0)))
    stop.set()
    for reader in readers:
        reader.join(30)
    assert not wrong
    assert store.count_points(ACME) == 120_000
    assert store.count_points(UMBRELLA) == 6
