"""Reads of the inventory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, func, select, tuple_

from strata_core.access.filters import within
from strata_core.access.rules import require_somewhere
from strata_core.context import Context
from strata_core.inventory.rows import HOST, SERVICE, host_from, load_readable, service_from
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import HostId, ServiceId
from strata_datamodel.inventory import DependencyKind, EntityStatus, Host, Service, ServiceDependency
from strata_datamodel.tables.inventory import hosts, service_dependencies, services


@dataclass(frozen=True, slots=True)
class InventoryFilter:
    """None leaves a thing open. `tag` is a key, or a key and its value; `host_id` is for services."""

    status: EntityStatus | None = None
    environment: str | None = None
    tag: tuple[str, str | None] | None = None
    name_prefix: str | None = None
    host_id: HostId | None = None


EVERYTHING = InventoryFilter()


def host(ctx: Context, uow: UnitOfWork, host_id: HostId) -> Host:
    require_somewhere(ctx, "hosts:read")
    return load_readable(ctx, uow, HOST, host_id)


def host_page(
    ctx: Context, uow: UnitOfWork, *, limit: int, after: str | None = None, where: InventoryFilter = EVERYTHING
) -> list[Host]:
    """By name, which is unique: `after` is the last one seen."""
    require_somewhere(ctx, "hosts:read")
    wanted = _filtered(ctx, select(hosts), hosts, where).where(within(ctx, "hosts:read", hosts.c.tags))
    if after is not None:
        wanted = wanted.where(hosts.c.name > after)
    return [host_from(row) for row in uow.execute(wanted.order_by(hosts.c.name).limit(limit)).mappings()]


def service(ctx: Context, uow: UnitOfWork, service_id: ServiceId) -> Service:
    require_somewhere(ctx, "services:read")
    return load_readable(ctx, uow, SERVICE, service_id)


def service_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: tuple[str, UUID] | None = None,
    where: InventoryFilter = EVERYTHING,
) -> list[Service]:
    """By (name, id)."""
    require_somewhere(ctx, "services:read")
    wanted = _filtered(ctx, select(services), services, where).where(within(ctx, "services:read", services.c.tags))
    if where.host_id is not None:
        wanted = wanted.where(services.c.host_id == where.host_id)
    if after is not None:
        wanted = wanted.where(tuple_(services.c.name, services.c.id) > after)
    ordered = wanted.order_by(services.c.name, services.c.id).limit(limit)
    return [service_from(row) for row in uow.execute(ordered).mappings()]


def dependencies(ctx: Context, uow: UnitOfWork, service_id: ServiceId) -> list[ServiceDependency]:
    """What the service depends on. Raises NotFoundError when there is no such service."""
    return _dependencies(ctx, uow, service_id, service_dependencies.c.service_id, service_dependencies.c.depends_on_id)


def dependents(ctx: Context, uow: UnitOfWork, service_id: ServiceId) -> list[ServiceDependency]:
    """What depends on the service, directly."""
    return _dependencies(ctx, uow, service_id, service_dependencies.c.depends_on_id, service_dependencies.c.service_id)


def dependency_from(row: Mapping[Any, Any]) -> ServiceDependency:
    values = {name: row[name] for name in ServiceDependency.__slots__}
    return ServiceDependency(**{**values, "kind": DependencyKind(row["kind"])})


def _dependencies(
    ctx: Context, uow: UnitOfWork, service_id: ServiceId, end: ColumnElement[Any], other_end: ColumnElement[Any]
) -> list[ServiceDependency]:
    require_somewhere(ctx, "services:read")
    load_readable(ctx, uow, SERVICE, service_id)
    here = service_dependencies.c.organization_id == ctx.organization_id
    other = and_(services.c.organization_id == service_dependencies.c.organization_id, services.c.id == other_end)
    wanted = select(service_dependencies).join(services, other)
    wanted = wanted.where(here, end == service_id, within(ctx, "services:read", services.c.tags))
    rows = uow.execute(wanted.order_by(service_dependencies.c.id)).mappings()
    return [dependency_from(row) for row in rows]


def _filtered(
    ctx: Context, wanted: Select[*tuple[Any, ...]], table: Table, where: InventoryFilter
) -> Select[*tuple[Any, ...]]:
    wanted = wanted.where(table.c.organization_id == ctx.organization_id)
    if where.status is not None:
        wanted = wanted.where(table.c.status == where.status.value)
    if where.environment is not None:
        wanted = wanted.where(table.c.environment == where.environment)
    if where.tag is not None:
        key, value = where.tag
        wanted = wanted.where(table.c.tags.has_key(key) if value is None else table.c.tags.contains({key: value}))
    if where.name_prefix is not None:
        wanted = wanted.where(func.starts_with(table.c.name, where.name_prefix))
    return wanted
