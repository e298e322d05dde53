"""Organizations in two cells, and what goes by an old placement."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest

from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from fixtures.stepped_clock import SteppedClock
from strata_core.cells.knowledge import Placements
from strata_core.cells.rules import LEASE_S, Placement
from strata_core.cells.stores import CellStores
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import SpoolPosition
from strata_datamodel.tiers import ROLLED_UP, Tier
from strata_stores.cells import RoutedMetricStore, healths
from strata_stores.clock import ShiftedClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

BASE = 1_763_640_000 * SECOND
ACME, GLOBEX = OrganizationId(uuid4()), OrganizationId(uuid4())


@dataclass
class World:
    """`placed` is what PostgreSQL says; nobody else is told."""

    clock: ShiftedClock
    stores: dict[str, DuckDbMetricStore]
    placed: dict[OrganizationId, Placement] = field(default_factory=dict)
    looks: int = 0

    def __post_init__(self) -> None:
        self.router = RoutedMetricStore(CellStores(self.stores), Placements(self.look, SteppedClock(self.clock)))

    def look(self, organization_id: OrganizationId) -> Placement:
        self.looks += 1
        return self.placed.get(organization_id, Placement())

    def write(self, organization_id: OrganizationId, at: int = 0) -> None:
        self.router.write(batch_of(organization_id, point(BASE + at * SECOND, 1.0, host="a")))

    def counts(self, organization_id: OrganizationId) -> dict[str, int]:
        return {name: store.count_points(organization_id) for name, store in self.stores.items()}


@pytest.fixture
def world(tmp_path):
    clock = ShiftedClock()
    stores = {name: DuckDbMetricStore(tmp_path / name, clock) for name in ("default", "eu")}
    found = World(clock, stores)
    found.router.prepare()
    yield found
    found.router.close()


def test_each_organization_is_written_asked_and_deleted_in_its_cell(world):
    world.placed[ACME] = Placement("eu")
    for organization_id in (ACME, GLOBEX):
        world.write(organization_id)
    assert (world.counts(ACME), world.counts(GLOBEX)) == ({"default": 0, "eu": 1}, {"default": 1, "eu": 0})
    assert len(world.router.query(question(ACME, BASE, BASE + MINUTE)).series) == 1
    world.router.roll_up(Tier.MINUTE, BASE, BASE + MINUTE)
    world.router.roll_up(Tier.FIVE_MINUTES, BASE, BASE + 5 * MINUTE, [ACME])
    assert [world.router.count_windows(ACME, tier) for tier in ROLLED_UP] == [1, 1, 0]
    assert [world.router.count_windows(GLOBEX, tier) for tier in ROLLED_UP] == [1, 0, 0]
    world.router.delete_organization(ACME)
    assert (world.router.count_points(ACME), world.router.count_points(GLOBEX)) == (0, 1)


def test_a_write_that_was_overtaken_by_a_move_is_in_both_cells_before_it_counts_as_written(world):
    world.write(ACME)
    old = world.stores["default"]

    class Slow:
        """The old cell takes the points just when the placement that they go by runs out."""

        def __getattr__(self, name):
            return getattr(old, name)

        def write(self, batch):
            world.placed[ACME] = Placement("default", "eu")
            world.clock.advance(timedelta(seconds=LEASE_S + 1))
            return old.write(batch)

    world.stores["default"] = Slow()
    world.write(ACME, at=1)
    world.stores["default"] = old
    assert world.counts(ACME) == {"default": 2, "eu": 1}


def test_placements_are_remembered_for_seconds(world):
    for at in range(20):
        world.write(ACME, at)
    assert world.looks == 1


def test_spool_positions_hide_nothing_from_a_cell_that_has_not_seen_the_record(world):
    spool = uuid4()
    world.router.write(batch_of(GLOBEX, point(BASE, 1.0), source=SpoolPosition(spool, 9)))
    world.router.write(batch_of(ACME, point(BASE, 1.0), source=SpoolPosition(spool, 5)))
    assert world.counts(ACME)["default"] == 1
    assert world.router.committed_sequence(spool) is None


def test_a_cell_that_is_not_in_the_settings_holds_up_its_own_organizations_alone(world):
    world.placed[ACME] = Placement("gone")
    with pytest.raises(StoreUnavailableError, match="gone"):
        world.write(ACME)
    world.write(GLOBEX)
    assert [health.store for health in healths(CellStores(world.stores))] == ["metrics", "metrics eu"]
