"""Drives one claimed saga as far as it goes: asks the rules what comes next, does it, writes it down."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import orjson
import structlog

from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas import progress
from strata_core.sagas.definitions import (
    Catalogue,
    Happened,
    Json,
    LocalStep,
    NotHappened,
    NotYetError,
    OnceStep,
    PutStep,
    SagaDefinition,
    Step,
    StepKind,
    Unfinished,
)
from strata_core.sagas.fault_points import NO_FAULTS, FaultPoints
from strata_core.sagas.progress import LeaseLostError, Values
from strata_core.sagas.rules import (
    Act,
    End,
    Failure,
    FailureKind,
    Move,
    Park,
    Resume,
    SagaRecord,
    SagaState,
    StepRecord,
    StepState,
    Take,
    TurnBack,
    after_failure,
    failure_of,
    next_move,
)
from strata_core.sagas.starting import checked_size
from strata_core.sagas.tools import SagaTools

log = structlog.get_logger(__name__)
S = TypeVar("S", LocalStep, PutStep, OnceStep)
_NOISE = 1_000


class Watch(Protocol):
    """Whoever keeps the lease alive while steps run, and counts what comes of them."""

    def began(self, saga: SagaRecord, timeout: timedelta) -> None:
        """A step begins, which is given up after `timeout`."""
        ...

    def came_to(self, saga: SagaRecord, step: str, outcome: str) -> None:
        """`outcome` is done, undone, failed, waits or unknown."""
        ...

    def is_draining(self) -> bool:
        """Then no further step is begun."""
        ...


class NoWatch:
    def began(self, saga: SagaRecord, timeout: timedelta) -> None:
        """Nobody holds on."""

    def came_to(self, saga: SagaRecord, step: str, outcome: str) -> None:
        """Nobody counts."""

    def is_draining(self) -> bool:
        return False


class SagaDriver:
    def __init__(
        self,
        units: SystemUnitsOfWork,
        definitions: Catalogue,
        tools: SagaTools,
        *,
        faults: FaultPoints = NO_FAULTS,
        watch: Watch | None = None,
    ) -> None:
        self._units = units
        self._definitions = definitions
        self._tools = tools
        self._faults = faults
        self._watch = watch or NoWatch()
        self._acts: dict[Act, Callable[[SagaRecord, SagaDefinition, StepRecord], SagaRecord | None]] = {
            Act.RUN: self._run,
            Act.INTEND: self._intend,
            Act.EFFECT: self._effect,
            Act.DOUBT: self._doubt,
            Act.RESOLVE: self._resolve,
            Act.UNDO: self._undo,
            Act.UNDO_EFFECT: self._undo_effect,
        }

    def drive(self, claimed: SagaRecord) -> None:
        """Returns when the saga has ended, waits for something, or is somebody else's. Raises UnavailableError when
        PostgreSQL is away: then the lease runs out, and whoever claims next goes on."""
        definition = self._definitions.get((claimed.kind, claimed.definition_version))
        saga: SagaRecord | None = claimed
        try:
            while saga is not None and not self._watch.is_draining():
                saga = self._make(saga, definition, next_move(saga, definition))
            if saga is not None:
                self._let_go(saga)
        except LeaseLostError:
            log.info("saga_lease_lost", saga=str(claimed.id), kind=claimed.kind, epoch=claimed.epoch)

    def _make(self, saga: SagaRecord, definition: SagaDefinition | None, move: Move) -> SagaRecord | None:
        match move:
            case Take(act, seq) if definition is not None:
                return self._take(saga, definition, act, saga.steps[seq])
            case TurnBack():
                return self._turn_back(saga, move)
            case Resume(state):
                with self._unit(saga) as uow:
                    progress.resume(uow, saga, state)
                return _unburdened(saga, state)
            case Park():
                with self._unit(saga) as uow:
                    progress.park(uow, saga, move)
                log.warning("saga_parked", saga=str(saga.id), kind=saga.kind, code=move.code, reason=move.reason)
            case End(state):
                with self._unit(saga) as uow:
                    progress.end(uow, saga, state)
                self._log_end(saga, state)
            case _:
                raise ValueError(f"{move} without a definition")
        return None

    def _take(self, saga: SagaRecord, definition: SagaDefinition, act: Act, step: StepRecord) -> SagaRecord | None:
        self._watch.began(saga, definition.steps[step.seq].timeout)
        try:
            return self._acts[act](saga, definition, step)
        except LeaseLostError:
            self._let_go(saga)
            raise
        except NotYetError as waiting:
            with self._unit(saga) as uow:
                progress.wait(uow, saga, step.seq, waiting.delay, waiting.reason)
            self._watch.came_to(saga, step.name, "waits")
        except Exception as error:  # noqa: BLE001  # a step may fail in any way: it is logged, counted and told
            return self._failed(saga, definition, step, act, error)
        return None

    def _run(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        declared = _of(definition, step, LocalStep)
        self._point(saga, step, "before_intent")
        with self._unit(saga) as uow:
            given = declared.run(_context(saga, definition), uow, saga.seen_by_steps())
            self._point(saga, step, "after_effect")
            if isinstance(given, Unfinished):
                progress.wait(uow, saga, step.seq, given.delay, given.reason)
                return None
            output = frozen(step.name, given)
            after = self._advance(uow, saga, replace(step, state=StepState.DONE, output=output), definition)
        self._point(saga, step, "after_confirm")
        return after

    def _intend(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        declared = definition.steps[step.seq]
        if isinstance(declared, LocalStep):
            raise TypeError(f"{step.name} is a local step, and intends nothing")
        self._point(saga, step, "before_intent")
        with self._unit(saga) as uow:
            intent = frozen(step.name, declared.intend(_context(saga, definition), uow, saga.seen_by_steps()))
            intended = replace(step, state=StepState.INTENDED, intent=intent, is_fresh=True)
            after = self._advance(uow, saga, intended, definition)
        self._point(saga, step, "after_intent")
        return after

    def _effect(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        declared = definition.steps[step.seq]
        if isinstance(declared, LocalStep):
            raise TypeError(f"{step.name} is a local step, and has its effect in its transaction")
        output = frozen(step.name, declared.effect(self._tools, step.intent))
        self._point(saga, step, "after_effect")
        with self._unit(saga) as uow:
            after = self._advance(uow, saga, replace(step, state=StepState.DONE, output=output), definition)
        self._point(saga, step, "after_confirm")
        return after

    def _doubt(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        with self._unit(saga) as uow:
            after = self._advance(uow, saga, replace(step, state=StepState.UNKNOWN), definition)
        self._watch.came_to(saga, step.name, "unknown")
        return after

    def _resolve(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        found = _of(definition, step, OnceStep).resolve(self._tools, step.intent)
        is_back = saga.state is SagaState.COMPENSATING
        match found:
            case Happened(output):
                settled = replace(step, state=StepState.DONE, output=frozen(step.name, output))
            case NotHappened() if not is_back:
                return self._effect(saga, definition, step)
            case NotHappened():
                settled = replace(step, state=StepState.UNDONE)
            case _:
                return self._put_off(saga, definition, step, Failure(FailureKind.UNAVAILABLE, found.reason))
        with self._unit(saga) as uow:
            return self._advance(uow, saga, settled, definition)

    def _undo(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        declared = _of(definition, step, LocalStep)
        self._point(saga, step, "before_undo")
        with self._unit(saga) as uow:
            if declared.undo is not None:
                declared.undo(_context(saga, definition), uow, saga.seen_by_steps())
            self._point(saga, step, "after_undo")
            after = self._advance(uow, saga, replace(step, state=StepState.UNDONE), definition)
        self._point(saga, step, "after_undo_confirm")
        return after

    def _undo_effect(self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord) -> SagaRecord | None:
        declared = definition.steps[step.seq]
        self._point(saga, step, "before_undo")
        if not isinstance(declared, LocalStep) and declared.undo_effect is not None:
            declared.undo_effect(self._tools, step.intent)
        self._point(saga, step, "after_undo")
        with self._unit(saga) as uow:
            after = self._advance(uow, saga, replace(step, state=StepState.UNDONE), definition)
        self._point(saga, step, "after_undo_confirm")
        return after

    def _advance(
        self, uow: UnitOfWork, saga: SagaRecord, step: StepRecord, definition: SagaDefinition
    ) -> SagaRecord | None:
        """Writes the step down, with the saga's end when it was the last. None when it has ended."""
        step = _counted(saga, step)
        after = saga.with_step(step, claims=0, failures=0, stuck_since=None, seen_at=uow.now())
        coming = next_move(after, definition)
        ends = coming.state if isinstance(coming, End) else None
        pivots = step.seq == saga.pivot and not saga.is_past_pivot
        values = _written(uow, step)
        request = progress.advance(uow, saga, (step.seq, values), ends=ends, unless_requested=pivots)
        uow.after_commit(lambda: self._tell(saga, step, ends))
        if ends is not None:
            return None
        return after if request is None else replace(after, request=request)

    def _tell(self, saga: SagaRecord, step: StepRecord, ends: SagaState | None) -> None:
        if step.state in {StepState.DONE, StepState.UNDONE}:
            self._watch.came_to(saga, step.name, step.state.value)
        if ends is not None:
            self._log_end(saga, ends)

    def _log_end(self, saga: SagaRecord, state: SagaState) -> None:
        log.info(
            "saga_ended", organization_id=str(saga.organization_id), saga=str(saga.id), kind=saga.kind, state=state
        )

    def _failed(
        self, saga: SagaRecord, definition: SagaDefinition, step: StepRecord, act: Act, error: Exception
    ) -> SagaRecord | None:
        failure = failure_of(error)
        log.warning(
            "saga_step_failed",
            organization_id=str(saga.organization_id),
            saga=str(saga.id),
            kind=saga.kind,
            step=step.name,
            act=act,
            reason=failure.reason,
            exc_info=error if failure.kind is FailureKind.BROKEN else None,
        )
        is_doubtful = step.kind is StepKind.ONCE and act in {Act.EFFECT, Act.RESOLVE}
        if is_doubtful and saga.state is not SagaState.COMPENSATING:
            state = StepState.UNDONE if failure.kind is FailureKind.REFUSED else StepState.UNKNOWN
            return self._put_off(saga, definition, step, failure, state)
        return self._put_off(saga, definition, step, failure)

    def _put_off(
        self,
        saga: SagaRecord,
        definition: SagaDefinition,
        step: StepRecord,
        failure: Failure,
        state: StepState | None = None,
    ) -> SagaRecord | None:
        state = state or step.state
        tried = _counted(saga, replace(step, state=state, is_fresh=False))
        settled = saga.with_step(tried)
        verdict = after_failure(settled, definition, step.seq, failure, secrets.randbelow(_NOISE) / _NOISE)
        values: Values = {"state": state.value, "last_error": failure.reason, **_attempts(tried)}
        with self._unit(saga) as uow:
            if isinstance(verdict, TurnBack):
                progress.turn_back(uow, saga, verdict, step=(step.seq, values))
            else:
                progress.put_off(uow, saga, step.seq, verdict, failure.reason, values)
        self._watch.came_to(saga, step.name, "failed")
        return _turned(settled, verdict) if isinstance(verdict, TurnBack) else None

    def _turn_back(self, saga: SagaRecord, why: TurnBack) -> SagaRecord:
        with self._unit(saga) as uow:
            progress.turn_back(uow, saga, why)
        log.info("saga_turned_back", saga=str(saga.id), kind=saga.kind, code=why.code, reason=why.reason)
        return _turned(saga, why)

    def _let_go(self, saga: SagaRecord) -> None:
        with suppress(LeaseLostError), self._unit(saga) as uow:
            progress.let_go(uow, saga)

    def _unit(self, saga: SagaRecord) -> Any:
        return self._units.organization(saga.organization_id)

    def _point(self, saga: SagaRecord, step: StepRecord, where: str) -> None:
        self._faults.reached(f"saga.{saga.kind}.{step.name}.{where}")


