"""Making, changing and deleting service accounts. Their roles are assigned as anybody's are."""

from sqlalchemy import ColumnElement, Executable, delete, func, insert, select, update

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.rules import name_problems
from strata_core.service_accounts.events import ACCOUNT_CHANGED, ACCOUNT_CREATED, ACCOUNT_DELETED, account_event
from strata_core.service_accounts.queries import ServiceAccount, account_row
from strata_datamodel.errors import ConflictError, InvalidError, LimitError
from strata_datamodel.ids import ServiceAccountId
from strata_datamodel.limits import SERVICE_ACCOUNTS_PER_ORGANIZATION
from strata_datamodel.tables.access import api_keys, service_accounts


def create_service_account(ctx: Context, uow: UnitOfWork, *, name: str, description: str = "") -> ServiceAccount:
    """It holds nothing until it is given a role."""
    require(ctx, "service_accounts:write")
    _check(name, description)
    here = service_accounts.c.organization_id == uow.organization_id
    held = uow.execute(select(func.count()).select_from(service_accounts).where(here)).scalar_one()
    if held >= SERVICE_ACCOUNTS_PER_ORGANIZATION:
        raise LimitError(
            f"an organization has at most {SERVICE_ACCOUNTS_PER_ORGANIZATION} service accounts",
            hint="service_accounts_per_organization",
        )
    account_id = ServiceAccountId(new_id(uow))
    ids = {"organization_id": uow.organization_id, "id": account_id}
    _write(uow, insert(service_accounts).values({**ids, "name": name.strip(), "description": description}))
    return _told(ctx, uow, ACCOUNT_CREATED, None, account_row(uow, account_id))


def change_service_account(
    ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId, *, name: str, description: str, version: int
) -> ServiceAccount:
    require(ctx, "service_accounts:write")
    _check(name, description)
    before = account_row(uow, account_id, version=version, lock=True)
    raised = {"version": service_accounts.c.version + 1, "updated_at": uow.now()}
    values = {"name": name.strip(), "description": description, **raised}
    _write(uow, update(service_accounts).where(_is_account(uow, account_id)).values(values))
    return _told(ctx, uow, ACCOUNT_CHANGED, before, account_row(uow, account_id))


def delete_service_account(ctx: Context, uow: UnitOfWork, account_id: ServiceAccountId, version: int) -> None:
    """Its keys go with it and work no more."""
    require(ctx, "service_accounts:write")
    before = account_row(uow, account_id, version=version, lock=True)
    of_account = select(api_keys.c.id).where(
        api_keys.c.organization_id == uow.organization_id, api_keys.c.service_account_id == account_id
    )
    keys = [str(key) for key in uow.execute(of_account.order_by(api_keys.c.id)).scalars()]
    uow.execute(delete(service_accounts).where(_is_account(uow, account_id)))
    gone = {**_document(before), "keys": keys}
    record(ctx, uow, ACCOUNT_DELETED, "service_account", str(account_id), before=gone)
    append(uow, account_event(ACCOUNT_DELETED, account_id, {"name": before.name}))


def _is_account(uow: UnitOfWork, account_id: ServiceAccountId) -> ColumnElement[bool]:
    return (service_accounts.c.organization_id == uow.organization_id) & (service_accounts.c.id == account_id)


def _check(name: str, description: str) -> None:
    problems = name_problems(name, description)
    if problems:
        raise InvalidError("this service account cannot be kept", code="bad_service_account", problems=problems)


def _write(uow: UnitOfWork, statement: Executable) -> None:
    try:
        uow.execute(statement)
    except ConflictError as error:
        if error.code != "already_exists":
            raise
        raise ConflictError("there is a service account of this name", code="service_account_name_taken") from error


def _told(
    ctx: Context, uow: UnitOfWork, kind: str, before: ServiceAccount | None, after: ServiceAccount
) -> ServiceAccount:
    old = None if before is None else _document(before)
    record(ctx, uow, kind, "service_account", str(after.id), before=old, after=_document(after))
    append(uow, account_event(kind, after.id, {"name": after.name}))
    return after


def _document(account: ServiceAccount) -> dict[str, object]:
    return {"name": account.name, "description": account.description}
