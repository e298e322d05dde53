"""What comes next in a saga, from what is recorded of it. Pure: the runner loads, asks here, and does it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from strata_core.sagas.definitions import Json, Saga, SagaDefinition, StepKind
from strata_datamodel.errors import ErrorKind, StrataError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.limits import SAGA_REASON_LENGTH

CLAIMS_IN_VAIN: Final = 5
"""After so many claims that wrote nothing, a step is taken to kill its process, and the saga is parked."""
SUSPECTED_AFTER: Final = 2
"""After so many claims that wrote nothing, a saga runs alone in its process: if it is not the one that kills, it is rid
of the one that does, and is not parked for it."""
STUCK_AFTER: Final = 10
"""After so many failures in a row, where there is no way but on, a person is told."""
FIRST_DELAY: Final = timedelta(seconds=1)
MAX_DELAY: Final = timedelta(minutes=2)
_RACED_DELAY: Final = timedelta(milliseconds=50)


class SagaState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPENSATING = "compensating"
    DONE = "done"
    COMPENSATED = "compensated"
    CANCELLED = "cancelled"
    PARKED = "parked"


ENDED: Final = frozenset({SagaState.DONE, SagaState.COMPENSATED, SagaState.CANCELLED})


class StepState(StrEnum):
    """`intended`: the effect may have happened. `unknown`: it is of a kind where that has to be found out first."""

    PENDING = "pending"
    INTENDED = "intended"
    UNKNOWN = "unknown"
    DONE = "done"
    UNDONE = "undone"


class Request(StrEnum):
    RETRY = "retry"
    COMPENSATE = "compensate"
    CANCEL = "cancel"


class ReasonCode(StrEnum):
    UNKNOWN_DEFINITION = "unknown_definition"
    DEFINITION_CHANGED = "definition_changed"
    CLAIMS_IN_VAIN = "claims_in_vain"
    STEP_FAILED = "step_failed"
    DEADLINE = "deadline"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """`is_fresh` is an intent whose effect this very run has not begun yet: nobody can have had it."""

    seq: int
    name: str
    kind: StepKind
    state: StepState = StepState.PENDING
    intent: Json = None
    output: Json = None
    attempts: int = 0
    undo_attempts: int = 0
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """A saga in a runner's hands. `seen_at` is the database's time of the newest transaction about it."""

    id: SagaId
    organization_id: OrganizationId
    kind: str
    definition_version: int
    input: dict[str, Json]
    started_by: str
    state: SagaState
    parked_from: SagaState | None
    pivot: int | None
    is_cancelled: bool
    request: Request | None
    epoch: int
    claims: int
    failures: int
    stuck_since: datetime | None
    deadline_at: datetime
    seen_at: datetime
    steps: tuple[StepRecord, ...]

    @property
    def is_suspected(self) -> bool:
        """Of killing its process, or of hanging."""
        return self.claims > SUSPECTED_AFTER

    @property
    def is_past_pivot(self) -> bool:
        """The pivot's effect has happened, or may have."""
        if self.pivot is None:
            return False
        return self.steps[self.pivot].state in {StepState.INTENDED, StepState.UNKNOWN, StepState.DONE}

    def with_step(self, step: StepRecord, **changes: Any) -> "SagaRecord":
        return replace(self, steps=(*self.steps[: step.seq], step, *self.steps[step.seq + 1 :]), **changes)

    def seen_by_steps(self) -> Saga:
        outputs = {step.name: step.output for step in self.steps if step.state is StepState.DONE}
        return Saga(
            self.id, self.organization_id, self.kind, self.definition_version, self.input, outputs, self.started_by
        )


class Act(StrEnum):
    """What is done to one step."""

    RUN = "run"
    INTEND = "intend"
    EFFECT = "effect"
    DOUBT = "doubt"
    RESOLVE = "resolve"
    UNDO = "undo"
    UNDO_EFFECT = "undo_effect"


@dataclass(frozen=True, slots=True)
class Take:
    act: Act
    seq: int


@dataclass(frozen=True, slots=True)
class Park:
    code: ReasonCode
    reason: str


@dataclass(frozen=True, slots=True)
class TurnBack:
    code: ReasonCode
    reason: str
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """Goes on in this state, with the request heeded and nothing held against it."""

    state: SagaState


@dataclass(frozen=True, slots=True)
class End:
    state: SagaState


@dataclass(frozen=True, slots=True)
class PutOff:
    """Tried again after `delay`. `is_stuck`: a person should look."""

    delay: timedelta
    is_stuck: bool = False


Move: TypeAlias = Take | Park | TurnBack | Resume | End


def next_move(saga: SagaRecord, definition: SagaDefinition | None) -> Move:
    """Of a claimed saga: it is never asked about one that has ended."""
    unfit = _unfit(saga, definition)
    if unfit is not None:
        return unfit
    if saga.request is not None or saga.state is SagaState.PARKED:
        return _heeded(saga, saga.request)
    if saga.claims > CLAIMS_IN_VAIN:
        return Park(ReasonCode.CLAIMS_IN_VAIN, _in_vain(saga))
    return _onward(saga)


def _onward(saga: SagaRecord) -> Move:
    if saga.state is SagaState.COMPENSATING:
        return _back(saga)
    if saga.seen_at >= saga.deadline_at and not saga.is_past_pivot:
        return TurnBack(ReasonCode.DEADLINE, "its deadline has passed")
    return _forward(saga)


