"""Making, changing and deleting service accounts. Their roles are assigned as anybody's are."""

from sqlalchemy import select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.service_accounts.queries import ACCOUNTS, ServiceAccount
from strata_datamodel.ids import ServiceAccountId
from strata_datamodel.tables.access import api_keys


def create_service_account(ctx: Context, uow: UnitOfWork, *, name: str, description: str = "") -> ServiceAccount:
    """It holds nothing until it is given a role."""
    require(ctx, "service_accounts:write")
    return ACCOUNTS.make(ctx, uow, name, description)


def change_service_account(
    ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId, *, name: str, description: str, version: int
) -> ServiceAccount:
    require(ctx, "service_accounts:write")
    return ACCOUNTS.change(ctx, uow, account_id, version, name, description)


def delete_service_account(ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId, version: int) -> None:
    """Its keys go with it and work no more."""
    require(ctx, "service_accounts:write")
    gone = ACCOUNTS.row(uow, account_id, version=version, lock=True)
    of_account = select(api_keys.c.id).where(
        api_keys.c.organization_id == uow.organization_id, api_keys.c.service_account_id == account_id
    )
    keys = [str(key) for key in uow.execute(of_account.order_by(api_keys.c.id)).scalars()]
    ACCOUNTS.remove(ctx, uow, gone, keys=keys)
