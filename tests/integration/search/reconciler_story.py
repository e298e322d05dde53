"""What the reconciler must find and repair, on any index."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from integration.search.search_world import FIRST, SETTLED, SearchWorld
from strata_core.ports.search_index import SearchIndex
from strata_core.search.entities import current
from strata_core.search.projections import ALERT
from strata_core.search.repairing import GRACE
from strata_core.search.rules import Drift
from strata_datamodel.errors import DeadlineError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import REPAIRS_PER_PASS
from strata_datamodel.search import Buckets, Held, Place, Projected, SearchDocument
from strata_workers.reconciler import Reconciler

GHOST = SearchDocument(0, "ghost", ())


@dataclass(frozen=True)
class TooSlowForOne:
    """An index whose sums of one organization take longer than a question may."""

    index: SearchIndex
    slow: OrganizationId

    def refresh(self, place: Place) -> None:
        self.index.create(place)
        self.index.refresh(place)

    def buckets(self, place: Place, organization_id: OrganizationId) -> Buckets:
        if organization_id == self.slow:
            raise DeadlineError("the search took too long")
        return self.index.buckets(place, organization_id)

    def scan(
        self, place: Place, organization_id: OrganizationId, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Held]:
        return self.index.scan(place, organization_id, bucket, after=after, limit=limit)


class ReconcilerStory:
    """With a fixture `index` of an empty search index."""

    @pytest.fixture
    def world(self, index, system_units, shifted_clock, database, two_organizations):
        return SearchWorld(system_units, index, shifted_clock, database, two_organizations)

    def test_fault_27_lost_doubled_and_rolled_back_documents_are_repaired_and_nothing_live_is_removed(self, world):
        chance = random.Random(27)
        ids = world.settled(300)
        theirs = world.settled(5, world.globex)
        lost, rolled_back = ids[:3], ids[3:13]
        for alert_id in rolled_back:
            world.acknowledge(alert_id)
        world.project()
        world.clock.advance(SETTLED)
        before = world.held()
        ghosts = [UUID(int=chance.getrandbits(128), version=4) for _ in range(8)]
        # As it would be after files of the index were put back: a store does not take an older version by itself.
        kept = [alert_id for alert_id in ids if alert_id not in {*lost, *rolled_back}]
        documents = [*now(world, kept), *now(world, theirs, world.globex)]
        documents += [Projected(world.acme, alert_id, 1, 1, GHOST) for alert_id in rolled_back]
        documents += [Projected(world.acme, ghost, 3, 3, GHOST) for ghost in ghosts]
        world.index.drop(FIRST)
        world.index.create(FIRST)
        world.index.write(FIRST, documents)
        found = world.reconcile()
        assert found.counts == {Drift.MISSING: 3, Drift.STALE: 10, Drift.GHOST: 8}
        assert world.reconciler.drift["search", ALERT].total == 21
        world.project()
        assert world.live() == {*ids, *ghosts}, "ghosts stay until PostgreSQL was seen without them for a while"
        world.clock.advance(GRACE + timedelta(seconds=1))
        assert world.heal() > 0
        after = world.held()
        assert {alert_id: after[alert_id] for alert_id in ids} == before
        assert world.live() == set(ids)
        assert world.live(world.globex) == set(theirs)
        assert world.reconciler.drift["search", ALERT].total == 0
        assert world.reconciler.drift["search", ALERT].repairs == 21

    def test_fault_27_an_index_that_is_gone_is_filled_again_at_a_capped_rate(self, world):
        ids = world.settled(REPAIRS_PER_PASS + 150)
        world.index.drop(FIRST)
        assert world.reconcile().counts == {Drift.MISSING: len(ids)}
        assert world.project() == REPAIRS_PER_PASS
        assert len(world.live()) == REPAIRS_PER_PASS
        world.clock.advance(timedelta(seconds=5))
        assert world.reconcile().counts == {Drift.MISSING: 150}
        assert world.project() == 150
        assert world.live() == set(ids)
        assert not world.reconcile().drift

    def test_what_is_on_its_way_is_not_missed(self, world):
        world.settled(3)
        world.fire(2, fingerprint="new")
        assert not world.reconcile().drift
        world.clock.advance(SETTLED)
        assert world.reconcile().counts == {Drift.MISSING: 2}

    def test_an_organization_that_takes_too_long_keeps_no_other_waiting(self, world):
        world.settled(1)
        world.settled(1, world.globex)
        world.index.drop(FIRST)
        slow = Reconciler(world.units, TooSlowForOne(world.index, world.acme), "test")
        slow.adopt()
        assert slow.step() == 2
        slow.adopt()
        found = slow.drift["search", ALERT]
        assert (found.missing, found.failing) == (1, 1)

    def test_a_repair_is_not_asked_for_again_at_once(self, world):
        world.settled(3)
        world.index.drop(FIRST)
        world.reconcile()
        world.clock.advance(timedelta(seconds=5))
        world.reconcile()
        assert world.project() == 3

    def test_a_ghost_whose_row_comes_back_in_its_grace_is_kept(self, world):
        """The row is written by a transaction that takes its time: no pass may take the index's word against it."""
        (kept,) = world.settled(1)
        (ghost,) = (uuid4(),)
        world.index.write(FIRST, [Projected(world.acme, ghost, 1, 1, GHOST)])
        assert world.reconcile().counts == {Drift.GHOST: 1}
        world.database.run(
            "INSERT INTO alerts (organization_id, id, fingerprint, severity) VALUES (%s, %s, 'late', 'info')",
            world.acme,
            ghost,
        )
        world.clock.advance(GRACE + SETTLED)
        world.heal()
        assert world.live() == {kept, ghost}

    def test_fault_30_a_database_put_back_to_an_earlier_time_converges(self, world):
        """PostgreSQL of ten minutes ago and the index of now: alerts that it does not know, versions that it has not
        reached, and versions that it reaches again with other contents."""
        ids = world.settled(6)
        world.project()
        world.database.run("CREATE TABLE backup AS SELECT * FROM alerts")
        world.database.run("ALTER TABLE backup DROP COLUMN bucket")
        for alert_id in ids[:4]:
            world.acknowledge(alert_id)
        after_backup = world.fire(2, fingerprint="after the backup")
        world.project()
        world.clock.advance(SETTLED)
        (columns,) = world.database.rows(
            "SELECT string_agg(attname, ', ' ORDER BY attnum) AS names FROM pg_attribute"
            " WHERE attrelid = 'backup'::regclass AND attnum > 0 AND NOT attisdropped"
        )
        world.database.run("DELETE FROM alerts; DELETE FROM outbox")
        world.database.run(f"INSERT INTO alerts ({columns['names']}) SELECT * FROM backup")
        world.database.run("DROP TABLE backup")
        world.resolve(ids[0])
        world.clock.advance(SETTLED)
        found = world.reconcile()
        assert found.counts == {Drift.AHEAD: 4, Drift.GHOST: 2}
        world.project()
        world.clock.advance(GRACE + timedelta(seconds=1))
        world.heal()
        assert world.live() == set(ids)
        assert not world.live() & set(after_backup)
        assert set(world.found("status:resolved")) == {ids[0]}
        assert set(world.found("status:firing")) == set(ids[1:])
        assert world.found("status:acknowledged") == []
        raised = world.database.rows("SELECT target_id FROM audit_log WHERE action = 'alert.outrank'")
        assert {row["target_id"] for row in raised} == {str(alert_id) for alert_id in ids[:4]}

    def test_a_deletion_in_the_index_does_not_outlive_the_row(self, world):
        (alert_id,) = world.settled(1)
        world.index.write(FIRST, [Projected(world.acme, alert_id, 9, 0, None)])
        assert world.reconcile().counts == {Drift.AHEAD: 1}
        world.project()
        world.clock.advance(SETTLED)
        world.heal()
        assert world.live() == {alert_id}

    def test_fault_28_a_row_that_is_deleted_stays_deleted_whatever_comes_late(self, world):
        """Fault test 28, from the rows on: v3, v1, v2, a deletion, v2 once more."""
        (alert_id,) = world.fire()
        documents = {1: now(world, [alert_id])[0]}
        world.acknowledge(alert_id)
        documents[2] = now(world, [alert_id])[0]
        world.resolve(alert_id)
        world.project()
        for version in (1, 2):
            world.index.write(FIRST, [documents[version]])
        assert world.held()[alert_id].version == 3
        world.database.run("DELETE FROM alerts WHERE id = %s", alert_id)
        world.database.run(
            "UPDATE outbox SET state = 'pending', due_at = app.now() WHERE kind = 'search.projection_due'"
        )
        world.project()
        world.clock.advance(timedelta(minutes=2))
        world.index.write(FIRST, [documents[2]])
        assert world.live() == set()
        assert world.held()[alert_id].version == 4
        assert not world.reconcile().drift


def now(world: SearchWorld, ids: Sequence[UUID], organization_id: OrganizationId | None = None) -> list[Projected]:
    with world.units.organization(organization_id or world.acme) as uow:
        return current(uow, ALERT, dict.fromkeys(ids, 0))
