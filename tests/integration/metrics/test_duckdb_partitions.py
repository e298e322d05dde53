"""Files of a DuckDB metric store that come and go beside those who read them."""

from contextlib import closing

import duckdb
import pytest

from strata_datamodel.tiers import Tier
from strata_stores.duckdb.partitions import Partitions
from strata_stores.duckdb.periods import Period, file_name, named, period_of

_DAY_NS = 86_400 * 10**9
_PERIOD = Period(Tier.RAW, 20_000)


@pytest.fixture
def connection(tmp_path):
    with closing(duckdb.connect(str(tmp_path / "catalogue.duckdb"))) as connection:
        yield connection


@pytest.fixture
def partitions(tmp_path, connection):
    partitions = Partitions(tmp_path)
    partitions.look(connection)
    return partitions


def put(connection, file, value):
    connection.execute(f"INSERT INTO {file.name}.points VALUES (1, {value}, 0.0)")


def held(connection, file):
    return [value for (value,) in connection.execute(f"SELECT ts_ns FROM {file.name}.points ORDER BY 1").fetchall()]


def test_what_is_written_after_a_file_was_let_go_outlives_the_last_reader_of_that_file(
    partitions, connection, tmp_path
):
    with partitions.pinned_or_new(_PERIOD) as old:
        put(connection, old, 1)
        with partitions.pinned((Tier.RAW, old.period.from_ns, old.period.from_ns + 1)) as ((read,),):
            partitions.replace(old, None)
            with partitions.pinned_or_new(_PERIOD) as new:
                put(connection, new, 2)
            assert (held(connection, read), held(connection, new)) == ([1], [2])
    assert partitions.all_of(Tier.RAW) == [new]
    assert [path.name for path in tmp_path.glob("raw-*.duckdb")] == [file_name(_PERIOD, 1)]
    assert held(connection, new) == [2]


def test_a_file_that_is_let_go_is_found_no_more_and_its_reader_reads_on(partitions, connection, tmp_path):
    with partitions.pinned_or_new(_PERIOD) as file:
        put(connection, file, 1)
        partitions.replace(file, None)
        assert partitions.all_of(*Tier) == []
        assert held(connection, file) == [1]
        assert file.path.exists()
    assert not list(tmp_path.glob("raw-*"))


def test_only_so_many_files_stay_attached(partitions, connection):
    for number in range(70):
        with partitions.pinned_or_new(Period(Tier.RAW, 20_000 + number)) as file:
            put(connection, file, number)
    attached = connection.execute("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert attached == [(65,)]  # with the catalogue
    assert [held(connection, file) for file in partitions.each(Tier.RAW)] == [[number] for number in range(70)]


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("time_ns", [-(2**63), -1, 0, 1_763_640_000 * 10**9, 2**63 - 1])
def test_each_time_lies_in_the_period_that_its_file_is_named_for(tier, time_ns):
    period = period_of(tier, time_ns)
    assert period.from_ns <= time_ns <= period.last_ns
    assert named(file_name(period, 3)) == (period, 3)
    if period.last_ns < 2**63 - 1:
        assert period_of(tier, period.last_ns + 1).from_ns == period.last_ns + 1
