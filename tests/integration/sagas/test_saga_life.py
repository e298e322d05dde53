"""What becomes of a saga when steps fail, releases change, people ask and organizations compete."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from factories.all_kinds_saga import TOOLS, Ledger, hosts_of, start
from scenario.saga_kills import ProcessDied, SagaWorld, drive_to_end, refused_at, saga_row, steps_of
from strata_core.context import Context
from strata_core.sagas.claiming import LEASE, claim_saga, claim_sagas, recall_known
from strata_core.sagas.commands import cancel_saga, compensate_saga, retry_saga
from strata_core.sagas.definitions import NotYetError, SagaDefinition, catalogue
from strata_core.sagas.queries import saga_figures, saga_of
from strata_core.sagas.rules import CLAIMS_IN_VAIN, STUCK_AFTER
from strata_datamodel.errors import ConflictError, DeniedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.tables.outbox import outbox
from strata_workers.saga_driver import SagaDriver


def with_step(definition: SagaDefinition, seq: int, **changes: object) -> SagaDefinition:
    steps = list(definition.steps)
    steps[seq] = replace(steps[seq], **changes)  # type: ignore[arg-type]
    return replace(definition, steps=tuple(steps))


def drive_once(world: SagaWorld, definition: SagaDefinition) -> None:
    with world.units.system() as uow:
        claimed = claim_sagas(uow, "test", limit=1)
    for saga in claimed:
        SagaDriver(world.units, catalogue([definition]), TOOLS).drive(saga)


def kinds_of_events(world: SagaWorld, ctx: Context) -> list[str]:
    with world.units.organization(ctx.organization_id) as uow:
        return list(uow.execute(select(outbox.c.kind).order_by(outbox.c.id)).scalars())


@pytest.mark.usefixtures("second_unmoved")
def test_fault_08_a_compensation_that_fails_twenty_times_and_then_works_leaves_nothing(world, ctx):
    ledger, failures, told = Ledger(), [], []

    def drop_in_the_end(tools, intent):
        with world.units.system() as uow:
            told.append(saga_figures(uow).stuck)
        if len(failures) < 20:
            failures.append(intent)
            raise OSError("the store's own error")
        ledger.drop(tools, intent)

    definition = refused_at(with_step(ledger.definition(), 1, undo_effect=drop_in_the_end), "open")
    saga_id = start(world, ctx, definition)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "compensated"
    assert len(failures) == 20
    assert ledger.objects == {}
    assert hosts_of(world, ctx) == 0
    assert told == [0] * STUCK_AFTER + [1] * (21 - STUCK_AFTER)
    assert steps_of(world, saga_id)[1]["undo_attempts"] == 21
    assert saga_row(world, saga_id)["stuck_since"] is None


def test_an_outage_longer_than_any_number_of_attempts_is_waited_out(world, ctx):
    ledger, calls = Ledger(), []

    def away(tools, intent):
        calls.append(intent)
        if len(calls) < 30:
            raise StoreUnavailableError("logs", "down")
        return ledger.put(tools, intent)

    definition = with_step(ledger.definition(), 1, effect=away)
    saga_id = start(world, ctx, definition)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "done"
    assert [call == calls[0] for call in calls] == [True] * 30


def test_past_its_deadline_a_saga_that_cannot_go_on_is_undone(world, ctx):
    ledger = Ledger()

    def away(tools, intent):
        raise StoreUnavailableError("logs", "down")

    definition = replace(with_step(ledger.definition(), 1, effect=away), deadline=timedelta(minutes=5))
    saga_id = start(world, ctx, definition)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "compensated"
    assert saga_row(world, saga_id)["reason_code"] == "deadline"
    assert hosts_of(world, ctx) == 0


def test_a_step_that_waits_has_not_failed(world, ctx):
    ledger, calls = Ledger(), []

    def wait(tools, intent):
        calls.append(intent)
        if len(calls) < 40:
            raise NotYetError("the spool is not empty", timedelta(seconds=20))
        return ledger.put(tools, intent)

    definition = with_step(ledger.definition(), 1, effect=wait)
    saga_id = start(world, ctx, definition)
    drive_once(world, definition)
    assert steps_of(world, saga_id)[1]["last_error"] == "the spool is not empty"
    assert saga_row(world, saga_id)["failures"] == 0
    assert drive_to_end(world, definition, TOOLS, saga_id) == "done"


def test_fault_12_a_step_that_kills_its_process_is_parked_with_its_name_and_can_be_set_going(world, ctx):
    ledger = Ledger()

    def kill(tools, intent):
        raise ProcessDied

    killing = with_step(ledger.definition(), 1, effect=kill)
    saga_id = start(world, ctx, killing)
    deaths = 0
    while saga_row(world, saga_id)["state"] != "parked":
        try:
            drive_once(world, killing)
        except ProcessDied:
            deaths += 1
            world.clock.advance(LEASE + timedelta(seconds=1))
    assert deaths == CLAIMS_IN_VAIN + 1, "the first had written its intent"
    row = saga_row(world, saga_id)
    assert row["reason_code"] == "claims_in_vain"
    assert "objects" in str(row["reason"])
    assert "saga.parked" in kinds_of_events(world, ctx)
    with world.units.organization(ctx.organization_id) as uow:
        retry_saga(ctx, uow, saga_id)
    assert drive_to_end(world, ledger.definition(), TOOLS, saga_id) == "done"


def test_fault_09_a_saga_whose_steps_changed_order_is_parked_and_nothing_of_it_is_done(world, ctx):
    ledger = Ledger()
    definition = ledger.definition()
    saga_id = start(world, ctx, definition)
    reordered = replace(definition, steps=(definition.steps[1], definition.steps[0], *definition.steps[2:]))
    assert drive_to_end(world, reordered, TOOLS, saga_id) == "parked"
    assert saga_row(world, saga_id)["reason_code"] == "definition_changed"
    assert (ledger.objects, hosts_of(world, ctx)) == ({}, 0)
    with world.units.organization(ctx.organization_id) as uow:
        retry_saga(ctx, uow, saga_id)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "done"


def test_fault_09_an_unknown_version_is_parked_and_recalled_by_a_worker_that_knows_it(world, ctx):
    definition = replace(Ledger().definition(), version=2)
    saga_id = start(world, ctx, definition)
    drive_once(world, replace(definition, version=1))
    assert saga_row(world, saga_id)["reason_code"] == "unknown_definition"
    with world.units.system() as uow:
        assert recall_known(uow, [("all_kinds", 1)]) == 0
        assert recall_known(uow, [("all_kinds", 2)]) == 1
    assert drive_to_end(world, definition, TOOLS, saga_id) == "done"


@pytest.mark.usefixtures("second_unmoved")
def test_cancelled_while_a_step_runs_a_saga_is_undone_after_that_step(world, ctx):
    ledger = Ledger()
    asked: list[SagaId] = []

    def put_and_cancel(tools, intent):
        with world.units.organization(ctx.organization_id) as uow:
            asked.append(cancel_saga(ctx, uow, saga_id).summary.id)
        return ledger.put(tools, intent)

    definition = with_step(ledger.definition(), 1, effect=put_and_cancel)
    saga_id = start(world, ctx, definition)
    drive_once(world, definition)
    assert asked == [saga_id]
    assert saga_row(world, saga_id)["state"] == "cancelled"
    assert (ledger.objects, ledger.letters, hosts_of(world, ctx)) == ({}, {}, 0)
    actions = [row["action"] for row in world.database.rows("SELECT action FROM audit_log ORDER BY id")]
    assert actions == ["saga.started", "saga.cancel"]


def test_a_request_that_comes_before_the_pivots_commit_wins_and_one_after_it_is_refused(world, ctx):
    ledger = Ledger()

    def open_while_somebody_cancels(step_ctx, uow, saga):
        with world.units.organization(ctx.organization_id) as other:
            cancel_saga(ctx, other, saga.id)

    definition = with_step(ledger.definition(), 3, run=open_while_somebody_cancels)
    saga_id = start(world, ctx, definition)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "cancelled"
    assert ledger.objects == {}

    def refused_after(tools, intent):
        with world.units.organization(ctx.organization_id) as uow, pytest.raises(ConflictError, match="past its pivot"):
            cancel_saga(ctx, uow, second)
        return ledger.put(tools, intent)

    definition = with_step(ledger.definition(), 4, effect=refused_after)
    second = start(world, ctx, definition)
    assert drive_to_end(world, definition, TOOLS, second) == "done"


def test_a_parked_saga_can_be_undone_by_hand(world, ctx):
    ledger = Ledger()
    definition = ledger.definition()
    saga_id = start(world, ctx, definition)
    parked = with_step(definition, 1, effect=lambda _, __: (_ for _ in ()).throw(StoreUnavailableError("x", "down")))
    drive_once(world, parked)
    world.database.run(
        "UPDATE sagas SET state = 'parked', parked_from = 'running', due_at = NULL WHERE id = %s", saga_id
    )
    with world.units.organization(ctx.organization_id) as uow:
        compensate_saga(ctx, uow, saga_id)
    assert drive_to_end(world, definition, TOOLS, saga_id) == "compensated"
    assert hosts_of(world, ctx) == 0


def test_nobody_asks_anything_of_a_saga_without_the_permission(world, ctx, two_organizations):
    saga_id = start(world, ctx, Ledger().definition())
    reader = replace(ctx, permissions=frozenset({"sagas:read"}))
    with world.units.organization(ctx.organization_id) as uow:
        for ask in (cancel_saga, retry_saga, compensate_saga):
            with pytest.raises(DeniedError):
                ask(reader, uow, saga_id)
        assert saga_of(reader, uow, saga_id).summary.state == "pending"


def test_one_saga_lives_under_a_key_and_the_next_may_start_when_it_has_ended(world, ctx):
    definition = Ledger().definition()
    saga_id = start(world, ctx, definition, lock_key="acme")
    with pytest.raises(ConflictError):
        start(world, ctx, definition, lock_key="acme")
    drive_to_end(world, definition, TOOLS, saga_id)
    assert start(world, ctx, definition, lock_key="acme") != saga_id


def test_organizations_take_turns_and_none_runs_more_than_its_share(world, ctx, two_organizations):
    definition = Ledger().definition()
    for _ in range(10):
        start(world, ctx, definition)
    other = Context(two_organizations.second, ctx.actor, ctx.permissions, "test")
    for _ in range(2):
        start(world, other, definition)
    with world.units.system() as uow:
        first = claim_sagas(uow, "test", limit=2, at_once=3)
    assert {saga.organization_id for saga in first} == {two_organizations.first, two_organizations.second}
    with world.units.system() as uow:
        more = claim_sagas(uow, "test", limit=8, at_once=3)
    counts = [sum(saga.organization_id == each for saga in (*first, *more)) for each in _both(two_organizations)]
    assert counts == [3, 2]
    with world.units.system() as uow:
        assert claim_sagas(uow, "test", limit=8, at_once=3) == []


def test_a_claim_goes_on_behind_the_organization_that_the_last_one_ended_with(world, ctx, two_organizations):
    for organization_id in _both(two_organizations):
        start(world, replace(ctx, organization_id=organization_id), Ledger().definition())
    first, second = sorted(_both(two_organizations))
    with world.units.system() as uow:
        (saga,) = claim_sagas(uow, "test", limit=5, after=first)
        assert saga.organization_id == second
        assert claim_sagas(uow, "test", limit=5, after=second) == []


def _both(two_organizations) -> list[OrganizationId]:
    return [two_organizations.first, two_organizations.second]


def test_one_that_is_waited_for_is_taken_up_alone(world, ctx, two_organizations):
    """Whoever runs a saga to wait for it is no worker: what else is due is not theirs."""
    definition = Ledger().definition()
    other = start(world, Context(two_organizations.second, ctx.actor, ctx.permissions, "test"), definition)
    mine, next_one = start(world, ctx, definition), start(world, ctx, definition)
    with world.units.system() as uow:
        (taken,) = claim_saga(uow, "command line", ctx.organization_id, mine)
        assert claim_saga(uow, "command line", ctx.organization_id, mine) == []
        assert claim_saga(uow, "command line", ctx.organization_id, other) == []
    assert (taken.id, taken.epoch, taken.state, len(taken.steps)) == (mine, 1, "running", len(definition.steps))
    assert {saga_row(world, each)["epoch"] for each in (other, next_one)} == {0}