def _unfit(saga: SagaRecord, definition: SagaDefinition | None) -> Park | None:
    if definition is None:
        return Park(
            ReasonCode.UNKNOWN_DEFINITION, f"{saga.kind} {saga.definition_version} is not known to this release"
        )
    recorded = [(step.name, step.kind) for step in saga.steps]
    declared = [(step.name, step.kind) for step in definition.steps]
    if recorded != declared or saga.pivot != definition.pivot_seq:
        return Park(
            ReasonCode.DEFINITION_CHANGED, "its steps are not those it was started with, under the same version"
        )
    return None


def _heeded(saga: SagaRecord, request: Request | None) -> Move:
    is_parked = saga.state is SagaState.PARKED
    if request is None:
        return Park(ReasonCode.ASKED, "is parked, and nobody asked for anything")
    state = (saga.parked_from or SagaState.RUNNING) if is_parked else saga.state
    may_turn = state is not SagaState.COMPENSATING and not saga.is_past_pivot
    if request is Request.RETRY or not may_turn:
        return Resume(state)
    return TurnBack(ReasonCode.ASKED, f"asked to {request}", is_cancelled=request is Request.CANCEL)


def _forward(saga: SagaRecord) -> Move:
    for step in saga.steps:
        match step.kind, step.state:
            case _, StepState.DONE:
                continue
            case StepKind.LOCAL, _:
                return Take(Act.RUN, step.seq)
            case _, StepState.PENDING | StepState.UNDONE:
                return Take(Act.INTEND, step.seq)
            case StepKind.PUT, _:
                return Take(Act.EFFECT, step.seq)
            case _, StepState.UNKNOWN:
                return Take(Act.RESOLVE, step.seq)
            case _:
                return Take(Act.EFFECT if step.is_fresh else Act.DOUBT, step.seq)
    return End(SagaState.DONE)


def _back(saga: SagaRecord) -> Move:
    for step in reversed(saga.steps):
        match step.kind, step.state:
            case _, StepState.PENDING | StepState.UNDONE:
                continue
            case StepKind.LOCAL, _:
                return Take(Act.UNDO, step.seq)
            case StepKind.ONCE, StepState.INTENDED:
                return Take(Act.DOUBT, step.seq)
            case StepKind.ONCE, StepState.UNKNOWN:
                return Take(Act.RESOLVE, step.seq)
            case _:
                return Take(Act.UNDO_EFFECT, step.seq)
    return End(SagaState.CANCELLED if saga.is_cancelled else SagaState.COMPENSATED)


def _in_vain(saga: SagaRecord) -> str:
    move = _back(saga) if saga.state is SagaState.COMPENSATING else _forward(saga)
    where = f"at step {saga.steps[move.seq].name}" if isinstance(move, Take) else "at its end"
    return f"taken up {saga.claims - 1} times in a row without a result: it hangs or kills its process {where}"


def refusal_of(request: Request, state: SagaState, failures: int, *, is_past_pivot: bool) -> str | None:
    """Why a person may not ask for this now. None when they may."""
    if state in ENDED:
        return f"the saga has ended: it is {state}"
    if request is Request.RETRY:
        return None if state is SagaState.PARKED or failures else "nothing is wrong with the saga: it goes on by itself"
    if state is SagaState.COMPENSATING:
        return "the saga is being undone already"
    if is_past_pivot:
        return "the saga is past its pivot: from there on there is only forward"
    return None


class FailureKind(StrEnum):
    """`refused`: for good, and the effect did not happen. `unavailable`: a store is down. `raced`: the database asks
    for the transaction again. `broken`: anything else, a mistake in the step among it."""

    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    RACED = "raced"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Failure:
    kind: FailureKind
    reason: str


_PASSING: Final = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT})


def failure_of(error: Exception) -> Failure:
    """Texts of errors that are not ours may hold anything, rows among it: only their type is told."""
    if not isinstance(error, StrataError):
        return Failure(FailureKind.BROKEN, f"failed with {type(error).__name__}")
    reason = f"{error.code}: {error.detail}"[:SAGA_REASON_LENGTH]
    if error.kind in _PASSING:
        return Failure(FailureKind.UNAVAILABLE, reason)
    if error.code == "concurrent_update":
        return Failure(FailureKind.RACED, reason)
    return Failure(FailureKind.REFUSED, reason)


def after_failure(
    saga: SagaRecord, definition: SagaDefinition, seq: int, failure: Failure, noise: float
) -> PutOff | TurnBack:
    """Undoing, and going on after the pivot, are never given up. An outage is waited out until the deadline. `noise`,
    from 0 to 1, keeps those that failed together from coming back together."""
    count = saga.failures + 1
    step = definition.steps[seq]
    must_go_on = saga.state is SagaState.COMPENSATING or saga.is_past_pivot
    is_hopeless = failure.kind is FailureKind.REFUSED or (failure.kind is FailureKind.BROKEN and count >= step.attempts)
    if is_hopeless and not must_go_on:
        return TurnBack(ReasonCode.STEP_FAILED, f"{step.name}: {failure.reason}")
    first = _RACED_DELAY if failure.kind is FailureKind.RACED else FIRST_DELAY
    return PutOff(backoff(count, noise, first), is_stuck=count >= STUCK_AFTER)


def backoff(count: int, noise: float, first: timedelta = FIRST_DELAY) -> timedelta:
    """Doubles up to a limit; between half of it and one and a half."""
    return min(MAX_DELAY, first * 2.0 ** min(count - 1, 16)) * (0.5 + noise)
