"""Telemetry that a store refused for good."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.dead_letters.commands import discard_letter, replay_letter
from strata_core.dead_letters.queries import content, dead_letter, dead_letter_page
from strata_datamodel.ids import DeadLetterId
from strata_datamodel.spooling import Signal

router = APIRouter(prefix="/api/v1/orgs/{org}/dead-letters", tags=["dead letters"])
_LIST = "dead_letters_list"
State = Literal["open", "replaying", "replayed", "dropped"]


class DeadLetterOut(Shown):
    id: UUID
    signal: str
    batch_id: UUID | None
    store: str
    reason: str
    item_count: int
    content_format: str
    content_bytes: int
    state: str
    created_at: Instant
    resolved_at: Instant | None


@router.get("", operation_id=_LIST, summary="Refused telemetry, newest first")
def list_dead_letters(
    access: Annotated[Access, requires("dead_letters:read")],
    paged: Paged,
    state: State | None = None,
    signal: Signal | None = None,
) -> Page[DeadLetterOut]:
    listing = access.listing(paged, _LIST, {"state": state, "signal": signal})
    with access.unit() as uow:
        rows = dead_letter_page(
            access.ctx,
            uow,
            limit=listing.fetch,
            after=listing.after(lambda text: DeadLetterId(UUID(text))),
            state=state,
            signal=signal,
        )
    return listing.page(rows, DeadLetterOut.model_validate, lambda row: [row.id])


@router.get("/{dead_letter_id}", operation_id="dead_letters_get", summary="One dead letter")
def get_dead_letter(access: Annotated[Access, requires("dead_letters:read")], dead_letter_id: UUID) -> DeadLetterOut:
    with access.unit() as uow:
        return DeadLetterOut.model_validate(dead_letter(access.ctx, uow, DeadLetterId(dead_letter_id)))


@router.get(
    "/{dead_letter_id}/content",
    operation_id="dead_letters_content",
    summary="The bytes that were refused",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_content(access: Annotated[Access, requires("dead_letters:read")], dead_letter_id: UUID) -> Response:
    with access.unit() as uow:
        refused = content(access.ctx, uow, DeadLetterId(dead_letter_id))
    # Somebody else wrote these bytes: a browser saves them and never shows them.
    headers = {"content-disposition": f'attachment; filename="{dead_letter_id}"'}
    return Response(refused, media_type="application/octet-stream", headers=headers)


@router.post("/{dead_letter_id}/replay", operation_id="dead_letters_replay", summary="Send it through ingest again")
def replay(access: Annotated[Access, requires("dead_letters:write")], dead_letter_id: UUID) -> DeadLetterOut:
    """Within seconds. What is refused once more becomes a new letter. 409 unless it is open."""
    with access.unit() as uow:
        return DeadLetterOut.model_validate(replay_letter(access.ctx, uow, DeadLetterId(dead_letter_id)))


@router.post("/{dead_letter_id}/discard", operation_id="dead_letters_discard", summary="Give it up")
def discard(access: Annotated[Access, requires("dead_letters:write")], dead_letter_id: UUID) -> DeadLetterOut:
    """It stays listed, as `dropped`. 409 unless it is open."""
    with access.unit() as uow:
        return DeadLetterOut.model_validate(discard_letter(access.ctx, uow, DeadLetterId(dead_letter_id)))
