"""What comes next in a saga, whatever happened before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.sagas.definitions import (
    Happened,
    LocalStep,
    OnceStep,
    PutStep,
    SagaDefinition,
    Step,
    StepKind,
    catalogue,
    nothing_to_undo,
)
from strata_core.sagas.rules import (
    CLAIMS_IN_VAIN,
    ENDED,
    MAX_DELAY,
    STUCK_AFTER,
    Act,
    End,
    Failure,
    FailureKind,
    Park,
    PutOff,
    ReasonCode,
    Request,
    Resume,
    SagaRecord,
    SagaState,
    StepRecord,
    StepState,
    Take,
    TurnBack,
    after_failure,
    backoff,
    failure_of,
    next_move,
    refusal_of,
)
from strata_datamodel.errors import (
    ConflictError,
    DeadlineError,
    InvalidError,
    StoreRefusedError,
    StoreUnavailableError,
)
from strata_datamodel.ids import OrganizationId, SagaId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def step_of(kind: StepKind, name: str) -> Step:
    if kind is StepKind.LOCAL:
        return LocalStep(name, run=nothing_to_undo, undo=nothing_to_undo)
    if kind is StepKind.PUT:
        return PutStep(name, nothing_to_undo, nothing_to_undo, undo_effect=nothing_to_undo)
    return OnceStep(name, nothing_to_undo, nothing_to_undo, lambda _, __: Happened(), undo_effect=nothing_to_undo)


def definition_of(kinds: list[StepKind], pivot: int | None) -> SagaDefinition:
    steps = tuple(step_of(kind, f"s{seq}") for seq, kind in enumerate(kinds))
    return SagaDefinition("test", 1, steps, None if pivot is None else f"s{pivot}", timedelta(hours=1))


def record_of(definition: SagaDefinition, **changes: object) -> SagaRecord:
    steps = tuple(StepRecord(seq, step.name, step.kind) for seq, step in enumerate(definition.steps))
    saga = SagaRecord(
        id=SagaId(UUID(int=1)),
        organization_id=OrganizationId(UUID(int=2)),
        kind=definition.kind,
        definition_version=definition.version,
        input={},
        started_by="test",
        state=SagaState.RUNNING,
        parked_from=None,
        pivot=definition.pivot_seq,
        is_cancelled=False,
        request=None,
        epoch=1,
        claims=1,
        failures=0,
        stuck_since=None,
        deadline_at=NOW + definition.deadline,
        seen_at=NOW,
        steps=steps,
    )
    return replace(saga, **changes)  # type: ignore[arg-type]


@st.composite
def definitions(draw: st.DrawFn) -> SagaDefinition:
    kinds = draw(st.lists(st.sampled_from(StepKind), min_size=1, max_size=5))
    return definition_of(kinds, draw(st.none() | st.integers(0, len(kinds) - 1)))


class World:
    """What truly happened, beside what is recorded."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.sent: dict[str, int] = {}

    def effect(self, step: StepRecord) -> None:
        if step.name not in self.effects:
            self.effects.append(step.name)
        self.sent[step.name] = self.sent.get(step.name, 0) + 1

    def undo(self, step: StepRecord) -> None:
        if step.name in self.effects:
            assert self.effects[-1] == step.name, "undone out of order"
            self.effects.remove(step.name)


def settled(saga: SagaRecord, step: StepRecord) -> SagaRecord:
    return replace(saga, claims=0, failures=0).with_step(step)


def act_on(saga: SagaRecord, world: World, take: Take, *, dies: bool) -> SagaRecord:
    """Does one act. A death falls between the effect on other stores and its record."""
    step = saga.steps[take.seq]
    is_local = step.kind is StepKind.LOCAL
    becomes = _becomes(saga, world, take)
    asks_first = take.act is Act.RESOLVE and step.name in world.effects
    if becomes is StepState.DONE and not (is_local and dies) and not asks_first:
        world.effect(step)
    if becomes is StepState.UNDONE and not (is_local and dies):
        world.undo(step)
    if dies and take.act is not Act.DOUBT:
        return saga
    return settled(saga, replace(step, state=becomes, is_fresh=becomes is StepState.INTENDED))


def _becomes(saga: SagaRecord, world: World, take: Take) -> StepState:
    if take.act is Act.RESOLVE:
        must_not = saga.state is SagaState.COMPENSATING and saga.steps[take.seq].name not in world.effects
        return StepState.UNDONE if must_not else StepState.DONE
    return {
        Act.INTEND: StepState.INTENDED,
        Act.RUN: StepState.DONE,
        Act.EFFECT: StepState.DONE,
        Act.DOUBT: StepState.UNKNOWN,
    }.get(take.act, StepState.UNDONE)


HAPPENINGS = st.sampled_from(("goes well", "dies", "is refused", "breaks", "is away", "is asked to cancel"))


