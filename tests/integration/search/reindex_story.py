"""A re-index beside people who search and alerts that fire, on any index."""

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Self

import pytest

from factories.contexts import context
from integration.search.search_world import FIRST, SETTLED, SearchWorld
from scenario.saga_kills import BACK, FORWARD, drive_to_end, points_of, refused_at
from strata_core.sagas.definitions import NotYetError, PutStep
from strata_core.sagas.tools import SagaTools
from strata_core.search.generations import begin_building, generations_of
from strata_core.search.projections import ALERT
from strata_core.search.reindexing import REINDEX, start_reindex
from strata_core.search.source import CurrentEntities
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.search import Place
from strata_stores.clock import ShiftedClock

SECOND = Place(ALERT, 2)
LIMIT = 200


@dataclass
class Searcher:
    """Searches without a pause, and notes each time that an alert was not found."""

    world: SearchWorld
    wanted: set
    gaps: list = field(default_factory=list)
    searches: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                missed = self.wanted - set(self.world.found("full", limit=LIMIT))
            except Exception as error:  # noqa: BLE001 - any failure is a gap, and is told by the test
                missed = {error}
            self.searches += 1
            if missed:
                self.gaps.append(missed)


class ReindexStory:
    """With a fixture `index` of an empty search index."""

    @pytest.fixture
    def world(self, index, system_units, shifted_clock, database, two_organizations):
        return SearchWorld(system_units, index, shifted_clock, database, two_organizations)

    @pytest.fixture
    def tools(self, world):
        nobody = None
        return SagaTools(
            search_index=world.index, search_source=CurrentEntities(world.units.organization), clock=world.clock,
            metric_store=nobody, log_store=nobody, cache=nobody, archive=nobody, notifier=nobody, mailer=nobody,
            secret_box=nobody, signer=nobody,
        )  # fmt: skip

    def test_nobody_misses_an_alert_while_the_index_is_made_anew(self, world, tools):
        ids = world.settled(60)
        theirs = world.settled(5, world.globex)
        with Searcher(world, set(ids)) as searcher:
            for generation in (2, 3):
                assert drive_to_end(world, REINDEX, tools, start(world)) == "done"
                assert active(world) == generation
                world.reconciler.sweep()
        assert searcher.searches > 3
        assert searcher.gaps == [], searcher.gaps
        assert world.live(place=Place(ALERT, 3)) == set(ids)
        assert world.live(world.globex) == set(theirs), "the neighbour stays where it was"
        assert list(world.index.generations(ALERT)) == [1, 3]
        assert world.live(place=FIRST) == set()
        assert not world.reconcile().drift

    def test_what_changes_while_it_is_made_anew_is_in_both(self, world):
        ids = world.settled(5)
        with world.units.organization(world.acme) as uow:
            begin_building(uow, ALERT)
        new = world.fire(1, fingerprint="new")
        world.acknowledge(ids[0])
        world.follow()
        assert world.projector.step() == 0, "the new generation is not made yet: the events wait"
        world.index.create(SECOND)
        world.clock.advance(SETTLED)
        assert world.projector.step() == 2
        for place in (FIRST, SECOND):
            held = world.held(place=place)
            assert held[ids[0]].version == 2
            assert new[0] in held

    @pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(hours=1)])
    def test_a_worker_whose_clock_is_wrong_does_not_take_a_generation_for_complete(self, world, tools, off):
        """Whether what differs may still be on its way is told by the clock that rows are written by."""
        world.settled(3)
        with world.units.organization(world.acme) as uow:
            begin_building(uow, ALERT)
        world.index.create(SECOND)
        wrong = replace(tools, clock=ShiftedClock(world.clock.offset + off))
        intent = {"organization_id": str(world.acme), "kind": ALERT, "generation": SECOND.generation}
        (verify,) = (step.effect for step in REINDEX.steps if isinstance(step, PutStep) and step.name == "verify")
        with pytest.raises(NotYetError, match="3 entities differed"):
            verify(wrong, intent)
        world.fire(1, fingerprint="on its way")
        assert verify(wrong, intent) == {"entities": 4}

    def test_two_at_once_are_refused(self, world):
        start(world)
        with pytest.raises(ConflictError):
            start(world)

    def test_one_that_cannot_be_finished_leaves_things_as_they_were(self, world, tools):
        ids = world.settled(8)
        assert drive_to_end(world, refused_at(REINDEX, "switch"), tools, start(world)) == "compensated"
        world.reconciler.sweep()
        assert active(world) == 1
        assert list(world.index.generations(ALERT)) == [1]
        assert world.live() == set(ids)
        assert drive_to_end(world, REINDEX, tools, start(world)) == "done"
        assert active(world) == 3, "a number is not used twice"

    def test_fault_01_killed_at_every_boundary_it_is_made_anew_or_stays_as_it_was(self, world, tools):
        ids = world.settled(8)
        for generation, boundary in enumerate(FORWARD, start=2):
            points = frozenset(points_of(REINDEX, [boundary]))
            assert drive_to_end(world, REINDEX, tools, start(world), points) == "done", boundary
            assert active(world) == generation, "one generation each, however often it was begun"
            assert world.live(place=Place(ALERT, generation)) == set(ids)
        refused = refused_at(REINDEX, "switch")
        points = frozenset(points_of(refused, [*FORWARD, *BACK]))
        assert drive_to_end(world, refused, tools, start(world), points) == "compensated"
        world.reconciler.sweep()
        assert list(world.index.generations(ALERT)) == [1, generation], "the neighbour's, and the one that is searched"
        assert world.live(place=Place(ALERT, generation)) == set(ids)
        assert not world.reconcile().drift


def start(world: SearchWorld) -> SagaId:
    with world.units.organization(world.acme) as uow:
        return start_reindex(context(world.acme), uow)


def active(world: SearchWorld, organization_id: OrganizationId | None = None) -> int:
    with world.units.organization(organization_id or world.acme) as uow:
        return generations_of(uow, ALERT).active
