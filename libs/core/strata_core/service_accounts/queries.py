"""Reads of service accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError, PreconditionError
from strata_datamodel.ids import ServiceAccountId
from strata_datamodel.tables.access import service_accounts


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    id: ServiceAccountId
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime


def service_account(ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId) -> ServiceAccount:
    require(ctx, "service_accounts:read")
    return account_row(uow, account_id)


def service_account_page(
    ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None
) -> list[ServiceAccount]:
    """Oldest first."""
    require(ctx, "service_accounts:read")
    wanted = select(service_accounts).where(service_accounts.c.organization_id == uow.organization_id)
    if after is not None:
        wanted = wanted.where(service_accounts.c.id > after)
    return [_account(row) for row in uow.execute(wanted.order_by(service_accounts.c.id).limit(limit))]


def account_row(
    uow: UnitOfWork, account_id: ServiceAccountId, *, version: int | None = None, lock: bool = False
) -> ServiceAccount:
    """Raises PreconditionError when it is not the version the caller read."""
    table = service_accounts
    wanted = select(table).where(table.c.organization_id == uow.organization_id, table.c.id == account_id)
    row = uow.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise NotFoundError("there is no such service account", code="service_account_not_found")
    if version is not None and row.version != version:
        raise PreconditionError(
            "the service account was changed since you read it", hint="read it again and repeat your change"
        )
    return _account(row)


def _account(row: Row[Any]) -> ServiceAccount:
    return ServiceAccount(
        ServiceAccountId(row.id), row.name, row.description, row.version, row.created_at, row.updated_at
    )
