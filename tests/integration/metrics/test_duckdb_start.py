"""Opening a metrics file: what it costs, and what older files lack."""

import duckdb
import numpy as np
import pytest

from integration.metrics import duckdb_writer_process as writer
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_stores.clock import SystemClock
from strata_stores.duckdb.database import bring_up_to_date
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.duckdb.writing import WriterState

TEXT = SeriesKey("m", (), "word", FieldClass.STRING)
NUMBER = SeriesKey("m", (), "v", FieldClass.NUMBER)
LATEST_NS = np.iinfo(np.int64).max


@pytest.fixture
def open_store(tmp_path):
    """On the same file each time, as a restarted process would."""
    stores = []

    def build():
        for store in stores:
            store.close()
        stores.append(DuckDbMetricStore(tmp_path, SystemClock()))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


def words(*times_ns):
    count = len(times_ns)
    indexes = np.arange(2 * count, dtype=np.int32) // count
    times = np.array(times_ns * 2, np.int64)
    return PointBatch(writer.ORGANIZATION, (TEXT, NUMBER), indexes, times, np.zeros(2 * count), texts=("up",))


def rows(path, statement):
    with duckdb.connect(str(path / "metrics.duckdb")) as connection:
        return connection.execute(statement).fetchall()


def test_a_start_reads_no_points():
    """There are too many of them in a large file for the time that a write may take."""
    with duckdb.connect(":memory:") as connection:
        bring_up_to_date(connection)
        connection.execute("DROP TABLE points")
        connection.execute("DROP TABLE text_points")
        assert WriterState.load(connection).positions == {}


def test_a_file_without_newest_times_gets_them_and_doubles_nothing(open_store, tmp_path):
    store = open_store()
    store.write(writer.batch(0))
    store.write(words(1, 2, LATEST_NS))
    store.close()
    rows(tmp_path, "DROP TABLE newest_times")
    store = open_store()
    store.write(words(2, 3, LATEST_NS))
    again = writer.batch(0)
    store.write(PointBatch(again.organization_id, again.series, again.series_index, again.time_ns, again.values))
    assert store.count_points(writer.ORGANIZATION) == writer.POINTS_PER_BATCH + 2 * 4


@pytest.mark.parametrize("step_ns", [1, 10**9, 200 * 10**9, 10**15])
def test_points_written_again_after_a_restart_are_there_once(open_store, step_ns):
    written = set()
    for start in range(5):
        store = open_store()
        for batch in range(3):
            times = [(2 * start + batch + place) * step_ns for place in range(3)]
            store.write(words(*times))
            written.update(times)
        assert store.count_points(writer.ORGANIZATION) == 2 * len(written)


def test_what_is_kept_of_a_series_is_one_row_that_no_point_is_after(open_store, tmp_path):
    store = open_store()
    for batch in range(20):
        store.write(words(batch * 10**11, LATEST_NS - 20 + batch, -(10**18)))
    store.close()
    found = rows(tmp_path, "SELECT count(*), count(DISTINCT sid), min(ts_ns) FROM newest_times")
    assert found == [(2, 2, LATEST_NS)]


def test_newest_times_go_with_their_organization(open_store, tmp_path):
    store = open_store()
    store.write(words(1))
    store.delete_organization(writer.ORGANIZATION)
    store.close()
    assert rows(tmp_path, "SELECT count(*) FROM newest_times") == [(0,)]
