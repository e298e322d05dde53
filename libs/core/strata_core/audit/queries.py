"""Reading the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, func, or_, select, tuple_

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.audit import audit_log


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_label: str
    action: str
    target_kind: str
    target_id: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    request_id: str | None
    remote_addr: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """None leaves a thing open. Of the times, `since` is in and `until` is out."""

    actor_id: UUID | None = None
    action: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    """Part of the actor, the action, the target or of what changed, in upper or lower case."""


def audit_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    where: AuditFilter | None = None,
) -> list[AuditEntry]:
    """Newest first, by (at, id)."""
    require(ctx, "audit_log:read")
    wanted = _filtered(select(audit_log), ctx, where or AuditFilter())
    if after is not None:
        wanted = wanted.where(tuple_(audit_log.c.at, audit_log.c.id) < after)
    ordered = wanted.order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(limit)
    return [_entry_from(row) for row in uow.execute(ordered).mappings()]


def matching_entries(ctx: Context, uow: UnitOfWork, where: AuditFilter, *, at_most: int) -> int:
    """How many entries match, counted up to `at_most` only."""
    require(ctx, "audit_log:read")
    some = _filtered(select(audit_log.c.id), ctx, where).limit(at_most).subquery()
    return int(uow.execute(select(func.count()).select_from(some)).scalar_one())


def _filtered(wanted: Select[Any], ctx: Context, where: AuditFilter) -> Select[Any]:
    wanted = wanted.where(audit_log.c.organization_id == ctx.organization_id)
    for name in ("actor_id", "action", "target_kind", "target_id"):
        if (value := getattr(where, name)) is not None:
            wanted = wanted.where(audit_log.c[name] == value)
    if where.since is not None:
        wanted = wanted.where(audit_log.c.at >= where.since)
    if where.until is not None:
        wanted = wanted.where(audit_log.c.at < where.until)
    return wanted if where.text is None else wanted.where(_mentions(where.text))


def _mentions(text: str) -> ColumnElement[bool]:
    log = audit_log.c
    places = (
        log.actor_label,
        log.action,
        log.target_kind,
        log.target_id,
        cast(log.before, Text),
        cast(log.after, Text),
    )
    return or_(*(place.icontains(text, autoescape=True) for place in places))


def _entry_from(row: Mapping[Any, Any]) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in AuditEntry.__slots__})
