"""Searching logs."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from strata_api.deps import Access, requires
from strata_api.schemas import Sent
from strata_core.instants import instant_ns, rfc3339
from strata_core.logs.queries import LogSearchPage, LogSearchRequest, search_logs
from strata_datamodel.limits import LOG_QUERY_LENGTH, LOG_SEARCH_LIMIT, PAGE_SIZE_DEFAULT
from strata_datamodel.logs import LogEvent, SortOrder

router = APIRouter(prefix="/api/v1/orgs/{org}/logs", tags=["logs"])

When = Annotated[str, Field(max_length=64)] | int | None


class Search(Sent):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    query: str = Field("", max_length=LOG_QUERY_LENGTH, examples=["level:error AND timeout"])
    begin: When = Field(None, alias="from", description="RFC 3339, Unix milliseconds, or relative, as now-1h.")
    end: When = Field(None, alias="to", description="As `from`; exclusive.")
    limit: int = Field(PAGE_SIZE_DEFAULT, ge=1, le=LOG_SEARCH_LIMIT)
    cursor: str | None = Field(None, max_length=2_048, description="`next_cursor` of the page before.")
    order: SortOrder = SortOrder.DESC


class LogEventOut(BaseModel):
    id: str
    timestamp: str
    level: str
    message: str
    host_id: str
    service_id: str
    stream: str
    tags: dict[str, str]
    metadata: dict[str, object]


class Total(BaseModel):
    value: int
    relation: str = Field(description="eq, or gte when counting stopped early.")


class Found(BaseModel):
    items: list[LogEventOut]
    next_cursor: str | None
    total: Total


@router.post("/search", operation_id="logs_search", summary="Search logs", response_model=Found)
def post_search(access: Annotated[Access, requires("logs:read", is_slow=True)], body: Search) -> Response:
    now_ns = access.deps.clock.now_ns()
    request = LogSearchRequest(
        query=body.query,
        from_ns=None if body.begin is None else instant_ns(body.begin, now_ns=now_ns, where="/from"),
        to_ns=None if body.end is None else instant_ns(body.end, now_ns=now_ns, where="/to"),
        limit=body.limit,
        order=body.order,
        cursor=body.cursor,
        range_text=(_written(body.begin), _written(body.end)),
    )
    page = search_logs(access.ctx, access.deps.log_store, request, access.deps.clock, access.deps.cursor_key)
    return Response(orjson.dumps(_found(page)), media_type="application/json")


def _written(when: str | int | None) -> str | None:
    return None if when is None else str(when)


def _found(page: LogSearchPage) -> dict[str, object]:
    return {
        "items": [_event(event) for event in page.items],
        "next_cursor": page.next_cursor,
        "total": {"value": page.total.value, "relation": page.total.relation},
    }


def _event(event: LogEvent) -> dict[str, object]:
    return {
        "id": event.event_id,
        "timestamp": rfc3339(event.timestamp_ns),
        "level": event.level,
        "message": event.message,
        "host_id": event.host_id,
        "service_id": event.service_id,
        "stream": event.stream,
        "tags": dict(event.tags),
        "metadata": dict(event.metadata),
    }
