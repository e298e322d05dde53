"""Events that failed too often to be tried again by themselves."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.parked_events.commands import retry_event
from strata_core.parked_events.queries import event_of, parked_events
from strata_datamodel.ids import OutboxId

router = APIRouter(prefix="/api/v1/orgs/{org}/parked-events", tags=["parked events"])
_LIST = "parked_events_list"


class ParkedEventOut(Shown):
    id: UUID
    kind: str = Field(description="What happened, as `alert.fired`.")
    entity_kind: str
    entity_id: UUID
    state: str
    attempts: int
    reason: str | None = Field(description="What its last attempt failed of.")
    created_at: Instant


@router.get("", operation_id=_LIST, summary="Parked events, newest first")
def list_parked_events(access: Annotated[Access, requires("dead_letters:read")], paged: Paged) -> Page[ParkedEventOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = parked_events(
            access.ctx, uow, limit=listing.fetch, after=listing.after(lambda text: OutboxId(UUID(text)))
        )
    return listing.page(rows, ParkedEventOut.model_validate, lambda row: [row.id])


@router.get("/{event_id}", operation_id="parked_events_get", summary="One event, parked or set going again")
def get_event(access: Annotated[Access, requires("dead_letters:read")], event_id: UUID) -> ParkedEventOut:
    with access.unit() as uow:
        return ParkedEventOut.model_validate(event_of(access.ctx, uow, OutboxId(event_id)))


@router.post("/{event_id}/retry", operation_id="parked_events_retry", summary="Try a parked event again")
def retry(access: Annotated[Access, requires("dead_letters:write")], event_id: UUID) -> ParkedEventOut:
    """Due at once. 409 when it is not parked."""
    with access.unit() as uow:
        return ParkedEventOut.model_validate(retry_event(access.ctx, uow, OutboxId(event_id)))
