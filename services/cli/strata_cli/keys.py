"""`strata keys`: an organization's API keys, for an operator at the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from strata_cli.administration import administration
from strata_cli.rendering import out, print_json, print_table
from strata_cli.setup import OPERATOR
from strata_core.access.commands import create_api_key, revoke_api_key
from strata_core.access.permissions import PERMISSIONS
from strata_core.access.queries import api_keys_after
from strata_core.context import Context
from strata_core.organizations.queries import organization_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import ApiKeyId, OrganizationId
from strata_datamodel.limits import API_KEYS_PER_ORGANIZATION
from strata_stores.settings import Settings


@contextmanager
def _organization(settings: Settings, org: str) -> Iterator[tuple[Context, UnitOfWork]]:
    with administration(settings, "strata keys") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization_id = OrganizationId(organization_of(uow, org).id)
        ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"keys-{uuid4()}")
        with relational.system_units.organization(organization_id) as uow:
            yield ctx, uow


def run_list(settings: Settings, org: str, *, as_json: bool) -> None:
    with _organization(settings, org) as (_, uow):
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


def run_create(settings: Settings, org: str, *, name: str, scopes: list[str], days: int | None, as_json: bool) -> None:
    with _organization(settings, org) as (ctx, uow):
        expires_at = uow.now() + timedelta(days=days) if days else None
        new = create_api_key(
            ctx, uow, name=name, scopes=scopes, environment=settings.environment, expires_at=expires_at
        )
    if as_json:
        print_json({"id": str(new.key.id), "token": new.text})
    else:
        out.print("Shown now and never again:", markup=False)
        out.print(f"  {new.text}", markup=False, soft_wrap=True)


def run_revoke(settings: Settings, org: str, key_id: UUID) -> None:
    with _organization(settings, org) as (ctx, uow):
        revoked = revoke_api_key(ctx, uow, ApiKeyId(key_id))
    out.print(f"{revoked.name} is revoked; it stops working everywhere within 5 seconds.", markup=False)
