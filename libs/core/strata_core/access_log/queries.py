"""Looking reads up: by who, what, when, and by address through its blind index."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from strata_core.access.rules import require
from strata_core.access_log.commands import address_index, address_place
from strata_core.context import Context
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import user_access_logs


@dataclass(frozen=True, slots=True)
class LoggedRead:
    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_label: str
    operation: str
    purpose: str
    request_id: str | None
    times: int
    last_at: datetime | None
    address: str | None


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """None leaves a thing open. Of the times, `since` is in and `until` is out."""

    actor_id: UUID | None = None
    operation: str | None = None
    purpose: str | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def reads_page(
    ctx: Context,
    uow: UnitOfWork,
    box: SecretBox,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    where: ReadFilter | None = None,
) -> list[LoggedRead]:
    """Newest first, by (at, id)."""
    require(ctx, "audit_log:read")
    where = where or ReadFilter()
    log = user_access_logs.c
    wanted = select(user_access_logs).where(log.organization_id == ctx.organization_id)
    for name in ("actor_id", "operation", "purpose"):
        if (value := getattr(where, name)) is not None:
            wanted = wanted.where(log[name] == value)
    if where.address is not None:
        wanted = wanted.where(log.address_index == address_index(box, ctx.organization_id, where.address))
    if where.since is not None:
        wanted = wanted.where(log.at >= where.since)
    if where.until is not None:
        wanted = wanted.where(log.at < where.until)
    if after is not None:
        wanted = wanted.where(tuple_(log.at, log.id) < after)
    ordered = wanted.order_by(log.at.desc(), log.id.desc()).limit(limit)
    return [_read_from(box, ctx.organization_id, row) for row in uow.execute(ordered).mappings()]


def _read_from(box: SecretBox, organization_id: OrganizationId, row: Mapping[Any, Any]) -> LoggedRead:
    named = {name: row[name] for name in LoggedRead.__slots__ if name != "address"}
    return LoggedRead(**named, address=_address(box, organization_id, row))


def _address(box: SecretBox, organization_id: OrganizationId, row: Mapping[Any, Any]) -> str | None:
    """One that cannot be opened, as its row was tampered with, must not hide the others."""
    if row["address_sealed"] is None:
        return None
    try:
        return box.open(address_place(organization_id, row["id"]), bytes(row["address_sealed"])).decode("utf-8")
    except DeniedError:
        return "unreadable"
