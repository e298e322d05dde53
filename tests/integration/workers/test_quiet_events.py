"""Events that set nothing in motion but end what is cached: many at once, and none before the cache has heard."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from fakes.manual_clock import ManualClock
from fixtures.relational import Database, TwoOrganizations
from strata_core.caching.kinds import CONFIGURATION
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.null.cache import NullCache
from strata_stores.null.doorbell import NullDoorbell
from strata_workers.relay import Answerer, Relay
from strata_workers.sender import Sender


class HearingCache(NullCache):
    """Notes what it is told, and is away when told to be."""

    def __init__(self) -> None:
        self.is_away = False
        self.told: list[tuple[OrganizationId, str]] = []

    def invalidate(self, organization_id: OrganizationId, kind: str) -> bool:
        self.told.append((organization_id, kind))
        return not self.is_away


class CountingBell(NullDoorbell):
    rings = 0

    def ring(self, outbox_id: object) -> bool:
        self.rings += 1
        return True


class Plant:
    def __init__(self, units: SystemUnitsOfWork, database: Database) -> None:
        self.units = units
        self.database = database
        self.cache, self.bell = HearingCache(), CountingBell()
        registry = CollectorRegistry()
        self.sender = Sender(units, None, None, registry)  # type: ignore[arg-type]
        self.answerer = Answerer(units, self.sender, self.cache, "test", registry)
        self.relay = Relay(units, self.bell, self.answerer)

    def append(self, organization_id: OrganizationId, *events: Event) -> None:
        with self.units.organization(organization_id) as uow:
            for event in events:
                append(uow, event)

    def states(self) -> dict[str, int]:
        rows = self.database.rows("SELECT state, count(*) AS n FROM outbox GROUP BY state")
        return {row["state"]: row["n"] for row in rows}


@pytest.fixture
def plant(system_units: SystemUnitsOfWork, database: Database, shifted_clock: ManualClock) -> Iterator[Plant]:
    plant = Plant(system_units, database)
    yield plant
    plant.sender.close()


def _host() -> Event:
    return Event("host.created", 1, "host", uuid4(), {"name": "h", "status": "unknown", "source": "telemetry"})


def _role() -> Event:
    return Event("role.changed", 1, "role", uuid4(), {"name": "r"})


def test_hundreds_of_new_hosts_are_finished_without_a_ring(plant: Plant, two_organizations: TwoOrganizations) -> None:
    for organization_id in (two_organizations.first, two_organizations.second):
        plant.append(organization_id, *(_host() for _ in range(150)))
    assert [plant.relay.step(), plant.relay.step(), plant.relay.step()] == [200, 100, 0]
    assert (plant.states(), plant.bell.rings) == ({"done": 300}, 0)


def test_a_cache_is_told_once_a_kind_and_organization(plant: Plant, two_organizations: TwoOrganizations) -> None:
    plant.append(two_organizations.first, _role(), _role(), _host())
    plant.append(two_organizations.second, _role())
    plant.relay.step()
    both = {(each, CONFIGURATION.name) for each in (two_organizations.first, two_organizations.second)}
    assert (set(plant.cache.told), len(plant.cache.told)) == (both, 2)


def test_a_change_stays_pending_until_the_cache_has_heard_of_it(
    plant: Plant, two_organizations: TwoOrganizations, shifted_clock: ManualClock
) -> None:
    plant.cache.is_away = True
    plant.append(two_organizations.first, _role(), _host())
    for _ in range(30):
        plant.relay.step()
        shifted_clock.advance(timedelta(seconds=6))
    assert plant.states() == {"done": 1, "pending": 1}  # neither lost nor parked, and the host did not wait
    plant.cache.is_away = False
    plant.relay.step()
    assert plant.states() == {"done": 2}


def test_an_event_of_a_newer_release_is_parked(plant: Plant, two_organizations: TwoOrganizations) -> None:
    plant.append(two_organizations.first, _host())
    plant.database.run("UPDATE outbox SET schema_version = 99")
    plant.relay.step()
    assert plant.states() == {"parked": 1}


def test_an_outage_in_the_midst_of_an_event_is_not_held_against_it(
    system_units: SystemUnitsOfWork,
    database: Database,
    two_organizations: TwoOrganizations,
    shifted_clock: ManualClock,
) -> None:
    def down(*_: object) -> None:
        raise StoreUnavailableError("postgres", "is down")

    registry = CollectorRegistry()
    sender = Sender(system_units, None, None, registry)  # type: ignore[arg-type]
    answerer = Answerer(system_units, sender, NullCache(), "test", registry, handlers={"webhook.changed": down})
    with system_units.organization(two_organizations.first) as uow:
        outbox_id = append(uow, Event("webhook.changed", 1, "webhook", uuid4(), {"deleted": False}))
    for _ in range(10):
        with pytest.raises(StoreUnavailableError):
            answerer.answer(outbox_id)
        shifted_clock.advance(timedelta(minutes=2))
    (row,) = database.rows("SELECT state, abandoned, claimed_by FROM outbox")
    assert (row["state"], row["abandoned"], row["claimed_by"]) == ("pending", 0, None)
    sender.close()
