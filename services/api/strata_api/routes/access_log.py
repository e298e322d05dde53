"""Who read what."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_core.access_log.queries import ReadFilter, reads_page
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/access-log", tags=["audit log"])
_LIST = "access_log_list"
Word = Annotated[str | None, Query(max_length=NAME_LENGTH)]


class LoggedReadOut(Shown):
    id: UUID
    at: Instant
    actor_kind: str
    actor_id: UUID | None
    actor_label: str
    operation: str
    purpose: str = Field(description="Why it is logged: personal data, audit, or query.")
    request_id: str | None = Field(description="Of the first, where there were several.")
    times: int = Field(description="How often, until `last_at`: queries of one kind by one reader from one address.")
    last_at: Instant | None
    address: str | None


@router.get("", operation_id=_LIST, summary="Reads of personal data, audit entries, metrics and logs, newest first")
def list_access_log(
    access: Annotated[Access, requires("audit_log:read")],
    paged: Paged,
    actor_id: UUID | None = None,
    operation: Word = None,
    purpose: Word = None,
    address: Annotated[str | None, Query(max_length=64, description="The whole address.")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Page[LoggedReadOut]:
    where = ReadFilter(actor_id, operation, purpose, address, since, until)
    listing = access.listing(paged, _LIST, asdict(where))
    with access.unit() as uow:
        after = listing.after_pair(datetime.fromisoformat, UUID)
        rows = reads_page(access.ctx, uow, access.deps.secret_box, limit=listing.fetch, after=after, where=where)
    return listing.page(rows, LoggedReadOut.model_validate, lambda row: [row.at.isoformat(), row.id])
