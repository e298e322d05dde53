"""Fault test 26: whatever came late, twice, corrected or out of order, while the worker was killed and down for hours,
an answer stitched from tiers is that over the points."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.metrics.planning import Asked, plan
from strata_core.metrics.queries import MetricQuestion, metrics_asked
from strata_core.rollups.commands import begin_watermarks
from strata_core.rollups.knowledge import TierStates
from strata_core.rollups.queries import tier_state, watermarks
from strata_core.rollups.rules import hour_of
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.metrics import Aggregate
from strata_datamodel.tiers import ROLLED_UP, Tier
from strata_ingest.late_marks import LateMarks
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_workers.tier_keeper import TierKeeper

HOUR = 60 * MINUTE


class KilledAfter(DuckDbMetricStore):
    """The store did it, and nobody heard of it."""

    kills = False

    def roll_up(self, *arguments):
        done = super().roll_up(*arguments)
        if self.kills:
            raise StoreUnavailableError("metrics", "the worker was killed")
        return done


@pytest.fixture
def store(tmp_path, shifted_clock) -> Iterator[KilledAfter]:
    store = KilledAfter(tmp_path / "metrics", shifted_clock)
    store.prepare()
    yield store
    store.close()


def spoken(answer) -> dict:
    return {tuple(sorted(each.tags.items())): dict(each.points) for each in answer.series}


class World:
    """Two organizations that send what they like, and a worker that has no luck."""

    def __init__(self, store, units, clock, whose, seed: int) -> None:
        self.store, self.units, self.clock, self.whose = store, units, clock, whose
        self.chance = random.Random(seed)
        self.late = LateMarks(units, clock)
        self.begun = hour_of(clock.now_ns()) - 4 * HOUR
        self.keeper = self.new_keeper()
        with units.system() as uow:
            begin_watermarks(uow, self.begun)

    def new_keeper(self) -> TierKeeper:
        return TierKeeper(self.units, self.store, self.clock, "worker")

    def lands(self, organization_id) -> None:
        steps = (self.clock.now_ns() - self.begun) // (5 * SECOND)
        times = [self.begun + self.chance.randrange(steps) * 5 * SECOND for _ in range(60)]
        rows = [point(at, float(self.chance.randrange(100)), host=self.chance.choice("ab")) for at in times]
        batch = batch_of(organization_id, *rows)
        self.store.write(batch)
        self.late.mark(batch)

    def works(self) -> None:
        self.store.kills = self.chance.random() < 0.5
        if self.store.kills:
            with pytest.raises(StoreUnavailableError):
                self.keeper.step()
            self.keeper = self.new_keeper()
        else:
            self.keeper.step()

    def catches_up(self) -> None:
        self.store.kills = False
        while self.keeper.step():
            pass


def test_fault_26_a_stitched_answer_is_that_over_the_points(store, system_units, shifted_clock, two_organizations):
    acme, globex = two_organizations.first, two_organizations.second
    world = World(store, system_units, shifted_clock, (acme, globex), seed=1)
    for number in range(6):
        world.lands(acme)
        world.lands(globex)
        world.works()
        # Once nobody works for two hours.
        shifted_clock.advance(timedelta(minutes=120 if number == 3 else world.chance.randrange(1, 15)))
    world.catches_up()
    now = shifted_clock.now_ns()
    with system_units.organization(acme) as uow:
        state = tier_state(uow, now)
    assert state.dirty_hours == ()
    for organization_id in (acme, globex):
        assert all(store.gaps(organization_id, tier, world.begun, hour_of(now) - HOUR) == () for tier in ROLLED_UP)
    used = set()
    for from_ns, step_ns in ((world.begun, HOUR), (world.begun + 7 * MINUTE + 3 * SECOND, None)):
        stretches = plan(Asked(from_ns, now, step_ns), state).stretches
        used |= {each.tier for each in stretches}
        for aggregate in (Aggregate.COUNT, Aggregate.SUM, Aggregate.MIN, Aggregate.LAST, Aggregate.RATE):
            asked = question(acme, from_ns, now, aggregate, step_ns=step_ns, group_by=("host",))
            raw, stitched = (spoken(store.query(each)) for each in (asked, replace(asked, stretches=stretches)))
            assert stitched.keys() == raw.keys()
            for tags, points in raw.items():
                assert stitched[tags] == pytest.approx(points, rel=1e-9), (aggregate, step_ns)
    assert used == set(Tier)


def test_a_question_is_answered_from_tiers_and_says_so(store, units, system_units, shifted_clock, two_organizations):
    acme = two_organizations.first
    now = shifted_clock.now_ns()
    begun = hour_of(now) - 5 * HOUR
    with system_units.system() as uow:
        begin_watermarks(uow, begun)
    store.write(batch_of(acme, *(point(begun + n * 10 * SECOND, 1.0) for n in range(1_500))))
    keeper = TierKeeper(system_units, store, shifted_clock, "worker")
    while keeper.step():
        pass
    ctx = Context(acme, Actor(ActorKind.USER, None, "ana"), PERMISSIONS, "test")

    def look(organization_id, now_ns):
        with units.organization(organization_id) as uow:
            return tier_state(uow, now_ns)

    tiers = TierStates(look, shifted_clock)
    asked = MetricQuestion("cpu", "usage", "count", begun // 1_000_000, "now", step="1h")
    told = metrics_asked(ctx, store, asked, now, tiers)
    assert told.segments[0].tier is Tier.HOUR
    assert told.segments[-1].tier is Tier.RAW
    assert [value for _, value in told.series[0].points] == [360, 360, 360, 360, 60]
    with system_units.system() as uow:
        assert watermarks(uow)[Tier.HOUR].through_ns == told.segments[0].to_ns
