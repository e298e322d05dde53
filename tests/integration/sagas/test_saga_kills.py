"""A runner dies at any boundary of any step, and the saga ends all or nothing all the same."""

import pytest

from factories.all_kinds_saga import TOOLS, Ledger, hosts_of, start
from scenario.saga_kills import BACK, FORWARD, drive_to_end, kill_plans, refused_at, saga_row, steps_of
from strata_core.sagas.definitions import SagaDefinition


@pytest.mark.usefixtures("second_unmoved")
def test_fault_01_killed_anywhere_a_saga_is_done_with_every_effect_once(world, ctx):
    for number, points in enumerate(kill_plans(Ledger().definition(), at_once=2)):
        ledger = Ledger()
        definition = ledger.definition()
        saga_id = start(world, ctx, definition)
        assert drive_to_end(world, definition, TOOLS, saga_id, points) == "done", points
        assert hosts_of(world, ctx) == number + 1, points
        assert sorted(ledger.objects) == sorted(f"{saga_id}:{name}" for name in ("objects", "marker")), points
        assert ledger.letters == {f"{saga_id}:letter": 1}, points
        assert {row["state"] for row in steps_of(world, saga_id)} == {"done"}, points


@pytest.mark.usefixtures("second_unmoved")
@pytest.mark.parametrize("refused", ["rows", "objects", "letter", "open"])
def test_fault_01_killed_anywhere_on_its_way_back_a_saga_leaves_nothing(world, ctx, refused):
    template = refused_at(Ledger().definition(), refused)
    plans = [*kill_plans(template, BACK), frozenset(_all(template))]
    for points in plans:
        ledger = Ledger()
        definition = refused_at(ledger.definition(), refused)
        saga_id = start(world, ctx, definition)
        assert drive_to_end(world, definition, TOOLS, saga_id, points) == "compensated", points
        assert hosts_of(world, ctx) == 0, points
        assert ledger.objects == {}, points
        assert ledger.letters[f"{saga_id}:letter"] <= 1, points
        assert {row["state"] for row in steps_of(world, saga_id)} <= {"undone", "pending"}, points
        assert refused in str(saga_row(world, saga_id)["reason"])


def _all(definition: SagaDefinition) -> list[str]:
    return [point for plan in kill_plans(definition, FORWARD + BACK) for point in plan]
