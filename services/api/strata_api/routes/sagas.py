"""What crosses the stores: how far it is, what it fails of, and what people may ask of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.sagas.commands import cancel_saga, compensate_saga, retry_saga
from strata_core.sagas.queries import SagaDetail, saga_of, saga_page
from strata_datamodel.ids import SagaId
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/sagas", tags=["sagas"])
_LIST = "sagas_list"
State = Literal["pending", "running", "compensating", "done", "compensated", "cancelled", "parked"]
StepState = Literal["pending", "intended", "unknown", "done", "undone"]


class SagaOut(Shown):
    id: UUID
    kind: str
    definition_version: int
    state: State
    parked_from: State | None
    reason_code: str | None
    reason: str | None = Field(description="Why it is parked or being undone, or what it failed of last.")
    needs_attention: bool = Field(description="Parked, or failing again and again: a person should look.")
    request: str | None = Field(description="What a person asked for and the runner has not acted on yet.")
    requested_by: str | None
    started_by: str
    failures: int = Field(description="In a row, of the step it is at.")
    stuck_since: Instant | None
    due_at: Instant | None = Field(description="When it goes on; null when it has ended or is parked.")
    deadline_at: Instant
    created_at: Instant
    updated_at: Instant
    ended_at: Instant | None
    steps_done: int
    steps_total: int


class SagaStepOut(Shown):
    seq: int
    name: str
    kind: Literal["local", "put", "once"]
    state: StepState = Field(
        description="`intended`: the effect may have happened. `unknown`: that is being found out."
    )
    attempts: int
    undo_attempts: int
    last_error: str | None
    started_at: Instant | None
    done_at: Instant | None
    undone_at: Instant | None
    duration_ms: int | None


class SagaDetailOut(SagaOut):
    is_past_pivot: bool = Field(description="From there on there is only forward.")
    steps: list[SagaStepOut]


def _shown(detail: SagaDetail) -> SagaDetailOut:
    summary = SagaOut.model_validate(detail.summary)
    steps = [SagaStepOut.model_validate(step) for step in detail.steps]
    return SagaDetailOut(**summary.model_dump(), is_past_pivot=detail.is_past_pivot, steps=steps)


@router.get("", operation_id=_LIST, summary="Sagas, newest first")
def list_sagas(
    access: Annotated[Access, requires("sagas:read")],
    paged: Paged,
    state: State | None = None,
    kind: Annotated[str | None, Field(max_length=NAME_LENGTH)] = None,
) -> Page[SagaOut]:
    listing = access.listing(paged, _LIST, {"state": state, "kind": kind})
    with access.unit() as uow:
        rows = saga_page(
            access.ctx,
            uow,
            limit=listing.fetch,
            after=listing.after(lambda text: SagaId(UUID(text))),
            state=state,
            kind=kind,
        )
    return listing.page(rows, SagaOut.model_validate, lambda row: [row.id])


@router.get("/{saga_id}", operation_id="sagas_get", summary="A saga with its steps")
def get_saga(access: Annotated[Access, requires("sagas:read")], saga_id: UUID) -> SagaDetailOut:
    with access.unit() as uow:
        return _shown(saga_of(access.ctx, uow, SagaId(saga_id)))


@router.post("/{saga_id}/retry", operation_id="sagas_retry", summary="Let a parked or failing saga go on now")
def retry(access: Annotated[Access, requires("sagas:write")], saga_id: UUID) -> SagaDetailOut:
    """With nothing held against it. 409 when nothing is wrong with it."""
    with access.unit() as uow:
        return _shown(retry_saga(access.ctx, uow, SagaId(saga_id)))


@router.post("/{saga_id}/compensate", operation_id="sagas_compensate", summary="Undo a parked or failing saga")
def compensate(access: Annotated[Access, requires("sagas:write")], saga_id: UUID) -> SagaDetailOut:
    """Before its pivot only: 409 past it."""
    with access.unit() as uow:
        return _shown(compensate_saga(access.ctx, uow, SagaId(saga_id)))


@router.post("/{saga_id}/cancel", operation_id="sagas_cancel", summary="Stop a saga and undo what it did")
def cancel(access: Annotated[Access, requires("sagas:write")], saga_id: UUID) -> SagaDetailOut:
    """After the step under way. Before its pivot only: 409 past it."""
    with access.unit() as uow:
        return _shown(cancel_saga(access.ctx, uow, SagaId(saga_id)))
