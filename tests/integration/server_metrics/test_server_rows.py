"""Servers in rows: from what agents send to the hours, days and regions that are summed up of it."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select

from factories.all_kinds_saga import TOOLS
from fixtures.ingest import IngestWorld, MakeIngest
from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.server_metrics.commands import keep_parts, write_readings
from strata_core.server_metrics.readings import Row
from strata_core.server_metrics.rolling import roll_up
from strata_core.server_metrics.summaries import SERVER_SUMMARIES
from strata_datamodel.errors import ConflictError, InvalidError
from strata_datamodel.server_metrics import Column
from strata_datamodel.tables.all import hosts, server_metrics, server_metrics_hourly
from strata_stores.clock import ShiftedClock
from strata_workers.saga_runner import SagaRunner
from strata_workers.server_metrics import ServerMetricsKeeper
from waiting import eventually

ON = "UPDATE organizations SET settings = '{\"relational_server_metrics\": true}' WHERE id = %s"
MINUTE_NS = 60_000_000_000
S_US = 1_000_000


@pytest.fixture
def ingest_on(make_ingest: MakeIngest) -> IngestWorld:
    world = make_ingest(is_writing=False)
    world.database.run(ON, world.acme.organization_id)
    world.machine.start_writers()
    return world


def rows(database: Database, table: str = "server_metrics") -> list[dict[str, object]]:
    return database.rows(
        f"SELECT m.*, h.name FROM {table} m JOIN hosts h ON h.organization_id = m.organization_id AND h.id = server_id"
        " ORDER BY h.name, timestamp"
    )


def test_what_an_agent_sends_becomes_rows_for_who_turned_it_on(ingest_on: IngestWorld) -> None:
    world, now_ns = ingest_on, ingest_on.machine.clock.now_ns()
    at = now_ns - 5 * MINUTE_NS
    lines = (
        f"cpu,host=web-1,cpu=cpu-total usage_idle=40,usage_user=50 {at}\n"
        f"mem,host=web-1 used_percent=61.25 {at}\n"
        f"net,host=web-1,interface=eth0 bytes_recv=9007199254740992i,bytes_sent=7i {at}\n"
        f"server_metrics,host=web-1 cpu_usage=101,load_average=3.5 {at + 1000}\n"
        f"nginx,host=web-1 requests=7 {at}\n"
    )
    for sender in (world.acme, world.globex, world.acme):  # the last is a retry
        assert world.write(lines, sender).status_code == 204
        world.machine.drain()
    first, second = rows(world.database)
    assert {row["organization_id"] for row in (first, second)} == {world.acme.organization_id}
    assert (first["cpu_usage"], first["memory_usage"], first["disk_usage"]) == (Decimal(60), Decimal("61.25"), None)
    assert (first["network_in"], first["network_out"]) == (9007199254740992, 7)
    assert (second["cpu_usage"], second["load_average"]) == (None, Decimal("3.5"))
    assert world.machine.counted("strata_server_metrics_refused_total") == 2  # sent twice
    assert world.count_points() > 5  # what no row may hold is in its store all the same


def test_errors_of_hosts_are_rows_once_and_other_events_are_none(ingest_on: IngestWorld) -> None:
    world = ingest_on
    events = [("error", "disk\\u0000 full"), ("fatal", "x" * 3_000), ("info", "fine")]
    body = "".join(
        f'{{"create":{{"_id":"{place}"}}}}\n{{"message":"{text}","level":"{level}","host_id":"db-1",'
        f'"@timestamp":"{world.machine.clock.now().isoformat()}"}}\n'
        for place, (level, text) in enumerate(events)
    )
    for sender in (world.acme, world.acme, world.globex):
        assert world.bulk(body, sender, path="/app/_bulk").status_code == 200
        world.machine.drain()
    found = rows(world.database, "error_logs")
    assert [(row["name"], row["level"], len(str(row["message"]))) for row in found] == [
        ("db-1", "error", len("disk full")),
        ("db-1", "fatal", 2_000),
    ]
    assert {row["organization_id"] for row in found} == {world.acme.organization_id}


def hour_ago(clock: ShiftedClock, hours: int) -> datetime:
    return clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)


def us(at: datetime) -> int:
    return round(at.timestamp() * S_US)


@pytest.fixture
def write(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> Callable[[dict[tuple[str, int], Row]], None]:
    first = two_organizations.first
    with system_units.organization(first) as uow:
        keep_parts(uow)
        uow.execute(insert(hosts), [{"organization_id": first, "name": name, "region": "eu"} for name in ("a", "b")])

    def written(found: dict[tuple[str, int], Row]) -> None:
        with system_units.organization(first) as uow:
            assert write_readings(uow, found) == 0

    return written


def settled(units: SystemUnitsOfWork, clock: ShiftedClock, two: TwoOrganizations) -> int:
    clock.advance(timedelta(minutes=2))
    with units.organization(two.first) as uow:
        return roll_up(uow)


@pytest.mark.usefixtures("second_unmoved")
def test_hours_and_days_are_what_a_recomputation_gives_however_late_rows_come(
    write, database: Database, system_units: SystemUnitsOfWork, shifted_clock: ShiftedClock, two_organizations
) -> None:
    chance = random.Random(7)
    start = us(hour_ago(shifted_clock, 30))
    sent: dict[tuple[str, int], Row] = {}
    for number in range(240):
        place = (chance.choice("ab"), start + chance.randrange(29 * 3_600) * S_US)
        sent[place] = {
            Column.CPU_USAGE: chance.randrange(10_001) / 100,
            Column.NETWORK_IN: chance.choice((number * 1_000, 5)),  # now and then a server starts anew
        }
    places = list(sent)
    chance.shuffle(places)
    for begin in range(0, len(places), 40):
        write({place: sent[place] for place in places[begin : begin + 40]})
        settled(system_units, shifted_clock, two_organizations)
    expected_cpu: dict[tuple[str, datetime], list[Decimal]] = defaultdict(list)
    grown: dict[tuple[str, datetime], int] = {}
    for host in "ab":
        times = sorted(time for name, time in sent if name == host)
        for before, time in zip([None, *times], times, strict=False):
            hour = datetime.fromtimestamp(time / S_US, UTC).replace(minute=0, second=0, microsecond=0)
            expected_cpu[host, hour].append(round(Decimal(sent[host, time][Column.CPU_USAGE]), 2))
            if before is not None and before >= us(hour - timedelta(hours=1)):
                now, was = (int(sent[host, each][Column.NETWORK_IN]) for each in (time, before))
                grown[host, hour] = grown.get((host, hour), 0) + (now - was if now >= was else now)
    hours = {(row["name"], row["timestamp"]): row for row in rows(database, "(SELECT *, hour AS timestamp FROM server_metrics_hourly)")}  # fmt: skip # noqa: E501
    assert {place: (row["samples"], row["cpu_sum"], row["cpu_max"]) for place, row in hours.items()} == {
        place: (len(values), sum(values), max(values)) for place, values in expected_cpu.items()
    }
    assert {
        place: row["network_in_bytes"] for place, row in hours.items() if row["network_in_bytes"] is not None
    } == grown
    days = database.rows("SELECT sum(samples) AS n, sum(cpu_sum) AS s, min(region) AS r FROM server_metrics_daily")
    assert days == [{"n": len(sent), "s": sum(sum(values) for values in expected_cpu.values()), "r": "eu"}]


def test_an_hour_that_is_being_written_is_summed_up_after_that_and_not_without_it(
    write, system_units: SystemUnitsOfWork, shifted_clock: ShiftedClock, two_organizations: TwoOrganizations
) -> None:
    at = us(hour_ago(shifted_clock, 3))
    write({("a", at): {Column.CPU_USAGE: 1.0}})
    with system_units.organization(two_organizations.first) as writing:
        write_readings(writing, {("a", at + S_US): {Column.CPU_USAGE: 3.0}})
        settled(system_units, shifted_clock, two_organizations)
    settled(system_units, shifted_clock, two_organizations)
    with system_units.organization(two_organizations.first) as uow:
        summed = uow.execute(select(server_metrics_hourly.c.samples, server_metrics_hourly.c.cpu_sum)).all()
    assert [tuple(row) for row in summed] == [(2, Decimal("4.00"))]


def test_a_saga_makes_regions_anew_once_an_hour_and_what_is_old_goes(
    write, database: Database, system_units: SystemUnitsOfWork, shifted_clock: ShiftedClock, two_organizations
) -> None:
    write({("a", us(hour_ago(shifted_clock, 1))): {Column.CPU_USAGE: 20.0}, ("b", us(hour_ago(shifted_clock, 1))): {Column.CPU_USAGE: 40.0}})  # fmt: skip # noqa: E501
    shifted_clock.advance(timedelta(minutes=2))
    keeper = ServerMetricsKeeper(system_units)
    while keeper.step():
        pass
    keeper.step()
    runner = SagaRunner(system_units, [SERVER_SUMMARIES], TOOLS, shifted_clock, CollectorRegistry(), name="w")
    try:
        eventually(lambda: runner.step() == 0 and _states(database) == ["done"], what="one saga, done")
    finally:
        runner.close()
    held = "SELECT region, servers, cpu_avg, cpu_max FROM server_region_days_held WHERE organization_id = %s"
    expected = {"region": "eu", "servers": 2, "cpu_avg": Decimal("30.00"), "cpu_max": Decimal(40)}
    assert database.rows(held, two_organizations.first) == [expected]
    shifted_clock.advance(timedelta(days=45))
    keeper.step()
    assert rows(database) == []
    assert len(database.rows("SELECT FROM server_metrics_hourly")) == 2
    shifted_clock.advance(timedelta(days=60))
    assert keeper.forget() == 2
    assert database.rows("SELECT FROM server_metrics_hourly") == []
    assert len(database.rows("SELECT FROM server_metrics_daily")) == 2


def _states(database: Database) -> list[object]:
    return [row["state"] for row in database.rows("SELECT state FROM sagas WHERE kind = 'server_summaries'")]


def test_the_database_itself_refuses_what_no_server_can_measure(
    write, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    first = two_organizations.first
    with system_units.organization(first) as uow:
        mine = uow.execute(select(hosts.c.id).where(hosts.c.name == "a")).scalar_one()
    row = {"organization_id": first, "server_id": mine, "timestamp": shifted_clock.now()}
    for bad in ({"cpu_usage": 100.01}, {"network_in": -1}):
        with pytest.raises(InvalidError), system_units.organization(first) as uow:
            uow.execute(insert(server_metrics), row | bad)
    with pytest.raises(ConflictError) as caught, system_units.organization(first) as uow:
        uow.execute(insert(server_metrics), row | {"server_id": two_organizations.second_host})
    assert caught.value.code == "reference_missing"
