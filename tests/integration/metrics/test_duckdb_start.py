"""Opening the metrics files: what it costs, and what becomes of a store that was one file."""

import duckdb
import numpy as np
import pytest

from factories.point_batches import batch_of, point, question
from integration.metrics import duckdb_writer_process as writer
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, SeriesKey
from strata_datamodel.spooling import SpoolPosition
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

TEXT = SeriesKey("m", (), "word", FieldClass.STRING)
NUMBER = SeriesKey("m", (), "v", FieldClass.NUMBER)
LATEST_NS = np.iinfo(np.int64).max
DAY_NS = 86_400 * 10**9
_SINGLE_FILE = """
    CREATE TABLE series (
        sid INTEGER NOT NULL, digest BLOB NOT NULL, organization UUID NOT NULL, measurement VARCHAR NOT NULL,
        field VARCHAR NOT NULL, class TINYINT NOT NULL, tags MAP(VARCHAR, VARCHAR) NOT NULL
    );
    CREATE TABLE points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v DOUBLE NOT NULL);
    CREATE TABLE text_points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v VARCHAR NOT NULL);
    CREATE TABLE positions (spool UUID NOT NULL, sequence BIGINT NOT NULL);
    ATTACH '{files}/catalogue.duckdb' AS c;
    INSERT INTO series FROM c.series;
    INSERT INTO positions FROM c.positions
"""


@pytest.fixture
def open_store(tmp_path):
    """On the same files each time, as a restarted process would."""
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


def changed(path, statement):
    """In all raw files."""
    for file in path.glob("raw-*.duckdb"):
        with duckdb.connect(str(file)) as connection:
            connection.execute(statement)


def into_a_single_file(path):
    """As all stores were before their points lay in files by time."""
    with duckdb.connect(str(path / "metrics.duckdb")) as connection:
        connection.execute(_SINGLE_FILE.format(files=path))
        for number, file in enumerate(sorted(path.glob("raw-*.duckdb"))):
            connection.execute(f"ATTACH '{file}' AS f{number}")
            for table in ("points", "text_points"):
                connection.execute(f"INSERT INTO {table} FROM f{number}.{table}")
            connection.execute(f"INSERT INTO positions FROM f{number}.positions")
    for file in (path / "catalogue.duckdb", *path.glob("raw-*")):
        file.unlink()


def test_a_start_reads_no_points(open_store, tmp_path):
    """There are too many of them in a large store for the time that a write may take."""
    store = open_store()
    store.write(writer.batch(0))
    store.close()
    changed(tmp_path, "DROP TABLE points; CREATE VIEW points AS SELECT error('read') AS sid, 0::BIGINT AS ts_ns")
    with pytest.raises(Exception, match="read"):
        changed(tmp_path, "FROM points")
    assert open_store().committed_sequence(writer.SPOOL) == 0


@pytest.mark.parametrize("attempt", [False, True], ids=["at once", "after an attempt that was killed"])
def test_a_store_that_was_one_file_has_all_its_points_series_and_positions(open_store, tmp_path, attempt):
    store = open_store()
    umbrella = OrganizationId(writer.SPOOL)
    store.write(writer.batch(0, 1800))
    store.write(words(1, DAY_NS, 2 * DAY_NS, LATEST_NS))
    store.write(batch_of(umbrella, point(DAY_NS, 5.0), source=SpoolPosition(writer.SPOOL, 7)))
    files = len(list(tmp_path.glob("raw-*.duckdb")))
    store.close()
    into_a_single_file(tmp_path)
    if attempt:
        for left in ("catalogue.duckdb.building", "raw-2025-11-20-0.duckdb", "raw-2025-11-20-0.duckdb.wal"):
            (tmp_path / left).write_bytes(b"half a file" * 2000)
    store = open_store()
    assert store.committed_sequence(writer.SPOOL) == 7
    assert store.count_points(writer.ORGANIZATION) == writer.POINTS_PER_BATCH + 2 * 4
    assert (len(list(tmp_path.glob("raw-*.duckdb"))), list(tmp_path.glob("metrics*"))) == (files, [])
    again = writer.batch(0, 1800)
    store.write(words(DAY_NS, 3 * DAY_NS, LATEST_NS))
    store.write(PointBatch(again.organization_id, again.series, again.series_index, again.time_ns, again.values))
    assert store.count_points(writer.ORGANIZATION) == writer.POINTS_PER_BATCH + 2 * 5
    assert store.query(question(umbrella, 0, 2 * DAY_NS, Aggregate.SUM)).series[0].points == ((0, 5.0),)


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
        store.write(words(batch * 10**11, -(10**18)))
    store.close()
    (file,) = tmp_path.glob("raw-*.duckdb")
    with duckdb.connect(str(file)) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT sid), min(ts_ns) FROM newest_times").fetchall()
    assert found[0][:2] == (2, 2)
    assert found[0][2] >= 19 * 10**11


def test_newest_times_go_with_their_organization(open_store, tmp_path):
    store = open_store()
    store.write(words(1))
    store.delete_organization(writer.ORGANIZATION)
    store.close()
    (file,) = tmp_path.glob("raw-*.duckdb")
    with duckdb.connect(str(file)) as connection:
        assert connection.execute("SELECT count(*) FROM newest_times").fetchall() == [(0,)]
