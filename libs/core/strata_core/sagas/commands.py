"""What people do to sagas: ask. The runner does it, between two steps."""

from sqlalchemy import select, update

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.events import SAGA_REQUESTED, saga_event
from strata_core.sagas.queries import SagaDetail, saga_of
from strata_core.sagas.rules import Request, SagaState, refusal_of
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import SagaId
from strata_datamodel.tables.sagas import sagas


def cancel_saga(ctx: Context, uow: UnitOfWork, saga_id: SagaId) -> SagaDetail:
    """Stop, and undo what was done. Before the pivot only. Raises ConflictError (code `saga_not_cancellable`)."""
    require(ctx, "sagas:write")
    return _ask(ctx, uow, saga_id, Request.CANCEL, "saga_not_cancellable")


def retry_saga(ctx: Context, uow: UnitOfWork, saga_id: SagaId) -> SagaDetail:
    """Of one that is parked, or waits after failures: go on now, with nothing held against it. Raises ConflictError
    (code `saga_not_retryable`)."""
    require(ctx, "sagas:write")
    return _ask(ctx, uow, saga_id, Request.RETRY, "saga_not_retryable")


def compensate_saga(ctx: Context, uow: UnitOfWork, saga_id: SagaId) -> SagaDetail:
    """Of one that is parked or fails: undo what was done. Before the pivot only. Raises ConflictError (code
    `saga_not_compensatable`)."""
    require(ctx, "sagas:write")
    return _ask(ctx, uow, saga_id, Request.COMPENSATE, "saga_not_compensatable")


def _ask(ctx: Context, uow: UnitOfWork, saga_id: SagaId, request: Request, code: str) -> SagaDetail:
    """Under the row's lock: a runner that is about to write the pivot's intent comes before, and is seen here, or
    after, and then finds the request."""
    here = (sagas.c.organization_id == ctx.organization_id, sagas.c.id == saga_id)
    uow.execute(select(sagas.c.id).where(*here).with_for_update())
    before = saga_of(ctx, uow, saga_id)
    refusal = refusal_of(
        request, SagaState(before.summary.state), before.summary.failures, is_past_pivot=before.is_past_pivot
    )
    if refusal is not None:
        raise ConflictError(refusal, code=code)
    changes = {"request": request.value, "requested_by": ctx.actor.label, "due_at": uow.now()}
    uow.execute(update(sagas).where(*here).values(**changes))
    record(
        ctx,
        uow,
        f"saga.{request}",
        "saga",
        str(saga_id),
        before={"state": before.summary.state, "reason": before.summary.reason, "failures": before.summary.failures},
        after={"kind": before.summary.kind, "request": request.value},
    )
    append(uow, saga_event(SAGA_REQUESTED, saga_id, {"kind": before.summary.kind, "request": request.value}))
    return saga_of(ctx, uow, saga_id)
