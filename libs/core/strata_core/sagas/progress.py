"""What a runner writes. Each write is fenced: it holds while the saga is in the epoch and state that the runner knows
it in. Otherwise it changes nothing and raises, so that all that a step did in the transaction is rolled back."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, case, func, null, select, true, update

from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.claiming import LEASE
from strata_core.sagas.events import SAGA_ENDED, SAGA_PARKED, saga_event
from strata_core.sagas.rules import ENDED, Park, PutOff, Request, SagaRecord, SagaState, TurnBack
from strata_datamodel.errors import ConflictError
from strata_datamodel.limits import SAGA_REASON_LENGTH
from strata_datamodel.tables.sagas import saga_steps, sagas

Values = Mapping[str, Any]
_FREE: Final[Values] = {"lease_owner": None, "lease_until": None}


class LeaseLostError(ConflictError):
    """Somebody else has the saga now, or a person's request came before: stop, and write nothing."""

    code = "lease_lost"


def write(
    uow: UnitOfWork,
    saga: SagaRecord,
    changes: Values,
    *,
    step: tuple[int, Values] | None = None,
    unless_requested: bool = False,
) -> Request | None:
    """Saga and step in one statement. Gives what a person asked for meanwhile; with `unless_requested` that is in the
    way of the write, as behind the pivot it could not be heeded any more."""
    statement = _statement(tuple(changes), None if step is None else tuple(step[1]), unless_requested)
    parameters: dict[str, Any] = {
        "b_organization": saga.organization_id,
        "b_saga": saga.id,
        "b_epoch": saga.epoch,
        "b_state": saga.state.value,
        "s_updated_at": uow.now(),
        **{f"s_{name}": value for name, value in changes.items()},
    }
    if step is not None:
        parameters |= {"b_seq": step[0], "b_step_state": saga.steps[step[0]].state.value}
        parameters |= {f"t_{name}": value for name, value in step[1].items()}
    row = uow.execute(statement, parameters).one_or_none()
    if row is None:
        raise LeaseLostError("the saga is not in this runner's hands any more")
    return None if row.request is None else Request(row.request)


@cache
def _statement(
    changes: tuple[str, ...],
    step: tuple[str, ...] | None,
    unless_requested: bool,  # noqa: FBT001 - part of the cache's key
) -> Select[tuple[str | None]]:
    """Made once for each set of columns: making it takes longer than PostgreSQL does to run it."""
    s, t = sagas.c, saga_steps.c
    held = (
        update(sagas)
        .where(s.organization_id == bindparam("b_organization"), s.id == bindparam("b_saga"))
        .where(s.epoch == bindparam("b_epoch"), s.state == bindparam("b_state"))
        .values({name: _given(name) for name in (*changes, "updated_at")})
    )
    if unless_requested:
        held = held.where(s.request.is_(None))
    kept = held.returning(s.organization_id, s.id, s.request).cte("held")
    wanted = select(kept.c.request)
    if step is None:
        return wanted
    stepped = (
        update(saga_steps)
        .where(t.organization_id == kept.c.organization_id, t.saga_id == kept.c.id, t.seq == bindparam("b_seq"))
        # A commit may have held although its answer was lost: then the step is further than this runner knows.
        .where(t.state == bindparam("b_step_state"))
        .values({name: bindparam(f"t_{name}", type_=t[name].type) for name in step})
        .returning(t.seq)
        .cte("stepped")
    )
    return wanted.select_from(kept.join(stepped, true()))


def _given(name: str) -> ColumnElement[Any]:
    """A lease counts from the transaction's beginning. In one that lasted, it was renewed to later than that."""
    column = sagas.c[name]
    given = bindparam(f"s_{name}", type_=column.type)
    if column is not sagas.c.lease_until:
        return given
    return case((given.is_(None), null()), else_=func.greatest(column, given))


def advance(
    uow: UnitOfWork,
    saga: SagaRecord,
    step: tuple[int, Values],
    *,
    ends: SagaState | None = None,
    unless_requested: bool = False,
) -> Request | None:
    """A step got further. `ends`: it was the last."""
    changes = ended(uow, ends) if ends is not None else {"lease_until": uow.now() + LEASE}
    if ends is not None and ends is not SagaState.DONE:
        append(uow, saga_event(SAGA_ENDED, saga.id, {"kind": saga.kind, "state": ends.value}))
    settled: dict[str, Any] = {"claims": 0, "failures": 0, "stuck_since": None}
    if saga.state is not SagaState.COMPENSATING:
        settled["reason"] = None  # of a failure that is over
    return write(uow, saga, {**settled, **changes}, step=step, unless_requested=unless_requested)


