"""Changes to dashboards. Every save is a version that stays readable; each is authorised, audited and evented in the
caller's transaction."""

from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select, update

from strata_core.access.rules import require, require_somewhere
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.dashboards.events import DASHBOARD_CHANGED, DASHBOARD_CREATED, DASHBOARD_DELETED, dashboard_event
from strata_core.dashboards.queries import version_of
from strata_core.dashboards.rows import add_version, listed_values, load, locked
from strata_core.dashboards.rules import checked_document
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.dashboards import Dashboard, DashboardDraft
from strata_datamodel.errors import LimitError
from strata_datamodel.ids import DashboardId
from strata_datamodel.limits import DASHBOARD_VERSIONS, DASHBOARDS_PER_ORGANIZATION
from strata_datamodel.tables.dashboards import dashboard_versions, dashboards

_WRITE = "dashboards:write"


def create_dashboard(ctx: Context, uow: UnitOfWork, draft: DashboardDraft, *, message: str = "") -> Dashboard:
    require(ctx, _WRITE, draft.labels)
    document = checked_document(draft)
    here = dashboards.c.organization_id == uow.organization_id
    held = uow.execute(select(func.count()).select_from(dashboards).where(here)).scalar_one()
    if held >= DASHBOARDS_PER_ORGANIZATION:
        raise LimitError(
            f"an organization has at most {DASHBOARDS_PER_ORGANIZATION} dashboards", hint="dashboards_per_organization"
        )
    dashboard_id = DashboardId(new_id(uow))
    ids = {"organization_id": uow.organization_id, "id": dashboard_id}
    uow.execute(insert(dashboards).values({**ids, **listed_values(draft)}))
    add_version(ctx, uow, dashboard_id, 1, draft.title, document, message)
    return _told(ctx, uow, DASHBOARD_CREATED, dashboard_id, None)


def replace_dashboard(
    ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, draft: DashboardDraft, version: int, *, message: str = ""
) -> Dashboard:
    """Inside the caller's scope before and after: nothing is moved in or out."""
    require(ctx, _WRITE, draft.labels)
    document = checked_document(draft)
    before = locked(uow, dashboard_id, version)
    require(ctx, _WRITE, before.labels)
    raised = {"version": version + 1, "updated_at": uow.now()}
    uow.execute(
        update(dashboards)
        .where(dashboards.c.organization_id == uow.organization_id, dashboards.c.id == dashboard_id)
        .values({**listed_values(draft), **raised})
    )
    add_version(ctx, uow, dashboard_id, version + 1, draft.title, document, message)
    _forget_oldest(uow, dashboard_id, version + 1)
    return _told(ctx, uow, DASHBOARD_CHANGED, dashboard_id, {"title": before.title, "version": version})


def restore_dashboard(
    ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, restored: int, version: int, *, message: str = ""
) -> Dashboard:
    """As it was in the version `restored`, as a new version: nothing that was saved is lost."""
    draft = version_of(ctx, uow, dashboard_id, restored).draft
    return replace_dashboard(ctx, uow, dashboard_id, draft, version, message=message or f"version {restored} restored")


def delete_dashboard(ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, version: int) -> None:
    """With all its versions."""
    require_somewhere(ctx, _WRITE)
    before = locked(uow, dashboard_id, version)
    require(ctx, _WRITE, before.labels)
    uow.execute(
        delete(dashboards).where(dashboards.c.organization_id == uow.organization_id, dashboards.c.id == dashboard_id)
    )
    gone = {"title": before.title, "folder": before.folder, "version": version}
    record(ctx, uow, DASHBOARD_DELETED, "dashboard", str(dashboard_id), before=gone)
    append(uow, dashboard_event(DASHBOARD_DELETED, dashboard_id, before.title))


def _forget_oldest(uow: UnitOfWork, dashboard_id: DashboardId, newest: int) -> None:
    table = dashboard_versions
    uow.execute(
        delete(table).where(
            table.c.organization_id == uow.organization_id,
            table.c.dashboard_id == dashboard_id,
            table.c.version <= newest - DASHBOARD_VERSIONS,
        )
    )


def _told(
    ctx: Context, uow: UnitOfWork, kind: str, dashboard_id: DashboardId, before: Mapping[str, object] | None
) -> Dashboard:
    """The audit log names the version, whose document tells what changed."""
    saved = load(uow, dashboard_id)
    after = {"title": saved.title, "folder": saved.folder, "labels": saved.labels, "version": saved.version}
    record(ctx, uow, kind, "dashboard", str(dashboard_id), before=before, after={**after, "message": saved.message})
    append(uow, dashboard_event(kind, dashboard_id, saved.title))
    return saved