@given(definition=definitions(), happenings=st.lists(HAPPENINGS, max_size=30))
def test_any_history_ends_with_all_done_or_nothing_left(definition: SagaDefinition, happenings: list[str]) -> None:
    saga, world = record_of(definition), World()
    for round_number in range(400):
        happens = happenings[round_number] if round_number < len(happenings) else "goes well"
        if happens == "is asked to cancel" and refusal_of(
            Request.CANCEL, saga.state, saga.failures, is_past_pivot=saga.is_past_pivot
        ) is None:  # fmt: skip
            saga = replace(saga, request=Request.CANCEL)
        move = next_move(saga, definition)
        match move:
            case End(state):
                everything = [step.name for step in definition.steps]
                assert world.effects == (everything if state is SagaState.DONE else [])
                twice = [step.name for step in definition.steps if step.kind is not StepKind.PUT]
                assert all(world.sent.get(name, 0) <= 1 for name in twice)
                return
            case TurnBack():
                assert not saga.is_past_pivot
                saga = replace(saga, state=SagaState.COMPENSATING, request=None, is_cancelled=move.is_cancelled)
            case Resume(state):
                saga = replace(saga, state=state, request=None, claims=0, failures=0)
            case Park():
                assert saga.claims > CLAIMS_IN_VAIN
                saga = replace(saga, claims=1)
            case Take():
                saga = _after(saga, definition, world, move, happens)
    raise AssertionError("it did not come to rest")


def _after(saga: SagaRecord, definition: SagaDefinition, world: World, take: Take, happens: str) -> SagaRecord:
    kinds = {"is refused": FailureKind.REFUSED, "breaks": FailureKind.BROKEN, "is away": FailureKind.UNAVAILABLE}
    if happens not in kinds:
        after = act_on(saga, world, take, dies=happens == "dies")
        if happens != "dies":
            return after
        steps = tuple(replace(step, is_fresh=False) for step in after.steps)
        return replace(after, steps=steps, claims=after.claims + 1)
    step = saga.steps[take.seq]
    if step.kind is StepKind.ONCE and take.act is Act.EFFECT:
        unsure = StepState.UNDONE if happens == "is refused" else StepState.UNKNOWN
        saga = saga.with_step(replace(step, state=unsure, is_fresh=False))
    verdict = after_failure(saga, definition, take.seq, Failure(kinds[happens], happens), 0.5)
    if isinstance(verdict, PutOff):
        return replace(saga, claims=1, failures=saga.failures + 1)
    assert not saga.is_past_pivot
    assert saga.state is not SagaState.COMPENSATING
    return replace(saga, state=SagaState.COMPENSATING, failures=0)


def test_steps_run_in_order_and_are_undone_in_reverse():
    definition = definition_of([StepKind.LOCAL, StepKind.LOCAL], None)
    saga = record_of(definition)
    assert next_move(saga, definition) == Take(Act.RUN, 0)
    saga = settled(saga, replace(saga.steps[0], state=StepState.DONE))
    assert next_move(saga, definition) == Take(Act.RUN, 1)
    saga = settled(saga, replace(saga.steps[1], state=StepState.DONE))
    assert next_move(saga, definition) == End(SagaState.DONE)
    assert next_move(replace(saga, state=SagaState.COMPENSATING), definition) == Take(Act.UNDO, 1)


def test_a_once_step_that_was_left_begun_is_doubted_before_it_is_done_again():
    definition = definition_of([StepKind.ONCE], None)
    saga = record_of(definition)
    begun = replace(saga.steps[0], state=StepState.INTENDED)
    assert next_move(saga.with_step(begun), definition) == Take(Act.DOUBT, 0)
    assert next_move(saga.with_step(replace(begun, is_fresh=True)), definition) == Take(Act.EFFECT, 0)
    assert next_move(saga.with_step(replace(begun, state=StepState.UNKNOWN)), definition) == Take(Act.RESOLVE, 0)


@pytest.mark.parametrize(
    "kinds",
    [[StepKind.PUT, StepKind.LOCAL], [StepKind.LOCAL], [StepKind.LOCAL, StepKind.LOCAL]],
    ids=["other order", "one less", "another kind"],
)
def test_steps_that_are_not_those_recorded_park_the_saga(kinds):
    started = record_of(definition_of([StepKind.LOCAL, StepKind.PUT], None))
    move = next_move(started, definition_of(kinds, None))
    assert isinstance(move, Park)
    assert move.code is ReasonCode.DEFINITION_CHANGED


def test_another_pivot_parks_the_saga():
    started = record_of(definition_of([StepKind.LOCAL, StepKind.LOCAL], 1))
    move = next_move(started, definition_of([StepKind.LOCAL, StepKind.LOCAL], 0))
    assert isinstance(move, Park)


