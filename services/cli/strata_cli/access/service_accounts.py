"""`strata service-accounts`: what programs act as, and their keys."""

from datetime import timedelta

from strata_cli.access.acting import acting
from strata_cli.access.holders import print_holders, reworded, tell
from strata_cli.access.naming import account_named, all_accounts
from strata_cli.keys import print_new_key
from strata_core.access.commands import create_api_key
from strata_core.access.key_rows import KeyDraft
from strata_core.service_accounts.commands import (
    change_service_account,
    create_service_account,
    delete_service_account,
)
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, acting_as: str | None, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        found = all_accounts(who)
    print_holders("account", found, as_json=as_json)


def run_create(
    settings: Settings, org: str, acting_as: str | None, name: str, description: str, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        made = create_service_account(who.ctx, who.uow, name=name, description=description)
    tell(made, "is made, and may do nothing until it is given a role", as_json=as_json)


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
        wanted, text = reworded(before, new_name, description)
        changed = change_service_account(
            who.ctx, who.uow, before.id, name=wanted, description=text, version=before.version
        )
    tell(changed, "is changed", as_json=as_json)


def run_delete(settings: Settings, org: str, acting_as: str | None, name: str, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "service-accounts") as who:
        gone = account_named(who, name)
        delete_service_account(who.ctx, who.uow, gone.id, gone.version)
    tell(gone, "is deleted; its keys stop working everywhere within 5 seconds", as_json=as_json)


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
        draft = KeyDraft(
            name=name,
            scopes=scopes,
            environment=settings.environment,
            expires_at=who.uow.now() + timedelta(days=days) if days else None,
            service_account_id=account_named(who, account).id,
        )
        new = create_api_key(who.ctx, who.uow, draft)
    print_new_key(new, as_json=as_json)
