"""Who changed what."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.audit.queries import AuditFilter, audit_page
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/audit-log", tags=["audit log"])
_LIST = "audit_log_list"
Word = Annotated[str | None, Query(max_length=NAME_LENGTH)]


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
) -> Page[AuditEntryOut]:
    where = AuditFilter(actor_id, action, target_kind, target_id, since, until)
    listing = access.listing(paged, _LIST, asdict(where))
    with access.unit() as uow:
        after = listing.after_pair(datetime.fromisoformat, UUID)
        rows = audit_page(access.ctx, uow, limit=listing.fetch, after=after, where=where)
    return listing.page(rows, AuditEntryOut.model_validate, lambda row: [row.at.isoformat(), row.id])
