"""Alerts: what fires, who has it, what is over."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.etags import check_if_match_if_sent, tag_of
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Shown
from strata_api.versioned import shown, unless_unchanged
from strata_core.alerting.commands import acknowledge_alert, resolve_alert
from strata_core.alerting.queries import alert, alert_page
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import AlertId, RuleId

router = APIRouter(prefix="/api/v1/orgs/{org}/alerts", tags=["alerts"])
_LIST = "alerts_list"
Status = Literal["firing", "acknowledged", "resolved"]
SeverityName = Literal["info", "warning", "error", "critical"]


class AlertOut(Shown):
    id: UUID
    rule_id: UUID | None = Field(description="Null when the rule is gone.")
    fingerprint: str
    labels: dict[str, str]
    severity: str
    status: str
    summary: str
    description: str
    value: float | None
    threshold: float | None
    started_at: Instant
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    resolved_at: Instant | None
    resolved_by: str | None
    version: int


@router.get("", operation_id=_LIST, summary="Alerts, newest first")
def list_alerts(
    access: Annotated[Access, requires("alerts:read", in_scope=True)],
    paged: Paged,
    status: Annotated[list[Status] | None, Query(description="Only these; may be repeated.")] = None,
    severity: Annotated[list[SeverityName] | None, Query(description="Only these; may be repeated.")] = None,
    rule_id: Annotated[UUID | None, Query(description="Only of this rule.")] = None,
) -> Page[AlertOut]:
    filters = {"status": status, "severity": severity, "rule_id": rule_id}
    listing = access.listing(paged, _LIST, filters)
    with access.unit() as uow:
        rows = alert_page(
            access.ctx,
            uow,
            limit=listing.fetch,
            after=listing.after_pair(datetime.fromisoformat, UUID),
            statuses=tuple(status or ()),
            severities=tuple(severity or ()),
            rule_id=RuleId(rule_id) if rule_id else None,
        )
    return listing.page(rows, AlertOut.model_validate, lambda row: [row["started_at"], row["id"]])


@router.get(
    "/{alert_id}",
    operation_id="alerts_get",
    summary="One alert",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=AlertOut,
)
def get_alert(
    access: Annotated[Access, requires("alerts:read", in_scope=True)],
    alert_id: UUID,
    request: Request,
    response: Response,
) -> object:
    with access.unit() as uow:
        found = alert(access.ctx, uow, AlertId(alert_id))
    return unless_unchanged(request, response, found)


@router.post("/{alert_id}/acknowledge", operation_id="alerts_acknowledge", summary="Take an alert")
def acknowledge(
    access: Annotated[Access, requires("alerts:write", in_scope=True)],
    alert_id: UUID,
    request: Request,
    response: Response,
) -> AlertOut:
    """Doing it again answers the same. With If-Match only the version is taken that was seen."""
    with access.unit() as uow:
        changed = acknowledge_alert(access.ctx, uow, AlertId(alert_id), _seen(access, uow, alert_id, request))
    return shown(response, AlertOut, changed)


@router.post("/{alert_id}/resolve", operation_id="alerts_resolve", summary="Resolve an alert by hand")
def resolve(
    access: Annotated[Access, requires("alerts:write", in_scope=True)],
    alert_id: UUID,
    request: Request,
    response: Response,
) -> AlertOut:
    """It fires again when the next evaluation is over the threshold. Doing it again answers the same. With If-Match
    only the version is resolved that was seen."""
    with access.unit() as uow:
        changed = resolve_alert(access.ctx, uow, AlertId(alert_id), _seen(access, uow, alert_id, request))
    return shown(response, AlertOut, changed)


def _seen(access: Access, uow: UnitOfWork, alert_id: UUID, request: Request) -> int | None:
    """The version that the caller has seen, None when they did not say."""
    if "if-match" not in request.headers:
        return None
    current = alert(access.ctx, uow, AlertId(alert_id))
    is_exact = check_if_match_if_sent(request.headers, tag_of(current))
    return int(str(current["version"])) if is_exact else None
