"""What people change. Everything they write is marked as theirs: telemetry leaves it alone from then on."""

from uuid import UUID

from sqlalchemy import delete, func, insert, select

from strata_core.access.rules import is_within, require, require_somewhere, scopes_of
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.inventory.events import DEPENDENCY_ADDED, DEPENDENCY_REMOVED, inventory_event
from strata_core.inventory.queries import dependency_from
from strata_core.inventory.rows import HOST, SERVICE, add, change, is_row, load, load_writable, remove
from strata_core.inventory.rules import Draft, HostDraft, ServiceDraft, check_draft
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, InvalidError, LimitError, NotFoundError, Problem
from strata_datamodel.ids import HostId, ServiceId
from strata_datamodel.inventory import DependencyKind, Host, Service, ServiceDependency, Source
from strata_datamodel.limits import DEPENDENCIES_PER_SERVICE
from strata_datamodel.tables.inventory import service_dependencies


def create_host(ctx: Context, uow: UnitOfWork, draft: HostDraft) -> Host:
    require(ctx, "hosts:write", draft.tags)
    return add(ctx, uow, HOST, _columns(draft))


def replace_host(ctx: Context, uow: UnitOfWork, host_id: HostId, draft: HostDraft, version: int) -> Host:
    require(ctx, "hosts:write", draft.tags)
    values = _columns(draft)
    return change(ctx, uow, HOST, load_writable(ctx, uow, HOST, host_id, version), values)


def delete_host(ctx: Context, uow: UnitOfWork, host_id: HostId, version: int) -> None:
    """Its services go with it, whatever their tags, each with its own audit row. Telemetry that still names it brings
    it back."""
    require_somewhere(ctx, "hosts:write")
    host = load_writable(ctx, uow, HOST, host_id, version)
    table = SERVICE.table
    on_it = select(table).where(table.c.organization_id == ctx.organization_id, table.c.host_id == host_id)
    for row in uow.execute(on_it.order_by(table.c.id).with_for_update()).mappings().all():
        remove(ctx, uow, SERVICE, SERVICE.read(row))
    remove(ctx, uow, HOST, host)


def create_service(ctx: Context, uow: UnitOfWork, draft: ServiceDraft) -> Service:
    require(ctx, "services:write", draft.tags)
    return add(ctx, uow, SERVICE, _service_columns(ctx, uow, draft))


def replace_service(ctx: Context, uow: UnitOfWork, service_id: ServiceId, draft: ServiceDraft, version: int) -> Service:
    require(ctx, "services:write", draft.tags)
    before = load_writable(ctx, uow, SERVICE, service_id, version)
    return change(ctx, uow, SERVICE, before, _service_columns(ctx, uow, draft))


def delete_service(ctx: Context, uow: UnitOfWork, service_id: ServiceId, version: int) -> None:
    """Dependencies from and to it go with it."""
    require_somewhere(ctx, "services:write")
    remove(ctx, uow, SERVICE, load_writable(ctx, uow, SERVICE, service_id, version))


def add_dependency(
    ctx: Context, uow: UnitOfWork, service_id: ServiceId, depends_on_id: ServiceId, kind: DependencyKind
) -> ServiceDependency:
    require_somewhere(ctx, "services:write")
    if service_id == depends_on_id:
        raise InvalidError("a service does not depend on itself", code="depends_on_itself")
    require(ctx, "services:write", load(ctx, uow, SERVICE, service_id, lock=True).tags)
    _check_seen(ctx, load(ctx, uow, SERVICE, depends_on_id))
    table = service_dependencies
    of_service = (table.c.organization_id == ctx.organization_id, table.c.service_id == service_id)
    if uow.execute(select(func.count()).select_from(table).where(*of_service)).scalar_one() >= DEPENDENCIES_PER_SERVICE:
        raise LimitError(
            f"a service has at most {DEPENDENCIES_PER_SERVICE} dependencies", hint="dependencies_per_service"
        )
    values = {
        "organization_id": ctx.organization_id,
        "id": new_id(uow),
        "service_id": service_id,
        "depends_on_id": depends_on_id,
        "kind": kind.value,
    }
    try:
        row = uow.execute(insert(table).values(values).returning(*table.c)).mappings().one()
    except ConflictError as error:
        if error.code != "already_exists":
            raise
        raise ConflictError("this dependency is there already", code=error.code) from None
    dependency = dependency_from(row)
    _tell_dependency(ctx, uow, DEPENDENCY_ADDED, dependency)
    return dependency


def remove_dependency(ctx: Context, uow: UnitOfWork, service_id: ServiceId, dependency_id: UUID) -> None:
    require_somewhere(ctx, "services:write")
    require(ctx, "services:write", load(ctx, uow, SERVICE, service_id, lock=True).tags)
    table = service_dependencies
    wanted = delete(table).where(is_row(ctx, table, dependency_id), table.c.service_id == service_id)
    row = uow.execute(wanted.returning(*table.c)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such dependency")
    _tell_dependency(ctx, uow, DEPENDENCY_REMOVED, dependency_from(row))


def _check_seen(ctx: Context, other: Service) -> None:
    """Nobody learns of a service outside their scope by depending on it."""
    if not any(is_within(ctx, permission, other.tags) for permission in ("services:read", "services:write")):
        raise NotFoundError("no such service")


def _tell_dependency(ctx: Context, uow: UnitOfWork, kind: str, dependency: ServiceDependency) -> None:
    document = {"depends_on_id": str(dependency.depends_on_id), "kind": dependency.kind.value}
    before, after = (None, document) if kind == DEPENDENCY_ADDED else (document, None)
    record(ctx, uow, kind, "service", str(dependency.service_id), before, after)
    append(uow, inventory_event(kind, dependency.id, {"service_id": str(dependency.service_id), **document}))


def _service_columns(ctx: Context, uow: UnitOfWork, draft: ServiceDraft) -> dict[str, object]:
    values = _columns(draft)
    if draft.host_id is not None:
        try:
            host = load(ctx, uow, HOST, draft.host_id)
            if scopes_of(ctx, "hosts:read") and not is_within(ctx, "hosts:read", host.tags):
                raise NotFoundError("no such host")
        except NotFoundError:
            problem = Problem("/host_id", "no such host")
            raise InvalidError("the host does not exist", code="bad_inventory", problems=[problem]) from None
    return values


def _columns(draft: Draft) -> dict[str, object]:
    check_draft(draft)
    written = {name: getattr(draft, name) for name in type(draft).__slots__}
    return {**written, "status": draft.status.value, "source": Source.MANUAL.value}
