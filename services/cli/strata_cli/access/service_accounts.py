"""`strata service-accounts`: what programs act as, and their keys."""

from datetime import timedelta

from strata_cli.access.acting import acting
from strata_cli.access.naming import account_named, all_accounts
from strata_cli.rendering import out, print_json, print_table
from strata_core.access.commands import create_api_key
from strata_core.service_accounts.commands import (
    change_service_account,
    create_service_account,
    delete_service_account,
)
from strata_core.service_accounts.queries import ServiceAccount
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, acting_as: str | None, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        found = all_accounts(who)
    if as_json:
        print_json([_document(each) for each in found])
    else:
        print_table(("id", "account", "description"), [(each.id, each.name, each.description) for each in found])


def run_create(
    settings: Settings, org: str, acting_as: str | None, name: str, description: str, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        made = create_service_account(who.ctx, who.uow, name=name, description=description)
    _tell(made, "is made, and may do nothing until it is given a role", as_json=as_json)


def run_update(
    settings: Settings,
    org: str,
    acting_as: str | None,
    name: str,
    new_name: str | None,
    description: str | None,
    *,
    as_json: bool,
) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        before = account_named(who, name)
        changed = change_service_account(
            who.ctx,
            who.uow,
            before.id,
            name=before.name if new_name is None else new_name,
            description=before.description if description is None else description,
            version=before.version,
        )
    _tell(changed, "is changed", as_json=as_json)


def run_delete(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        gone = account_named(who, name)
        delete_service_account(who.ctx, who.uow, gone.id, gone.version)
    _tell(gone, "is deleted; its keys stop working everywhere within 5 seconds", as_json=as_json)


def run_key(
    settings: Settings,
    org: str,
    acting_as: str | None,
    account: str,
    *,
    name: str,
    scopes: list[str],
    days: int | None,
    as_json: bool,
) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        new = create_api_key(
            who.ctx,
            who.uow,
            name=name,
            scopes=scopes,
            environment=settings.environment,
            expires_at=who.uow.now() + timedelta(days=days) if days else None,
            service_account_id=account_named(who, account).id,
        )
    if as_json:
        print_json({"id": str(new.key.id), "token": new.text})
    else:
        out.print("Shown now and never again:", markup=False)
        out.print(f"  {new.text}", markup=False, soft_wrap=True)


def _tell(account: ServiceAccount, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(account))
    else:
        out.print(f"{account.name} {what}", markup=False)


def _document(each: ServiceAccount) -> dict[str, object]:
    return {"id": str(each.id), "name": each.name, "description": each.description, "version": each.version}
