"""Who changed what."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.audit.exporting import ExportFormat, begin_export, exported
from strata_core.audit.queries import AuditFilter, audit_page
from strata_datamodel.limits import AUDIT_TEXT_LENGTH, NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/audit-log", tags=["audit log"])
_LIST = "audit_log_list"
Word = Annotated[str | None, Query(max_length=NAME_LENGTH)]
SearchText = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=AUDIT_TEXT_LENGTH,
        pattern=r"^[^\x00]*$",
        description="Part of the actor, the action, the target or of what changed.",
    ),
]
_MEDIA_TYPES = {ExportFormat.CSV: "text/csv; charset=utf-8", ExportFormat.JSONL: "application/x-ndjson"}
_EXPORTED = {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}}


class AuditEntryOut(Shown):
    id: UUID
    at: Instant
    actor_kind: str
    actor_id: UUID | None
    actor_label: str
    action: str
    target_kind: str
    target_id: str
    before: dict[str, object] | None
    after: dict[str, object] | None
    request_id: str | None
    remote_addr: str | None


@router.get("", operation_id=_LIST, summary="Changes, newest first")
def list_audit_log(
    access: Annotated[Access, requires("audit_log:read")],
    paged: Paged,
    actor_id: UUID | None = None,
    action: Word = None,
    target_kind: Word = None,
    target_id: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    text: SearchText = None,
) -> Page[AuditEntryOut]:
    where = AuditFilter(actor_id, action, target_kind, target_id, since, until, text)
    listing = access.listing(paged, _LIST, asdict(where))
    with access.unit() as uow:
        after = listing.after_pair(datetime.fromisoformat, UUID)
        rows = audit_page(access.ctx, uow, limit=listing.fetch, after=after, where=where)
    return listing.page(rows, AuditEntryOut.model_validate, lambda row: [row.at.isoformat(), row.id])


@router.get(
    "/export",
    operation_id="audit_log_export",
    summary="Changes as a file, newest first",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The file, streamed; cut off without its end when a store fails", "content": _EXPORTED}
    },
)
def export_audit_log(
    access: Annotated[Access, requires("audit_log:read", is_slow=True)],
    format: ExportFormat = ExportFormat.CSV,  # noqa: A002 - the name of the parameter
    actor_id: UUID | None = None,
    action: Word = None,
    target_kind: Word = None,
    target_id: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    text: SearchText = None,
) -> StreamingResponse:
    where = AuditFilter(actor_id, action, target_kind, target_id, since, until, text)
    with access.unit() as uow:
        bounded = begin_export(access.ctx, uow, where, format)
    name = f"audit-{access.organization.slug}-{access.deps.clock.now():%Y%m%dT%H%M%S}.{format}"
    return StreamingResponse(
        exported(access.ctx, access.unit, bounded, format),
        media_type=_MEDIA_TYPES[format],
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )
