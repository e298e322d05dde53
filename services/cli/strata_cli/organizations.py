"""`strata orgs`: what an operator does to whole organizations."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import uuid4

from strata_cli.administration import administration
from strata_cli.rendering import out, print_json, print_outcome, print_table
from strata_cli.setup import OPERATOR
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.organizations.belongings import count_rows
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.organizations.operating import resume_organization, set_plan, suspend_organization
from strata_core.organizations.queries import Organization, organization_of, organizations_after
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings

Change = Callable[[Context, UnitOfWork], Organization]


def run_list(settings: Settings, *, as_json: bool) -> None:
    found: list[Organization] = []
    with administration(settings, "strata orgs") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            while page := organizations_after(uow, found[-1].slug if found else None, PAGE_SIZE_MAX):
                found += page
    if as_json:
        print_json([_document(organization) for organization in found])
        return
    rows = [(each.slug, each.name, each.plan, each.status, f"{each.created_at:%Y-%m-%d}") for each in found]
    print_table(("slug", "name", "plan", "status", "created"), rows)


def run_suspend(settings: Settings, org: str, *, reason: str, as_json: bool) -> None:
    _change(settings, org, lambda ctx, uow: suspend_organization(ctx, uow, reason=reason), as_json=as_json)


def run_resume(settings: Settings, org: str, *, reason: str, as_json: bool) -> None:
    _change(settings, org, lambda ctx, uow: resume_organization(ctx, uow, reason=reason), as_json=as_json)


def run_plan(settings: Settings, org: str, plan: str, *, as_json: bool) -> None:
    _change(settings, org, lambda ctx, uow: set_plan(ctx, uow, plan), as_json=as_json)


def run_delete(settings: Settings, org: str, *, confirm: str | None, grace_hours: int, as_json: bool) -> None:
    """Without the slug typed again it is only shown what would go."""
    with administration(settings, "strata orgs") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization = organization_of(uow, org)
        ctx = Context(organization.id, OPERATOR, PERMISSIONS, f"orgs-{uuid4()}")
        with relational.system_units.organization(organization.id) as uow:
            if confirm is None:
                _show_rows(organization, count_rows(uow), as_json=as_json)
                return
            saga_id = request_deletion(ctx, uow, confirm=confirm, grace=timedelta(hours=grace_hours))
    if as_json:
        print_json({"organization_id": str(organization.id), "saga_id": str(saga_id)})
    else:
        out.print(f"{organization.slug} is being deleted. When it is done: strata orgs receipt {organization.slug}")


def _show_rows(organization: Organization, rows: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json({"organization_id": str(organization.id), "rows": rows})
        return
    print_table(("table", "rows"), sorted(rows.items()))
    out.print(
        f"These, and all its metrics, logs and archives, would be gone. --confirm {organization.slug} does it.",
        markup=False,
        soft_wrap=True,
    )


def _change(settings: Settings, org: str, change: Change, *, as_json: bool) -> None:
    with administration(settings, "strata orgs") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization_id = organization_of(uow, org).id
        ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"orgs-{uuid4()}")
        with relational.system_units.organization(organization_id) as uow:
            changed = change(ctx, uow)
    print_outcome(_document(changed), f"{changed.slug}: {changed.status}, plan {changed.plan}", as_json=as_json)


def _document(organization: Organization) -> dict[str, object]:
    return {
        "id": str(organization.id),
        "slug": organization.slug,
        "name": organization.name,
        "plan": organization.plan,
        "status": organization.status,
    }
