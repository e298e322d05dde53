"""How a dashboard lies in its tables: what it is listed by in one row, and every version's document in its own."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, and_, func, insert, select

from strata_core.context import Context
from strata_core.instants import shown_instant
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.dashboards import Dashboard, DashboardDraft, SavedBy
from strata_datamodel.errors import NotFoundError, PreconditionError
from strata_datamodel.ids import DashboardId
from strata_datamodel.tables.access import api_keys
from strata_datamodel.tables.dashboards import dashboard_versions, dashboards
from strata_datamodel.tables.users import users


def not_found() -> NotFoundError:
    return NotFoundError("there is no such dashboard", code="dashboard_not_found")


def saved_versions(*columns: Any) -> Select[Any]:
    """Versions with what whoever saved them is called now."""
    table = dashboard_versions
    by_key = and_(api_keys.c.organization_id == table.c.organization_id, api_keys.c.id == table.c.saved_by_id)
    label = func.coalesce(users.c.email, api_keys.c.name, "").label("saved_by_label")
    return (
        select(*columns, label)
        .select_from(table)
        .outerjoin(users, users.c.id == table.c.saved_by_id)
        .outerjoin(api_keys, by_key)
    )


def saver(row: Row[Any]) -> SavedBy:
    return SavedBy(row.saved_by_kind, None if row.saved_by_id is None else str(row.saved_by_id), row.saved_by_label)


def draft_from(document: str) -> DashboardDraft:
    return msgspec.json.decode(document, type=DashboardDraft)


def load(uow: UnitOfWork, dashboard_id: DashboardId, *where: Any) -> Dashboard:
    """As it is now. Raises NotFoundError."""
    d, v = dashboards, dashboard_versions
    wanted = (
        saved_versions(v, d.c.created_at, d.c.updated_at)
        .join(
            d,
            and_(
                d.c.organization_id == v.c.organization_id,
                d.c.id == v.c.dashboard_id,
                d.c.version == v.c.version,
            ),
        )
        .where(d.c.organization_id == uow.organization_id, d.c.id == dashboard_id, *where)
    )
    row = uow.execute(wanted).one_or_none()
    if row is None:
        raise not_found()
    draft = draft_from(row.document)
    return Dashboard(
        **{name: getattr(draft, name) for name in DashboardDraft.__struct_fields__},
        id=dashboard_id,
        version=row.version,
        message=row.message,
        saved_by=saver(row),
        created_at=shown_instant(row.created_at),
        updated_at=shown_instant(row.updated_at),
    )


def locked(uow: UnitOfWork, dashboard_id: DashboardId, version: int) -> Row[Any]:
    """Its row, until the transaction ends. Raises NotFoundError, and PreconditionError when it is another version."""
    d = dashboards
    wanted = select(d.c.title, d.c.folder, d.c.labels, d.c.version)
    wanted = wanted.where(d.c.organization_id == uow.organization_id, d.c.id == dashboard_id)
    row = uow.execute(wanted.with_for_update()).one_or_none()
    if row is None:
        raise not_found()
    if row.version != version:
        raise PreconditionError("the dashboard was changed since you read it", hint="read it again and repeat")
    return row


def listed_values(draft: DashboardDraft) -> Mapping[str, object]:
    return {"title": draft.title, "folder": draft.folder, "tags": list(draft.tags), "labels": draft.labels}


def add_version(
    ctx: Context, uow: UnitOfWork, dashboard_id: UUID, version: int, title: str, document: str, message: str
) -> None:
    uow.execute(
        insert(dashboard_versions),
        {
            "organization_id": uow.organization_id,
            "dashboard_id": dashboard_id,
            "version": version,
            "title": title,
            "message": message,
            "saved_by_kind": ctx.actor.kind.value,
            "saved_by_id": ctx.actor.actor_id,
            "saved_at": uow.now(),
            "document": document,
        },
    )