def frozen(step: str, document: Json) -> Json:
    """As it will be read by another process: so that the first attempt sees the same as the second."""
    return orjson.loads(checked_size(f"what {step} gives", document))


def _of(definition: SagaDefinition, step: StepRecord, kind: type[S]) -> S:
    declared: Step = definition.steps[step.seq]
    if not isinstance(declared, kind):
        raise TypeError(f"{step.name} is no {kind.__name__}")
    return declared


def _counted(saga: SagaRecord, step: StepRecord) -> StepRecord:
    """With one attempt more, in the direction the saga goes. An intent is none."""
    if step.state is StepState.INTENDED and step.is_fresh:
        return step
    if saga.state is SagaState.COMPENSATING:
        return replace(step, undo_attempts=step.undo_attempts + 1)
    return replace(step, attempts=step.attempts + 1)


def _attempts(step: StepRecord) -> Values:
    return {"attempts": step.attempts, "undo_attempts": step.undo_attempts}


def _written(uow: UnitOfWork, step: StepRecord) -> Values:
    now = uow.now()
    match step.state:
        case StepState.INTENDED:
            return {"state": step.state.value, "intent": step.intent, "started_at": now}
        case StepState.DONE:
            values = {"state": step.state.value, "output": step.output, "done_at": now, "last_error": None}
            started = {"started_at": now} if step.kind is StepKind.LOCAL else {}
            return {**values, **started, **_attempts(step)}
        case StepState.UNDONE:
            return {"state": step.state.value, "undone_at": now, "last_error": None, **_attempts(step)}
        case _:
            return {"state": step.state.value, **_attempts(step)}


def _context(saga: SagaRecord, definition: SagaDefinition) -> Context:
    actor = Actor(ActorKind.SYSTEM, None, f"saga {saga.kind}")
    return Context(saga.organization_id, actor, definition.permissions, f"saga-{saga.id}")


def _turned(saga: SagaRecord, why: TurnBack) -> SagaRecord:
    return replace(_unburdened(saga, SagaState.COMPENSATING), is_cancelled=why.is_cancelled)


def _unburdened(saga: SagaRecord, state: SagaState) -> SagaRecord:
    return replace(saga, state=state, parked_from=None, request=None, claims=0, failures=0)
