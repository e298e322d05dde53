"""Reads of dashboards and of their versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Text, bindparam, func, select

from strata_core.access.filters import within
from strata_core.access.rules import require_somewhere, scopes_of
from strata_core.caching.kinds import DASHBOARDS
from strata_core.caching.read_through import Question
from strata_core.caching.rules import key_of
from strata_core.context import Context
from strata_core.dashboards.diffing import Change, changes_between
from strata_core.dashboards.rows import draft_from, load, not_found, saved_versions, saver
from strata_core.listing.pages import newest_first
from strata_core.listing.views import ListView, columns_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.dashboards import Dashboard, DashboardDraft, SavedBy
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import DashboardId
from strata_datamodel.tables.dashboards import dashboard_versions, dashboards

_READ: Final = "dashboards:read"

DASHBOARD_LIST: Final = ListView(
    permission=_READ,
    source=dashboards,
    organization_id=dashboards.c.organization_id,
    shown=columns_of(dashboards, ("id", "title", "folder", "tags", "labels", "version", "created_at", "updated_at")),
    key=(dashboards.c.title, dashboards.c.id),
    labels=dashboards.c.labels,
    filters={
        "folder": dashboards.c.folder == bindparam("folder", type_=Text),
        "tag": dashboards.c.tags.contains(bindparam("tag", type_=dashboards.c.tags.type)),
        "title_prefix": func.starts_with(dashboards.c.title, bindparam("title_prefix", type_=Text)),
    },
)


@dataclass(frozen=True, slots=True)
class VersionHead:
    version: int
    title: str
    message: str
    saved_by: SavedBy
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class SavedVersion(VersionHead):
    draft: DashboardDraft


def dashboard(ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId) -> Dashboard:
    require_somewhere(ctx, _READ)
    return load(uow, dashboard_id, within(ctx, _READ, dashboards.c.labels))


def dashboard_question(ctx: Context, dashboard_id: DashboardId) -> Question:
    """Under which it is cached: those who may see other labels have another answer."""
    require_somewhere(ctx, _READ)
    return Question(
        ctx.organization_id, DASHBOARDS, key_of("dashboard", str(dashboard_id), repr(scopes_of(ctx, _READ)))
    )


def version_page(
    ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, *, limit: int, before: int | None = None
) -> list[VersionHead]:
    """Newest first."""
    _check_readable(ctx, uow, dashboard_id)
    v = dashboard_versions
    columns = (v.c.version, v.c.title, v.c.message, v.c.saved_by_kind, v.c.saved_by_id, v.c.saved_at)
    wanted = saved_versions(*columns).where(_of(uow, dashboard_id))
    rows = uow.execute(newest_first(wanted, v.c.version, before=before, limit=limit))
    return [VersionHead(row.version, row.title, row.message, saver(row), row.saved_at) for row in rows]


def version_of(ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, version: int) -> SavedVersion:
    """Raises NotFoundError, also for a version that is older than those that are kept."""
    _check_readable(ctx, uow, dashboard_id)
    row = _version(uow, dashboard_id, version)
    return SavedVersion(row.version, row.title, row.message, saver(row), row.saved_at, draft_from(row.document))


def differences(
    ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId, version: int, against: int
) -> tuple[Change, ...]:
    """What has to be done to `against` to make it `version`."""
    _check_readable(ctx, uow, dashboard_id)
    old, new = (_version(uow, dashboard_id, each).document for each in (against, version))
    return changes_between(old, new)


def _check_readable(ctx: Context, uow: UnitOfWork, dashboard_id: DashboardId) -> None:
    """Of a dashboard's versions may be read what may be of the dashboard as it is now."""
    require_somewhere(ctx, _READ)
    here = dashboards.c.organization_id == uow.organization_id
    readable = within(ctx, _READ, dashboards.c.labels)
    if uow.execute(select(dashboards.c.id).where(here, dashboards.c.id == dashboard_id, readable)).first() is None:
        raise not_found()


def _version(uow: UnitOfWork, dashboard_id: DashboardId, version: int) -> Row[Any]:
    wanted = saved_versions(dashboard_versions).where(_of(uow, dashboard_id), dashboard_versions.c.version == version)
    row = uow.execute(wanted).one_or_none()
    if row is None:
        raise NotFoundError("the dashboard has no such version", code="version_not_found")
    return row


def _of(uow: UnitOfWork, dashboard_id: DashboardId) -> ColumnElement[bool]:
    v = dashboard_versions
    return (v.c.organization_id == uow.organization_id) & (v.c.dashboard_id == dashboard_id)
