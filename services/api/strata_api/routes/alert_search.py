"""Searching alerts."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from strata_api.deps import Access, requires
from strata_api.routes.alerts import AlertOut
from strata_api.routes.logs import Total, When
from strata_api.schemas import Sent
from strata_core.instants import instant_ns
from strata_core.search.queries import AlertSearch, search_alerts
from strata_datamodel.limits import LOG_QUERY_LENGTH, PAGE_SIZE_DEFAULT, SEARCH_LIMIT
from strata_datamodel.logs import SortOrder

router = APIRouter(prefix="/api/v1/orgs/{org}/alerts", tags=["alerts"])


class AlertSearchBody(Sent):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    query: str = Field(
        "", max_length=LOG_QUERY_LENGTH, examples=["severity:critical labels.host:web-* -status:resolved"]
    )
    begin: When = Field(None, alias="from", description="RFC 3339, Unix milliseconds, or relative, as now-7d.")
    end: When = Field(None, alias="to", description="As `from`; exclusive.")
    limit: int = Field(PAGE_SIZE_DEFAULT, ge=1, le=SEARCH_LIMIT)
    cursor: str | None = Field(None, max_length=2_048, description="`next_cursor` of the page before.")
    order: SortOrder = Field(SortOrder.DESC, description="By `started_at`.")


class FoundAlerts(BaseModel):
    """A page may have fewer alerts than its limit before the last: `next_cursor` alone says whether there is more."""

    items: list[AlertOut]
    next_cursor: str | None
    total: Total


@router.post("/search", operation_id="alerts_search", summary="Search alerts")
def post_search(
    access: Annotated[Access, requires("alerts:read", in_scope=True, is_slow=True)], body: AlertSearchBody
) -> FoundAlerts:
    """Words are looked for in summaries, descriptions and labels' values. Without a range, of all time. 503 while the
    search index is down; lists and single alerts are there all the same."""
    now_ns = access.deps.clock.now_ns()
    request = AlertSearch(
        query=body.query,
        from_ns=None if body.begin is None else instant_ns(body.begin, now_ns=now_ns, where="/from"),
        to_ns=None if body.end is None else instant_ns(body.end, now_ns=now_ns, where="/to"),
        limit=body.limit,
        order=body.order,
        cursor=body.cursor,
        range_text=(_written(body.begin), _written(body.end)),
    )
    page = search_alerts(access.ctx, access.unit, access.deps.search_index, request, access.deps.cursor_key)
    return FoundAlerts(
        items=[AlertOut.model_validate(item) for item in page.items],
        next_cursor=page.next_cursor,
        total=Total(value=page.total.value, relation=page.total.relation),
    )


def _written(when: str | int | None) -> str | None:
    return None if when is None else str(when)