def ended(uow: UnitOfWork, state: SagaState) -> Values:
    if state not in ENDED:
        raise ValueError(f"{state} is no end")
    return {**_FREE, "state": state.value, "due_at": None, "request": None, "ended_at": uow.now()}


def end(uow: UnitOfWork, saga: SagaRecord, state: SagaState) -> None:
    """Where no step was left to do."""
    write(uow, saga, {"claims": 0, "stuck_since": None, **ended(uow, state)})
    if state is not SagaState.DONE:
        append(uow, saga_event(SAGA_ENDED, saga.id, {"kind": saga.kind, "state": state.value}))


def turn_back(uow: UnitOfWork, saga: SagaRecord, why: TurnBack, *, step: tuple[int, Values] | None = None) -> None:
    changes = {
        "state": SagaState.COMPENSATING.value,
        "parked_from": None,
        "request": None,
        "is_cancelled": why.is_cancelled,
        "reason_code": why.code.value,
        "reason": why.reason[:SAGA_REASON_LENGTH],
        "claims": 0,
        "failures": 0,
        "stuck_since": None,
        "lease_until": uow.now() + LEASE,
    }
    write(uow, saga, changes, step=step)


def resume(uow: UnitOfWork, saga: SagaRecord, state: SagaState) -> None:
    """As asked: with nothing held against it any more."""
    changes = {
        "state": state.value,
        "parked_from": None,
        "request": None,
        "claims": 0,
        "failures": 0,
        "stuck_since": None,
        "lease_until": uow.now() + LEASE,
    }
    if state is not SagaState.COMPENSATING:
        changes.update(reason_code=None, reason=None)
    write(uow, saga, changes)


def park(uow: UnitOfWork, saga: SagaRecord, why: Park) -> None:
    """Left alone until a person asks for something."""
    parked_from = saga.parked_from if saga.state is SagaState.PARKED else saga.state
    changes = {
        **_FREE,
        "state": SagaState.PARKED.value,
        "parked_from": None if parked_from is None else parked_from.value,
        "reason_code": why.code.value,
        "reason": why.reason[:SAGA_REASON_LENGTH],
        "request": None,
        "due_at": None,
    }
    write(uow, saga, changes)
    append(uow, saga_event(SAGA_PARKED, saga.id, {"kind": saga.kind, "code": why.code.value}))


def put_off(uow: UnitOfWork, saga: SagaRecord, seq: int, later: PutOff, reason: str, step: Values) -> None:
    """After a failure: free for anybody once it is due."""
    now = uow.now()
    changes: dict[str, Any] = {
        **_FREE,
        "claims": 0,
        "failures": saga.failures + 1,
        "reason": f"{saga.steps[seq].name}: {reason}"[:SAGA_REASON_LENGTH],
        "due_at": now + later.delay,
    }
    if later.is_stuck:
        changes["stuck_since"] = saga.stuck_since or now
    _write_off(uow, saga, changes, (seq, {**step, "last_error": reason[:SAGA_REASON_LENGTH]}))


def wait(uow: UnitOfWork, saga: SagaRecord, seq: int, delay: timedelta, reason: str) -> None:
    """Nothing failed: the step has to wait."""
    changes = {**_FREE, "claims": 0, "failures": 0, "due_at": uow.now() + delay}
    _write_off(uow, saga, changes, (seq, {"last_error": reason[:SAGA_REASON_LENGTH]}))


def let_go(uow: UnitOfWork, saga: SagaRecord) -> None:
    """Whatever is in the way of going on, somebody else may look at it at once."""
    write(uow, saga, {**_FREE, "claims": max(0, saga.claims - 1)})


def _write_off(uow: UnitOfWork, saga: SagaRecord, changes: Values, step: tuple[int, Values]) -> None:
    """Until later. What a person asked for meanwhile is not put off."""
    if write(uow, saga, changes, step=step) is not None:
        write(uow, saga, {"due_at": uow.now()})
