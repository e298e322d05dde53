"""Hosts and services appear by themselves from telemetry, which never overwrites what a person wrote."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.context import Context
from strata_core.inventory.commands import create_host, replace_host
from strata_core.inventory.rows import HOST, SERVICE
from strata_core.inventory.rules import HostDraft, check_draft, merged_sightings
from strata_core.inventory.sightings import SightingsRecorded, record_sightings
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.inventory import EntityStatus, Host, Service, Sighting, Source

pytestmark = pytest.mark.usefixtures("second_unmoved")
T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.first)


def see(units: UnitsOfWork, ctx: Context, *sightings: Sighting) -> SightingsRecorded:
    with units.organization(ctx.organization_id) as uow:
        return record_sightings(uow, sightings)


def found(units: UnitsOfWork, ctx: Context) -> tuple[list[Host], list[Service]]:
    with units.organization(ctx.organization_id) as uow:
        seen = [
            uow.execute(select(kind.table).order_by(kind.table.c.name)).mappings().all() for kind in (HOST, SERVICE)
        ]
    return [HOST.read(row) for row in seen[0]], [SERVICE.read(row) for row in seen[1]]


def trail(database: Database) -> list[object]:
    told = [row["kind"] for row in database.rows("SELECT kind FROM outbox ORDER BY created_at, id")]
    audited = [row["action"] for row in database.rows("SELECT action FROM audit_log ORDER BY at, id")]
    assert sorted(map(str, told)) == sorted(map(str, audited))
    return told


def test_a_new_host_and_service_appear_audited_and_told(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    recorded = see(units, ctx, Sighting("web-1", "nginx", T0, "prod", "fra1", "eu", "telegraf 1.35", {"team": "core"}))
    assert recorded == SightingsRecorded(hosts_created=1, services_created=1, changed=0, refused=0)
    (host,), (service,) = found(units, ctx)
    assert (host.name, host.environment, host.datacenter, host.region) == ("web-1", "prod", "fra1", "eu")
    assert (host.agent_version, host.tags, host.source) == ("telegraf 1.35", {"team": "core"}, Source.TELEMETRY)
    assert (host.status, host.first_seen_at, host.last_seen_at) == (EntityStatus.UP, T0, T0)
    assert (service.name, service.host_id, service.source) == ("nginx", host.id, Source.TELEMETRY)
    assert sorted(map(str, trail(database))) == ["host.created", "service.created"]
    assert {row["actor_label"] for row in database.rows("SELECT actor_label FROM audit_log")} == {"telemetry"}


def test_seeing_it_again_changes_nothing_but_the_time(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    again = T0 + timedelta(minutes=1)
    see(units, ctx, Sighting("web-1", "nginx", T0, "prod"))
    assert see(units, ctx, Sighting("web-1", "nginx", again, "prod")) == SightingsRecorded(0, 0, 0, 0)
    assert see(units, ctx, Sighting("web-1", "nginx", T0)) == SightingsRecorded(0, 0, 0, 0)  # late, and silent
    (host,), (service,) = found(units, ctx)
    assert (host.last_seen_at, host.first_seen_at, host.version) == (again, T0, 1)
    assert (service.last_seen_at, service.version) == (again, 1)
    assert len(trail(database)) == 2


def test_times_are_not_written_again_within_moments(units: UnitsOfWork, ctx: Context) -> None:
    see(units, ctx, Sighting("web-1", None, T0))
    see(units, ctx, Sighting("web-1", None, T0 + timedelta(seconds=29)))
    assert found(units, ctx)[0][0].last_seen_at == T0
    see(units, ctx, Sighting("web-1", None, T0 + timedelta(seconds=30)))
    assert found(units, ctx)[0][0].last_seen_at == T0 + timedelta(seconds=30)


def test_telemetry_changes_what_it_brought_in(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    see(units, ctx, Sighting("web-1", None, T0, "staging", tags={"a": "1", "b": "1"}))
    assert see(units, ctx, Sighting("web-1", None, T0, "prod", tags={"b": "2"})).changed == 1
    (host,), _ = found(units, ctx)
    assert (host.environment, host.tags, host.version) == ("prod", {"a": "1", "b": "2"}, 2)
    assert trail(database) == ["host.created", "host.changed"]


def test_what_a_person_wrote_stays(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    draft = HostDraft("web-1", EntityStatus.MAINTENANCE, "prod", None, "eu", tags={"team": "core"})
    with units.organization(ctx.organization_id) as uow:
        written = create_host(ctx, uow, draft)
    see(units, ctx, Sighting("web-1", None, T0, "staging", "fra1", "us", "telegraf", {"team": "edge", "x": "y"}))
    (host,), _ = found(units, ctx)
    assert (host.first_seen_at, host.last_seen_at) == (T0, T0)
    assert (host.status, host.environment, host.datacenter) == (EntityStatus.MAINTENANCE, "prod", None)
    assert (host.region, host.tags, host.version) == ("eu", {"team": "core"}, written.version)
    assert trail(database) == ["host.created"]


def test_what_telemetry_brought_in_is_a_persons_once_they_edit_it(units: UnitsOfWork, ctx: Context) -> None:
    see(units, ctx, Sighting("web-1", None, T0, "staging"))
    (host,), _ = found(units, ctx)
    with units.organization(ctx.organization_id) as uow:
        replace_host(ctx, uow, host.id, HostDraft("web-1", EntityStatus.DOWN, "prod"), version=host.version)
    see(units, ctx, Sighting("web-1", None, T0 + timedelta(hours=1), "staging"))
    (host,), _ = found(units, ctx)
    assert (host.environment, host.status, host.source) == ("prod", EntityStatus.DOWN, Source.MANUAL)


def test_a_service_without_a_host_is_one_and_stays_one(units: UnitsOfWork, ctx: Context) -> None:
    see(units, ctx, Sighting(None, "billing", T0), Sighting("web-1", "billing", T0), Sighting(None, "billing", T0))
    assert see(units, ctx, Sighting(None, "billing", T0)).services_created == 0
    _, services = found(units, ctx)
    assert len(services) == 2
    assert sum(service.host_id is None for service in services) == 1


def test_many_at_once_are_brought_in_and_found_again(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    many = [Sighting(f"host-{number}", f"service-{number % 7}", T0) for number in range(1_200)]
    assert see(units, ctx, *many) == SightingsRecorded(1_200, 1_200, 0, 0)
    later = [Sighting(each.host_name, each.service_name, T0 + timedelta(minutes=1)) for each in many]
    assert see(units, ctx, *later) == SightingsRecorded(0, 0, 0, 0)
    assert database.rows("SELECT count(*), min(last_seen_at) FROM hosts WHERE name LIKE 'host-%%'") == [
        {"count": 1_200, "min": T0 + timedelta(minutes=1)}
    ]


def test_writers_that_bring_in_the_same_make_one_of_each_and_nobody_fails(
    units: UnitsOfWork, ctx: Context, database: Database
) -> None:
    sightings = [Sighting(f"host-{number}", "agent", T0, "prod") for number in range(40)]
    created: list[int] = []
    start = threading.Barrier(4, timeout=10)

    def run(turn: int) -> None:
        start.wait()
        mixed = sightings[turn * 10 :] + sightings[: turn * 10]
        for minute in range(3):
            seen = [Sighting(s.host_name, s.service_name, T0 + timedelta(minutes=minute), "prod") for s in mixed]
            created.append(see(units, ctx, *seen).hosts_created)

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 12  # none raised
    assert sum(created) == 40
    assert len(trail(database)) == 80
    hosts, services = found(units, ctx)
    assert (len(hosts), len(services)) == (40, 40)
    assert {host.last_seen_at for host in hosts} == {T0 + timedelta(minutes=2)}


def test_new_hosts_in_opposite_orders_do_not_deadlock(units: UnitsOfWork, ctx: Context) -> None:
    created: list[int] = []
    start = threading.Barrier(2, timeout=10)

    def run(step: int) -> None:
        sightings = [Sighting(f"host-{number}", None, T0) for number in range(400)][::step]
        start.wait()
        created.append(see(units, ctx, *sightings).hosts_created)

    threads = [threading.Thread(target=run, args=(step,)) for step in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [0, 400]


def test_a_host_that_somebody_edits_does_not_hold_telemetry_up(units: UnitsOfWork, ctx: Context) -> None:
    """Waiting would end in a lock time-out, which raises."""
    see(units, ctx, Sighting("web-1", None, T0), Sighting("web-2", None, T0))
    edited = found(units, ctx)[0][0]
    later = T0 + timedelta(hours=1)
    with units.organization(ctx.organization_id) as editor:
        replace_host(ctx, editor, edited.id, HostDraft("web-1"), version=1)
        see(units, ctx, Sighting("web-1", None, later), Sighting("web-2", None, later))
    assert [host.last_seen_at for host in found(units, ctx)[0]] == [T0, later]


def test_what_a_person_may_not_write_telemetry_may_not_either(units: UnitsOfWork, ctx: Context) -> None:
    odd = [
        Sighting("", "s", T0),
        Sighting("a\x00b", "s", T0),
        Sighting("x" * 500, None, T0),
        Sighting("ok", "bad\nname", T0, environment="e" * 500, tags={"k": "v" * 999, "good": "1"}),
    ]
    assert see(units, ctx, *odd).hosts_created == 1
    hosts, services = found(units, ctx)
    assert [(host.name, host.environment, host.tags) for host in hosts] == [("ok", None, {"good": "1"})]
    assert services == []


TEXT = st.text(max_size=300)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.builds(
            Sighting,
            host_name=st.none() | TEXT,
            service_name=st.none() | TEXT,
            seen_at=st.sampled_from([T0, T0 + timedelta(hours=1)]),
            environment=st.none() | TEXT,
            tags=st.dictionaries(TEXT, TEXT, max_size=80),
        ),
        max_size=6,
    )
)
def test_whatever_telemetry_says_is_recorded_or_left_out_and_never_fails(
    units: UnitsOfWork, ctx: Context, sightings: list[Sighting]
) -> None:
    for name, merged in merged_sightings(sightings).items():
        check_draft(HostDraft(name, environment=merged.environment, tags=merged.tags))
    see(units, ctx, *sightings)
    again = see(units, ctx, *sightings)
    assert (again.hosts_created, again.services_created, again.changed) == (0, 0, 0)
