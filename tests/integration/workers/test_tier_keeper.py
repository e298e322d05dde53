"""Tiers are made from finer ones whatever happens to the worker, and nothing goes that is still needed."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from factories.point_batches import MINUTE, SECOND, batch_of, point
from fakes.memory_tiers import HOUR_NS, MemoryTiers
from strata_core.context import Actor, ActorKind, Context
from strata_core.instants import ns_of
from strata_core.rollups.commands import begin_watermarks
from strata_core.rollups.queries import rollup_figures, tier_state, watermarks
from strata_core.rollups.rules import LAG_NS, LEASE, hour_of
from strata_core.tier_retentions.commands import set_retention
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.tiers import RESOLUTION_NS, ROLLED_UP, Tier
from strata_ingest.late_marks import LateMarks
from strata_workers.gap_finder import GapFinder
from strata_workers.tier_keeper import TierKeeper

DAY_NS = 24 * HOUR_NS
OPERATOR = Actor(ActorKind.SYSTEM, None, "test")


class World:
    def __init__(self, database, system_units, clock, acme, globex) -> None:
        self.database, self.units, self.clock = database, system_units, clock
        self.acme, self.globex = acme, globex
        self.store = MemoryTiers()
        self.late = LateMarks(system_units, clock)

    def keeper(self, name="one") -> TierKeeper:
        return TierKeeper(self.units, self.store, self.clock, name)

    def lands(self, organization_id, *points) -> None:
        self.store.write(organization_id, *points)
        self.late.mark(batch_of(organization_id, *points))

    def ago(self, minutes: float) -> int:
        return self.clock.now_ns() - int(minutes * MINUTE)

    def passes(self, **how) -> None:
        self.clock.advance(timedelta(**how))

    def through(self) -> dict[Tier, int]:
        with self.units.system() as uow:
            return {tier: mark.through_ns for tier, mark in watermarks(uow).items() if tier in ROLLED_UP}

    def dirty(self) -> list[dict[str, object]]:
        return self.database.rows("SELECT * FROM dirty_windows ORDER BY organization_id, hour")

    def caught_up(self, keeper: TierKeeper | None = None) -> None:
        keeper = keeper or self.keeper("another")
        self.passes(seconds=31)
        while keeper.step():
            pass
        keeper.end()

    def differences(self) -> dict[Tier, set]:
        """Windows that are not what they would be had they been made from all points at once."""
        through = self.through()
        found = {}
        for tier in ROLLED_UP:
            wanted = self.store.from_points(tier)
            is_due = {
                key for key in {*wanted, *self.store.windows[tier]} if key[2] + RESOLUTION_NS[tier] <= through[tier]
            }
            found[tier] = {key for key in is_due if wanted.get(key) != self.store.windows[tier].get(key)}
        return found

    def is_whole(self) -> bool:
        return not any(self.differences().values())


@pytest.fixture
def world(database, system_units, shifted_clock, two_organizations):
    return World(database, system_units, shifted_clock, two_organizations.first, two_organizations.second)


def test_a_store_with_points_is_rolled_up_from_the_oldest_that_is_kept(world):
    first = world.ago(3 * 1440)
    world.lands(world.acme, *(point(first + n * 7 * HOUR_NS, float(n), host="a") for n in range(10)))
    assert len(world.dirty()) == 10
    world.caught_up()
    assert world.is_whole()
    assert world.store.count_windows(world.acme, Tier.HOUR) == 10
    through = world.through()
    now = world.clock.now_ns()
    assert now - LAG_NS - 2 * MINUTE < through[Tier.MINUTE] <= now - LAG_NS
    assert all(through[tier] <= through[Tier.MINUTE] for tier in ROLLED_UP)
    assert world.dirty() == []
    assert world.store.count_windows(world.globex, Tier.HOUR) == 0


def test_after_two_hours_without_a_worker_every_window_is_filled_oldest_first(world):
    world.caught_up()
    begun = world.through()[Tier.MINUTE]
    for minute in range(120):
        world.lands(world.acme, point(world.clock.now_ns(), float(minute), host="a"))
        world.passes(minutes=1)
    world.store.calls.clear()
    world.caught_up()
    assert world.is_whole()
    minutes = [call[1:3] for call in world.store.calls if call[0] is Tier.MINUTE and call[3] is None]
    assert minutes[0][0] == begun
    assert all(one[1] == following[0] for one, following in pairwise(minutes))
    assert minutes[0][1] - minutes[0][0] == HOUR_NS


def test_a_crash_between_the_store_and_the_watermark_repeats_the_piece(world):
    world.caught_up()
    world.lands(world.acme, point(world.clock.now_ns(), 1.0))
    world.passes(minutes=10)
    before = world.through()

    class DiesAfter(MemoryTiers):
        def roll_up(self, *arguments):
            super().roll_up(*arguments)
            raise StoreUnavailableError("metrics", "cut off")

    whole = world.store
    world.store = DiesAfter()
    world.store.__dict__.update(whole.__dict__)
    with pytest.raises(StoreUnavailableError):
        world.keeper().step()
    assert world.through() == before
    whole.windows = world.store.windows
    world.store = whole
    world.caught_up()
    assert world.is_whole()
    assert world.store.count_windows(world.acme, Tier.MINUTE) == 1


def test_a_store_that_does_not_manage_is_given_smaller_pieces(world):
    keeper = world.keeper()
    world.store.fails = StoreUnavailableError("metrics", "too slow")
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            keeper.step()
    assert [(end - begin) // MINUTE for _, begin, end, _ in world.store.calls] == [60, 15, 3]
    world.store.fails = None
    world.caught_up(keeper)
    assert world.through()[Tier.MINUTE] > world.ago(5)


def test_a_late_and_a_corrected_point_reopen_their_windows_in_every_tier(world):
    at = world.ago(200)
    world.lands(world.acme, point(at, 1.0), point(at + SECOND, 2.0))
    world.caught_up()
    untouched = dict(world.store.windows[Tier.HOUR])
    world.lands(world.acme, point(at, 10.0), point(at - SECOND, 3.0))
    assert not world.is_whole()
    world.caught_up()
    assert world.is_whole()
    assert world.store.windows[Tier.HOUR] != untouched
    assert world.dirty() == []


def test_a_point_that_lands_while_its_hour_is_made_again_is_not_lost(world):
    at = world.ago(200)
    world.caught_up()
    world.lands(world.acme, point(at, 1.0))

    class Crossed(MemoryTiers):
        def roll_up(self, *arguments):
            done = super().roll_up(*arguments)
            if arguments[0] is Tier.MINUTE and arguments[3] is not None and not crossed:
                crossed.append(True)
                world.lands(world.acme, point(at + SECOND, 5.0))
            return done

    crossed: list[bool] = []
    other = Crossed()
    other.__dict__.update(world.store.__dict__)
    world.store = other
    world.passes(seconds=31)
    keeper = world.keeper()
    keeper.step()
    assert crossed
    assert len(world.dirty()) == 1
    world.caught_up(keeper)
    assert world.is_whole()


def test_whoever_was_overtaken_in_the_midst_of_a_call_takes_the_watermark_back(world):
    world.caught_up()
    begun = world.through()
    world.passes(hours=1)

    class Frozen(MemoryTiers):
        def roll_up(self, *arguments):
            if not frozen:
                frozen.append(True)
                world.passes(seconds=LEASE.total_seconds() + 1)
                world.keeper("another").step()
                overtaken_at.update(world.through())
            return super().roll_up(*arguments)

    frozen: list[bool] = []
    overtaken_at: dict[Tier, int] = {}
    store = Frozen()
    store.__dict__.update(world.store.__dict__)
    world.store = store
    assert world.keeper("one").step() == 0
    assert overtaken_at[Tier.MINUTE] > begun[Tier.MINUTE]
    assert world.through()[Tier.MINUTE] == begun[Tier.MINUTE]
    assert all(world.through()[tier] <= begun[Tier.MINUTE] for tier in ROLLED_UP)


def test_one_worker_at_a_time_keeps_the_tiers(world):
    one, other = world.keeper("one"), world.keeper("other")
    assert one.step() > 0
    assert other.step() == 0
    one.end()
    assert other.step() > 0


def test_an_hour_whose_points_are_partly_gone_keeps_the_windows_it_has(world):
    """Kept for a day, then for a week again: the points of three days ago stay gone, and their windows stay."""
    at = world.ago(3 * 1440)
    world.lands(world.acme, point(at, 1.0), point(at + SECOND, 2.0))
    world.lands(world.globex, point(at, 1.0))
    world.caught_up()
    ctx = Context(world.acme, OPERATOR, frozenset(), "test")
    with world.units.organization(world.acme) as uow:
        set_retention(ctx, uow, Tier.RAW, 24 * 3600)
    world.caught_up()
    assert {key[0] for key in world.store.points} == {world.globex}
    with world.units.organization(world.acme) as uow:
        set_retention(ctx, uow, Tier.RAW, None)
    windows = {tier: dict(found) for tier, found in world.store.windows.items()}
    world.lands(world.acme, point(at + 2 * SECOND, 9.0))
    world.caught_up()
    assert world.store.windows == windows
    assert world.dirty() == []
    with world.units.organization(world.acme) as uow:
        state = tier_state(uow, world.clock.now_ns())
    assert state.kept_from_ns[Tier.RAW] > at
    assert state.kept_from_ns[Tier.MINUTE] < at


def test_points_that_are_not_rolled_up_yet_do_not_go(world):
    world.caught_up()
    through = world.through()[Tier.MINUTE]
    world.lands(world.acme, point(world.clock.now_ns(), 1.0))
    world.passes(days=9)
    world.store.fails = StoreUnavailableError("metrics", "down for roll-ups")
    keeper = world.keeper()
    with pytest.raises(StoreUnavailableError):
        keeper.step()
    world.store.fails = None
    keeper.step()
    kept = world.clock.now_ns() - world.store.kept_ns[Tier.RAW]
    assert kept <= through + 2 * HOUR_NS
    assert world.clock.now_ns() - kept > 8 * DAY_NS
    world.caught_up(keeper)
    assert world.is_whole()
    world.caught_up(world.keeper("restarted"))
    assert world.store.kept_ns[Tier.RAW] == 7 * DAY_NS + HOUR_NS


def test_gaps_are_found_and_filled(world):
    at = world.ago(300)
    for organization_id in (world.acme, world.globex):
        world.lands(organization_id, point(at, 1.0), point(at + HOUR_NS, 2.0))
    world.caught_up()
    lost = next(key for key in world.store.windows[Tier.MINUTE] if key[0] == world.acme)
    del world.store.windows[Tier.MINUTE][lost]
    registry = CollectorRegistry()
    finder = GapFinder(world.units, world.store, world.clock, registry)
    for _ in range(4):
        finder.step()
    assert [row["organization_id"] for row in world.dirty()] == [world.acme]
    assert registry.get_sample_value("strata_rollup_gaps_total", {"tier": "1m"}) == 1
    world.caught_up()
    assert world.is_whole()


def test_what_is_dirty_and_how_far_tiers_are_is_told(world):
    world.caught_up()
    world.lands(world.acme, point(world.ago(500), 1.0), point(world.ago(100), 1.0))
    with world.units.system() as uow:
        figures = rollup_figures(uow)
    assert figures.dirty == 2
    assert figures.oldest_marked_at <= world.clock.now()
    assert {tier: ns_of(at) for tier, at in figures.through.items()} == world.through()


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("land"), st.integers(-600, 0), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("pass"), st.integers(1, 130)),
        st.tuples(st.just("step")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("restart")),
    ),
    min_size=5,
    max_size=30,
)


@given(moves=MOVES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fault_26_whatever_comes_late_doubled_or_corrected_tiers_end_as_if_made_at_once(world, moves):
    """With crashes between the store and the watermark, and outages in between."""
    world.database.run("DELETE FROM dirty_windows; DELETE FROM tier_watermarks; DELETE FROM tier_retentions")
    world.database.run("DELETE FROM leases")
    world.store = MemoryTiers()
    with world.units.system() as uow:
        begin_watermarks(uow, hour_of(world.ago(13 * 60)))
    keeper = world.keeper()
    for number, (move, *how) in enumerate(moves):
        match move:
            case "land":
                whose = world.acme if how[2] else world.globex
                at = world.ago(0) // SECOND * SECOND + how[0] * MINUTE
                world.lands(whose, point(at, float(how[1])), point(at - at % HOUR_NS, float(number)))
            case "pass":
                world.passes(minutes=how[0])
            case "step":
                keeper.step()
            case "crash":
                world.store.fails = StoreUnavailableError("metrics", "killed")
                world.passes(minutes=3)
                with pytest.raises(StoreUnavailableError):
                    keeper.step()
                world.store.fails = None
            case "restart":
                keeper.end()
                keeper = world.keeper(f"worker {number}")
    keeper.end()
    world.passes(minutes=10)
    world.caught_up()
    assert world.dirty() == []
    assert world.is_whole()
