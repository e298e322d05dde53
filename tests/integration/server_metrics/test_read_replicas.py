"""Lists are read from a real streaming replica while it keeps up, and from the primary else."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import orjson
import psycopg
import pytest
from sqlalchemy import Engine, func, insert, select

from factories.contexts import context
from fixtures.embedded import UNSAFE_AND_FAST
from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.list_reader import ListedRow, ListReader, Question
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.server_metrics.lists import RAW
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.all import server_metrics
from strata_stores.breaker import Breaker
from strata_stores.clock import ShiftedClock
from strata_stores.embedded.account import give, server_account
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.postgres_cluster import installation
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.replicas import Replica, RoutedReads
from strata_stores.postgres.roles import APP
from waiting import eventually


@dataclass
class CountedPrimary:
    reader: ListReader
    asked: int = 0

    def page(self, question: Question) -> Sequence[ListedRow]:
        self.asked += 1
        return self.reader.page(question)


@pytest.fixture
def standby(embedded_postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))  # short: a socket goes into it
    data = folder / "postgres"
    program = str(installation() / "bin" / "pg_basebackup")
    primary = embedded_postgres.url(database="postgres")
    subprocess.run(
        [program, "-D", str(data), "-d", primary, "-R", "-X", "stream", "-c", "fast"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    give(data, server_account(embedded_postgres.data_dir))  # it goes through the socket of the other
    server = EmbeddedPostgres(data, folder / "run", settings=UNSAFE_AND_FAST)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@dataclass
class Reading:
    reads: RoutedReads
    primary: CountedPrimary
    organization_id: OrganizationId

    def rows(self, organization_id: OrganizationId | None = None) -> list[object]:
        ctx = context(organization_id or self.organization_id)
        return [orjson.loads(row[0])["cpu_usage"] for row in self.reads.page(RAW.question(ctx, limit=50))]

    def was_asked_elsewhere(self) -> bool:
        """Whether a read did without the primary."""
        before = self.primary.asked
        self.rows()
        return self.primary.asked == before


@pytest.fixture
def write(database: Database, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations):
    with system_units.system() as uow:
        uow.execute(select(func.app.keep_server_parts(timedelta(days=35))))

    def written(cpu: int) -> None:
        with system_units.organization(two_organizations.second) as uow:
            ids = {"organization_id": two_organizations.second, "server_id": two_organizations.second_host}
            uow.execute(insert(server_metrics), {**ids, "timestamp": uow.now(), "cpu_usage": cpu})

    return written


@pytest.fixture
def reading(
    write, database: Database, standby: EmbeddedPostgres, app_engine: Engine, units: UnitsOfWork, two_organizations
) -> Iterator[Reading]:
    clock = ShiftedClock()
    engine = open_engine(standby.url(user=APP, database=database.name), role=APP)
    replica = Replica("replica", engine, Breaker("replica", clock, open_s=0.2, max_open_s=0.2))
    primary = CountedPrimary(units)
    yield Reading(RoutedReads(primary, app_engine, [replica], clock, lag_s=0.5), primary, two_organizations.second)
    engine.dispose()


def test_a_replica_is_read_while_it_keeps_up_and_is_walled_as_well(
    reading: Reading, write, standby: EmbeddedPostgres, database: Database, two_organizations: TwoOrganizations
) -> None:
    write(7)
    eventually(lambda: reading.rows() == [7] and reading.was_asked_elsewhere(), what="the replica to have it")
    assert reading.rows(two_organizations.first) == []
    with psycopg.connect(standby.url(database=database.name), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        write(8)
        eventually(lambda: reading.rows() == [7, 8], what="the primary to be asked")
        assert not reading.was_asked_elsewhere()
        (state,) = reading.reads.health()
        assert (state.is_ready, state.is_required) == (False, False)
        assert state.detail.startswith("lags")
        connection.execute("SELECT pg_wal_replay_resume()")
    eventually(reading.was_asked_elsewhere, what="the replica to have caught up")
    assert reading.rows() == [7, 8]
    standby.stop()
    write(9)
    eventually(lambda: reading.rows() == [7, 8, 9], what="an answer without the replica")


def test_a_server_that_is_no_replica_serves_nobody(
    write, database: Database, app_engine: Engine, units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    write(7)
    clock = ShiftedClock()
    replica = Replica("promoted", app_engine, Breaker("promoted", clock))
    primary = CountedPrimary(units)
    reading = Reading(RoutedReads(primary, app_engine, [replica], clock, lag_s=0.5), primary, two_organizations.second)
    assert reading.rows() == [7]
    assert not reading.was_asked_elsewhere()
    assert replica.detail == "is no replica"
