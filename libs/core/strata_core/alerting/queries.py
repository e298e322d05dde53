"""Reads of rules and alerts."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, or_, select

from strata_core.access.filters import within
from strata_core.access.rules import require_somewhere
from strata_core.context import Context
from strata_core.instants import shown_instant
from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import AlertId, RuleId
from strata_datamodel.tables.alerting import alert_rules, alerts

RULE_FIELDS = (
    "id", "name", "description", "is_enabled", "severity", "condition", "labels", "for_s", "interval_s",
    "last_evaluated_at", "last_result", "last_error", "version", "created_at", "updated_at",
)  # fmt: skip
ALERT_FIELDS = (
    "id", "rule_id", "fingerprint", "labels", "severity", "status", "summary", "description", "value", "threshold",
    "started_at", "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "version",
)  # fmt: skip


def rule_document(row: Mapping[str, object]) -> dict[str, object]:
    """A rule as the API shows it, of JSON values only."""
    return {name: plain_value(row[name]) for name in RULE_FIELDS}


def alert_document(row: Mapping[str, object]) -> dict[str, object]:
    """An alert as the API and receivers see it, of JSON values only."""
    return {name: plain_value(row[name]) for name in ALERT_FIELDS}


def rule(ctx: Context, uow: UnitOfWork, rule_id: RuleId) -> dict[str, object]:
    require_somewhere(ctx, "alert_rules:read")
    wanted = select(alert_rules).where(alert_rules.c.organization_id == ctx.organization_id)
    readable = within(ctx, "alert_rules:read", alert_rules.c.labels)
    row = uow.execute(wanted.where(alert_rules.c.id == rule_id, readable)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such alert rule")
    return rule_document(dict(row))


def rules(ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None) -> list[dict[str, object]]:
    """By id, which is by creation."""
    require_somewhere(ctx, "alert_rules:read")
    wanted = select(alert_rules).where(alert_rules.c.organization_id == ctx.organization_id)
    wanted = wanted.where(within(ctx, "alert_rules:read", alert_rules.c.labels))
    rows = uow.execute(oldest_first(wanted, alert_rules.c.id, after=after, limit=limit)).mappings()
    return [rule_document(dict(row)) for row in rows]


def alert(ctx: Context, uow: UnitOfWork, alert_id: AlertId) -> dict[str, object]:
    require_somewhere(ctx, "alerts:read")
    wanted = select(alerts).where(alerts.c.organization_id == ctx.organization_id, alerts.c.id == alert_id)
    wanted = wanted.where(within(ctx, "alerts:read", alerts.c.labels))
    row = uow.execute(wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such alert")
    return alert_document(dict(row))


def alert_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    statuses: tuple[str, ...] = (),
    severities: tuple[str, ...] = (),
    rule_id: RuleId | None = None,
) -> list[dict[str, object]]:
    """Newest first, by (started_at, id)."""
    require_somewhere(ctx, "alerts:read")
    wanted = _filtered(select(alerts).where(alerts.c.organization_id == ctx.organization_id), statuses, severities)
    wanted = wanted.where(within(ctx, "alerts:read", alerts.c.labels))
    if rule_id is not None:
        wanted = wanted.where(alerts.c.rule_id == rule_id)
    if after is not None:
        started_at, alert_id = after
        older = and_(alerts.c.started_at == started_at, alerts.c.id < alert_id)
        wanted = wanted.where(or_(alerts.c.started_at < started_at, older))
    ordered = wanted.order_by(alerts.c.started_at.desc(), alerts.c.id.desc()).limit(limit)
    return [alert_document(dict(row)) for row in uow.execute(ordered).mappings()]


def _filtered(
    wanted: Select[tuple[object, ...]], statuses: tuple[str, ...], severities: tuple[str, ...]
) -> Select[tuple[object, ...]]:
    if statuses:
        wanted = wanted.where(alerts.c.status.in_(statuses))
    if severities:
        wanted = wanted.where(alerts.c.severity.in_(severities))
    return wanted


def labels_of(document: Mapping[str, object]) -> dict[str, str]:
    labels = document["labels"]
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, Mapping) else {}


def plain_value(value: object) -> object:
    """A column's value as JSON shows it."""
    if isinstance(value, datetime):
        return shown_instant(value)
    return str(value) if isinstance(value, UUID) else value
