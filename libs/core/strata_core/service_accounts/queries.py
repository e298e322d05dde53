"""Reads of service accounts."""

from typing import Final
from uuid import UUID

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.holders import Holder, HolderKind
from strata_core.service_accounts.events import ACCOUNT_CHANGED, ACCOUNT_CREATED, ACCOUNT_DELETED, account_event
from strata_datamodel.ids import ServiceAccountId
from strata_datamodel.limits import SERVICE_ACCOUNTS_PER_ORGANIZATION
from strata_datamodel.tables.access import service_accounts

ServiceAccount = Holder[ServiceAccountId]
ACCOUNTS: Final = HolderKind(
    "service_account",
    "service account",
    service_accounts,
    SERVICE_ACCOUNTS_PER_ORGANIZATION,
    ServiceAccountId,
    account_event,
    ACCOUNT_CREATED,
    ACCOUNT_CHANGED,
    ACCOUNT_DELETED,
)


def service_account(ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId) -> ServiceAccount:
    require(ctx, "service_accounts:read")
    return ACCOUNTS.row(uow, account_id)


def service_account_page(
    ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None
) -> list[ServiceAccount]:
    """Oldest first."""
    require(ctx, "service_accounts:read")
    return ACCOUNTS.page(uow, limit=limit, after=after)
