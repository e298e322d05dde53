"""`strata keys`: an organization's API keys, for an operator at the console."""

from datetime import timedelta
from uuid import UUID

from strata_cli.operating import as_operator
from strata_cli.rendering import out, print_json, print_table
from strata_core.access.commands import create_api_key, revoke_api_key
from strata_core.access.key_rows import KeyDraft, NewKey
from strata_core.access.queries import api_keys_after
from strata_datamodel.ids import ApiKeyId
from strata_datamodel.limits import API_KEYS_PER_ORGANIZATION
from strata_stores.settings import Settings


def run_list(settings: Settings, org: str, *, as_json: bool) -> None:
    with as_operator(settings, org, "keys") as (_, uow):
        keys = api_keys_after(uow, None, API_KEYS_PER_ORGANIZATION)
    if as_json:
        print_json(
            [{"id": str(key.id), "key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)} for key in keys]
        )
        return
    rows = [
        (key.id, key.name, " ".join(key.scopes), f"{key.created_at:%Y-%m-%d}", "revoked" if key.revoked_at else "")
        for key in keys
    ]
    print_table(("id", "name", "scopes", "created", ""), rows)


def run_create(
    settings: Settings,
    org: str,
    *,
    name: str,
    scopes: list[str],
    networks: list[str],
    days: int | None,
    as_json: bool,
) -> None:
    with as_operator(settings, org, "keys") as (ctx, uow):
        expires_at = uow.now() + timedelta(days=days) if days else None
        draft = KeyDraft(name, scopes, settings.environment, expires_at, networks)
        new = create_api_key(ctx, uow, draft)
    print_new_key(new, as_json=as_json)


def print_new_key(new: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": str(new.key.id), "token": new.text})
    else:
        out.print("Shown now and never again:", markup=False)
        out.print(f"  {new.text}", markup=False, soft_wrap=True)


def run_revoke(settings: Settings, org: str, key_id: UUID) -> None:
    with as_operator(settings, org, "keys") as (ctx, uow):
        revoked = revoke_api_key(ctx, uow, ApiKeyId(key_id))
    out.print(f"{revoked.name} is revoked; it stops working everywhere within 5 seconds.", markup=False)
