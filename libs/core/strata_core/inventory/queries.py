"""Reads of the inventory."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from strata_core.access.filters import within
from strata_core.access.rules import require_somewhere
from strata_core.context import Context
from strata_core.inventory.rows import HOST, SERVICE, load_readable
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import HostId, ServiceId
from strata_datamodel.inventory import DependencyKind, Host, Service, ServiceDependency
from strata_datamodel.tables.inventory import service_dependencies, services


def host(ctx: Context, uow: UnitOfWork, host_id: HostId) -> Host:
    require_somewhere(ctx, "hosts:read")
    return load_readable(ctx, uow, HOST, host_id)


def service(ctx: Context, uow: UnitOfWork, service_id: ServiceId) -> Service:
    require_somewhere(ctx, "services:read")
    return load_readable(ctx, uow, SERVICE, service_id)


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
