"""Every saga that workers run is killed at each boundary of each step, and at each two of them. The short form takes a
few of these deaths, the long form all of them, in an order that its seed gives."""

import itertools
import os
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import pytest

from chaos.saga_trials import DeletionTrial, ErasureTrial, MoveTrial, ProvisioningTrial, ReindexTrial, Trial
from chaos.server_summaries_trial import SummariesTrial
from chaos.soaking import MINUTES, SEED, say
from fixtures.two_cells import TwoCells, two_cells
from integration.search.search_world import SearchWorld
from scenario.saga_kills import BACK, FORWARD, KillPoints, SagaWorld, drive_through, points_of, refused_at, steps_of
from strata_core.sagas.definitions import LocalStep, SagaDefinition
from strata_core.sagas.tools import SagaTools
from strata_core.search.source import CurrentEntities
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_stores.tantivy.search_index import TantivySearchIndex
from strata_workers.saga_definitions import SAGAS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(7200 if MINUTES else 120)]

FROM = int(os.environ.get("STRATA_TEST_CHAOS_FROM") or 0)
"""The first plan to try, in the seed's order: where another run of it ended."""
SAMPLE = 3
Story = Callable[[], Trial]


@dataclass(frozen=True)
class Plan:
    """Where it dies; and at which step it is refused for good, so that it has to go back."""

    points: frozenset[str]
    refused: str | None = None

    def __str__(self) -> str:
        deaths = ", ".join(sorted(self.points)) or "no death"
        return deaths if self.refused is None else f"refused at {self.refused}: {deaths}"


def deaths(points: Sequence[str]) -> Iterator[frozenset[str]]:
    for count in (0, 1, 2):
        yield from map(frozenset, itertools.combinations(points, count))


def ways_there(definition: SagaDefinition) -> list[Plan]:
    return [Plan(points) for points in deaths(points_of(definition))]


def ways_back(definition: SagaDefinition, done: Collection[str]) -> list[Plan]:
    """From each step that can be refused with something to undo; those in `done` are from the start. From the
    last of them also with deaths on the way there. A pivot whose effect is outside of PostgreSQL has no way back from
    the moment it was intended."""
    assert definition.pivot_seq is not None
    is_local = isinstance(definition.steps[definition.pivot_seq], LocalStep)
    names = [step.name for step in definition.steps[: definition.pivot_seq + is_local]]
    found: list[Plan] = []
    for number, name in enumerate(names, start=1):
        if name in done:
            continue
        boundaries = FORWARD + BACK if number == len(names) else BACK
        reached = [point for point in points_of(definition, boundaries) if point.split(".")[2] in names[:number]]
        found += [Plan(points, name) for points in deaths(reached)]
    return found


def plans_for(trial: Trial) -> list[Plan]:
    """In the seed's order; of the short form a few each way."""
    definition = trial.definition
    choice = random.Random(f"{SEED} {definition.kind}")
    there, back = ways_there(definition), ways_back(definition, trial.done_from_the_start)
    if not MINUTES:
        return choice.sample(there, SAMPLE) + choice.sample(back, 1)
    return choice.sample(there + back, len(there) + len(back))


def try_plan(trial: Trial, plan: Plan) -> frozenset[str]:
    """Where it died."""
    tried, faults = trial.begin(), KillPoints(plan.points)
    definition = trial.definition if plan.refused is None else refused_at(trial.definition, plan.refused)
    state = drive_through(trial.world, definition, trial.tools, tried.saga_id, faults)
    states = {row["state"] for row in steps_of(trial.world, tried.saga_id)}
    if plan.refused is None:
        assert (state, states) == ("done", {"done"})
        tried.when_done()
    else:
        assert state == "compensated"
        assert states <= {"undone", "pending"}
        tried.when_undone()
    return frozenset(faults.spent)


def try_all(trial: Trial) -> None:
    kind, plans = trial.definition.kind, plans_for(trial)
    died: set[str] = set()
    say(f"{kind}: {len(plans)} plans of seed {SEED}, from {FROM}")
    for number, plan in enumerate(plans[FROM:], start=FROM):
        try:
            died |= try_plan(trial, plan)
        except AssertionError as error:
            raise AssertionError(f"{kind}, plan {number} of seed {SEED}: {plan}\n{error}") from error
        if number % 100 == 99:
            say(f"{kind}: {number + 1} of {len(plans)}")
    if MINUTES and not FROM:
        wanted = {point for plan in ways_there(trial.definition) for point in plan.points}
        missed = {point for point in wanted - died if point.split(".")[2] not in trial.done_from_the_start}
        assert missed == set(), "nobody ever died there"


@pytest.fixture
def reindexing(tmp_path, system_units, shifted_clock, database, two_organizations) -> Iterator[Story]:
    index = TantivySearchIndex(tmp_path / "reindexed", shifted_clock)
    index.prepare()

    def begin() -> Trial:
        world = SearchWorld(system_units, index, shifted_clock, database, two_organizations)
        nobody = None
        tools = SagaTools(
            search_index=index, search_source=CurrentEntities(system_units.organization), clock=shifted_clock,
            metric_store=nobody, log_store=nobody, cache=nobody, archive=nobody, notifier=nobody, mailer=nobody,
            secret_box=nobody, signer=nobody,
        )  # fmt: skip
        return ReindexTrial(world, tools, set(world.settled(6)), set(world.settled(2, world.globex)))

    yield begin
    index.close()


@pytest.fixture
def moving(tmp_path, make_holdings, system_units, shifted_clock) -> Iterator[TwoCells]:
    log_store = TantivyLogStore(tmp_path / "logs", clock=shifted_clock)
    old, new = (DuckDbMetricStore(tmp_path / name, clock=shifted_clock) for name in ("old", "new"))
    yield two_cells(make_holdings, system_units, shifted_clock, old, new, log_store)
    for store in (old, new, log_store):
        store.close()


def test_fault_01_killed_at_each_boundary_and_each_two_an_organization_opens_or_leaves_nothing(held):
    try_all(ProvisioningTrial(held))


def test_fault_01_killed_at_each_boundary_and_each_two_a_deletion_leaves_nothing_of_one_organization(held):
    try_all(DeletionTrial(held))


def test_fault_01_killed_at_each_boundary_and_each_two_an_erasure_forgets_one_host_of_one_organization(held):
    try_all(ErasureTrial(held))


def test_fault_01_killed_at_each_boundary_and_each_two_an_index_is_made_anew_or_stays_as_it_was(reindexing):
    try_all(reindexing())


def test_fault_01_killed_at_each_boundary_and_each_two_regions_are_made_anew(
    system_units, shifted_clock, database, two_organizations
):
    try_all(SummariesTrial(SagaWorld(system_units, shifted_clock, database), two_organizations))


def test_fault_01_killed_at_each_boundary_and_each_two_an_organization_is_in_one_cell_or_the_other(moving):
    try_all(MoveTrial(moving))


def test_every_saga_that_workers_run_is_tried():
    tried = (ProvisioningTrial, DeletionTrial, ErasureTrial, ReindexTrial, SummariesTrial, MoveTrial)
    assert {trial.definition.kind for trial in tried} == {saga.kind for saga in SAGAS}
