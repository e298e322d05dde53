"""What passes of the reconciler read and keep: what differs, where something changed, and while it is theirs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from integration.search.search_world import FIRST, SETTLED, SearchWorld
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.entities import wanted_buckets, wanted_in
from strata_core.search.projections import ALERT
from strata_core.search.reconciling import (
    COMMITTED_AFTER,
    EVERY,
    FULL_EVERY,
    LEASE,
    ClaimedPass,
    PassLostError,
    ask_for_passes,
    claim_pass,
    keep_pass,
)
from strata_core.search.repairing import GRACE
from strata_core.search.rules import Drift
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Buckets, Held, Place, Projected, SearchDocument
from strata_stores.clock import ShiftedClock
from strata_stores.postgres.connecting import Timeouts, connect
from strata_stores.tantivy.search_index import TantivySearchIndex
from strata_workers.reconciler import Reconciler

GHOST = SearchDocument(0, "ghost", ())


@dataclass
class Slow:
    """An index of which every part takes a third of a lease and more, and that another worker may look in between."""

    index: SearchIndex
    clock: ShiftedClock
    takes: timedelta
    scans: int = 0
    others: list = field(default_factory=list)

    def refresh(self, place: Place) -> None:
        self.index.refresh(place)

    def buckets(self, place: Place, organization_id: UUID) -> Buckets:
        return self.index.buckets(place, organization_id)

    def scan(
        self, place: Place, organization_id: UUID, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Held]:
        self.scans += 1
        self.clock.advance(self.takes)
        for other in self.others:
            other()
        return self.index.scan(place, organization_id, bucket, after=after, limit=limit)


@dataclass(frozen=True)
class Misled:
    """Units of an organization that see another's rows."""

    units: SystemUnitsOfWork
    seen: OrganizationId

    def system(self) -> AbstractContextManager[UnitOfWork]:
        return self.units.system()

    def organization(self, _: OrganizationId) -> AbstractContextManager[UnitOfWork]:
        return self.units.organization(self.seen)


@pytest.fixture
def index(tmp_path, shifted_clock):
    index = TantivySearchIndex(tmp_path / "search", shifted_clock)
    index.prepare()
    yield index
    index.close()


@pytest.fixture
def world(index, system_units, shifted_clock, database, two_organizations):
    return SearchWorld(system_units, index, shifted_clock, database, two_organizations)


def lose_all(world):
    world.index.drop(FIRST)
    world.index.create(FIRST)


def full_passes(world):
    rows = world.database.rows("SELECT full_at FROM reconciliations WHERE organization_id = %s", world.acme)
    return [row["full_at"] for row in rows]


def pass_by_itself(world):
    """After the pause that passes keep."""
    world.clock.advance(EVERY + timedelta(seconds=1))
    assert world.reconciler.step() == 2
    world.reconciler.adopt()
    return world.reconciler.drift["search", ALERT].total


def test_rows_are_not_read_again_where_nothing_changed(world):
    world.settled(5)
    world.clock.advance(COMMITTED_AFTER)
    assert not world.reconcile().drift
    first = full_passes(world)
    assert pass_by_itself(world) == 0
    assert full_passes(world) == first
    world.clock.advance(FULL_EVERY)
    assert pass_by_itself(world) == 0
    assert full_passes(world) > first, "a row that was deleted past Strata is noticed in the end"


def test_what_an_unchanged_organization_loses_in_the_index_is_seen_by_the_next_pass(world):
    world.settled(5)
    world.clock.advance(COMMITTED_AFTER)
    assert not world.reconcile().drift
    lose_all(world)
    assert pass_by_itself(world) == 5


def test_a_row_that_changed_is_compared_by_the_next_pass(world):
    (alert_id, *_) = world.settled(5)
    world.clock.advance(COMMITTED_AFTER)
    assert not world.reconcile().drift
    world.acknowledge(alert_id)
    world.clock.advance(SETTLED)
    assert pass_by_itself(world) == 1


def test_a_row_that_was_committed_late_is_compared_by_the_next_pass(world):
    """Its time is that of its transaction's beginning, which is before the pass."""
    world.settled(5)
    world.clock.advance(COMMITTED_AFTER)
    with world.units.system() as uow:
        begun_at = uow.now() - COMMITTED_AFTER * 4 / 5
    assert not world.reconcile().drift
    world.database.run(
        "INSERT INTO alerts (organization_id, id, fingerprint, severity, updated_at)"
        " VALUES (%s, app.uuid_v7(), 'late', 'info', %s)",
        world.acme,
        begun_at,
    )
    assert pass_by_itself(world) == 1