def test_a_kind_or_version_that_is_not_known_parks_the_saga():
    move = next_move(record_of(definition_of([StepKind.LOCAL], None)), None)
    assert isinstance(move, Park)
    assert move.code is ReasonCode.UNKNOWN_DEFINITION


def test_claims_without_any_result_park_the_saga_and_name_the_step():
    definition = definition_of([StepKind.PUT], None)
    assert isinstance(next_move(record_of(definition, claims=CLAIMS_IN_VAIN), definition), Take)
    move = next_move(record_of(definition, claims=CLAIMS_IN_VAIN + 1), definition)
    assert isinstance(move, Park)
    assert move.code is ReasonCode.CLAIMS_IN_VAIN
    assert "s0" in move.reason


def test_past_its_deadline_a_saga_turns_back_before_its_pivot_only():
    definition = definition_of([StepKind.LOCAL, StepKind.LOCAL], 0)
    late = record_of(definition, seen_at=NOW + timedelta(hours=2))
    assert isinstance(next_move(late, definition), TurnBack)
    pivoted = late.with_step(replace(late.steps[0], state=StepState.DONE))
    assert next_move(pivoted, definition) == Take(Act.RUN, 1)


def test_an_outage_is_waited_out_however_often_it_is_met():
    definition = definition_of([StepKind.PUT], None)
    verdict = after_failure(
        record_of(definition, failures=500), definition, 0, Failure(FailureKind.UNAVAILABLE, "away"), 0.5
    )
    assert isinstance(verdict, PutOff)


def test_undoing_is_never_given_up_and_a_person_is_told():
    definition = definition_of([StepKind.PUT], None)
    saga = record_of(definition, state=SagaState.COMPENSATING, failures=STUCK_AFTER - 1)
    for kind in FailureKind:
        assert after_failure(saga, definition, 0, Failure(kind, "no"), 0.5).is_stuck  # type: ignore[union-attr]
    young = replace(saga, failures=0)
    assert not after_failure(young, definition, 0, Failure(FailureKind.BROKEN, "no"), 0.5).is_stuck  # type: ignore[union-attr]


def test_delays_double_up_to_a_limit():
    delays = [backoff(count, 0.5) for count in range(1, 30)]
    assert delays[:3] == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
    assert delays[-1] == MAX_DELAY
    assert backoff(3, 0.0) == timedelta(seconds=2)
    assert backoff(3, 1.0) == timedelta(seconds=6)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StoreUnavailableError("logs", "down"), FailureKind.UNAVAILABLE),
        (DeadlineError("too slow"), FailureKind.UNAVAILABLE),
        (ConflictError("deadlock", code="concurrent_update"), FailureKind.RACED),
        (StoreRefusedError("logs", "no"), FailureKind.REFUSED),
        (KeyError("secret value"), FailureKind.BROKEN),
    ],
)
def test_failures_are_told_apart(error, kind):
    assert failure_of(error).kind is kind


def test_the_text_of_a_foreign_error_is_not_repeated():
    assert "secret" not in failure_of(KeyError("secret value")).reason


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize("request_", list(Request))
def test_nothing_can_be_asked_of_a_saga_that_has_ended(state, request_):
    assert refusal_of(request_, state, 3, is_past_pivot=False) is not None


def test_what_may_be_asked_follows_from_where_the_saga_is():
    def asked(request: Request, state: SagaState, failures: int = 0, *, past: bool = False) -> bool:
        return refusal_of(request, state, failures, is_past_pivot=past) is None

    assert asked(Request.CANCEL, SagaState.PENDING)
    assert asked(Request.CANCEL, SagaState.RUNNING)
    assert not asked(Request.CANCEL, SagaState.RUNNING, past=True)
    assert not asked(Request.CANCEL, SagaState.COMPENSATING)
    assert asked(Request.COMPENSATE, SagaState.PARKED)
    assert not asked(Request.COMPENSATE, SagaState.PARKED, past=True)
    assert asked(Request.RETRY, SagaState.PARKED, past=True)
    assert not asked(Request.RETRY, SagaState.RUNNING)
    assert asked(Request.RETRY, SagaState.COMPENSATING, 4)


def test_a_step_before_the_pivot_without_an_undo_is_refused():
    steps = (LocalStep("a", run=nothing_to_undo), LocalStep("b", run=nothing_to_undo))
    with pytest.raises(InvalidError, match="need an undo: a"):
        SagaDefinition("test", 1, steps, "b", timedelta(hours=1))
    with pytest.raises(InvalidError, match="need an undo: a, b"):
        SagaDefinition("test", 1, steps, None, timedelta(hours=1))


def test_two_definitions_of_one_name_are_refused():
    definition = definition_of([StepKind.LOCAL], None)
    assert list(catalogue([definition, replace(definition, version=2)])) == [("test", 1), ("test", 2)]
    with pytest.raises(InvalidError, match="declared twice"):
        catalogue([definition, definition])