def test_buckets_are_read_by_their_index(world):
    """Row security hides an index of an expression from the planner: hence a column."""
    world.database.run(
        "INSERT INTO alerts (organization_id, id, fingerprint, severity)"
        " SELECT %s, gen_random_uuid(), n::text, 'info' FROM generate_series(1, 20000) n",
        world.acme,
    )
    world.database.run("ANALYZE alerts")
    query = (
        "SELECT id, version, updated_at FROM alerts WHERE organization_id = :o AND bucket = 7 ORDER BY id LIMIT 1000"
    )
    with world.units.organization(world.acme) as uow:
        plan = "\n".join(str(row[0]) for row in uow.execute(text(f"EXPLAIN {query}"), {"o": world.acme}))
        assert "ix_alerts_organization_id_bucket_id" in plan, plan
        assert "Seq Scan" not in plan
        wanted = wanted_buckets(uow, ALERT)
        assert wanted_buckets(uow, ALERT, at_once=700) == wanted, "in however many bites"
        found = wanted_in(uow, ALERT, 7, after=None, limit=1_000)
    assert len(wanted) == 256
    assert wanted[7].count == len(found)
    assert {one.entity_id.bytes[15] for one in found} == {7}


def test_a_pass_that_lasts_longer_than_its_lease_is_not_given_to_another(world):
    world.settled(12)
    lose_all(world)
    world.reconciler.adopt()
    slow = Slow(world.index, world.clock, LEASE * 2 / 5)
    taken = []

    def look():
        with world.units.system() as uow:
            taken.append(claim_pass(uow, "another"))

    world.database.run("UPDATE reconciliations SET due_at = 'infinity' WHERE organization_id <> %s", world.acme)
    slow.others = [look]
    beats = []
    reconciler = Reconciler(world.units, slow, "test", lambda: beats.append(1))
    assert reconciler.step() == 1
    assert slow.scans > 5, "which is more than two leases"
    assert set(taken) == {None}
    assert len(beats) > slow.scans
    (row,) = world.database.rows("SELECT epoch, missing FROM reconciliations WHERE passed_at IS NOT NULL")
    assert (row["epoch"], row["missing"]) == (1, 12)


def test_a_pass_that_was_taken_by_another_stops_at_once_and_writes_nothing(world):
    world.settled(12)
    lose_all(world)
    world.reconciler.adopt()
    slow = Slow(world.index, world.clock, timedelta(0))
    taken = []

    def steal():
        world.clock.advance(LEASE + timedelta(seconds=1))
        with world.units.system() as uow:
            taken.append(claim_pass(uow, "another"))

    world.database.run("UPDATE reconciliations SET due_at = 'infinity' WHERE organization_id <> %s", world.acme)
    slow.others = [steal]
    assert Reconciler(world.units, slow, "test").step() == 1
    assert slow.scans == 1
    assert [claimed.epoch for claimed in taken] == [2]
    assert world.database.rows("SELECT FROM divergences") == []
    (row,) = world.database.rows("SELECT claimed_by FROM reconciliations WHERE organization_id = %s", world.acme)
    assert row["claimed_by"] == "another"


def test_a_lease_is_kept_only_by_its_holder(world):
    world.reconciler.adopt()
    with world.units.system() as uow:
        ask_for_passes(uow)
    with world.units.system() as uow:
        claimed = claim_pass(uow, "one")
    assert isinstance(claimed, ClaimedPass)
    with world.units.organization(claimed.organization_id) as uow:
        keep_pass(uow, claimed)
    older = replace(claimed, epoch=claimed.epoch - 1)
    with pytest.raises(PassLostError), world.units.organization(claimed.organization_id) as uow:
        keep_pass(uow, older)


def test_a_row_that_is_committed_late_is_not_taken_for_a_ghost(world):
    """Twice looked for, and five minutes apart: the transaction that brings it still runs."""
    (kept,) = world.settled(1)
    ghost, late = uuid4(), uuid4()
    documents = [Projected(world.acme, entity_id, 1, 1, GHOST) for entity_id in (ghost, late)]
    with connect(world.database.admin_url, timeouts=Timeouts()) as writer:
        writer.execute(
            "INSERT INTO alerts (organization_id, id, fingerprint, severity) VALUES (%s, %s, 'late', 'info')",
            [world.acme, late],
        )
        world.index.write(FIRST, documents)
        assert world.reconcile().counts == {Drift.GHOST: 2}
        world.clock.advance(GRACE + timedelta(seconds=1))
        assert world.reconcile().counts == {Drift.GHOST: 2}
        world.project()
        assert world.live() == {kept, ghost, late}
        writer.commit()
    world.clock.advance(SETTLED)
    world.heal()
    assert world.live() == {kept, late}
    assert not world.held()[late].is_deleted


def test_a_reader_that_does_not_see_the_organization_takes_nothing_for_a_ghost(world):
    """However often it looks, and although the pass of whom it sees is as old and held by somebody too."""
    ids = world.settled(3)
    world.reconciler.adopt()
    misled = Reconciler(Misled(world.units, world.globex), world.index, "test")
    held = "due_at = '9000-1-1', lease_until = '9000-1-1', epoch = 1"
    world.database.run(f"UPDATE reconciliations SET {held} WHERE organization_id = %s", world.globex)
    for _ in range(2):
        assert misled.step() == 1
        assert world.database.rows("SELECT FROM divergences") == []
        world.clock.advance(GRACE + LEASE)
    world.project()
    assert world.live() == set(ids)
