"""What hosts and services have in common: each change is checked, written, audited and told in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, select, update

from strata_core.access.rules import is_within, require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.inventory.events import (
    HOST_CHANGED,
    HOST_CREATED,
    HOST_DELETED,
    SERVICE_CHANGED,
    SERVICE_CREATED,
    SERVICE_DELETED,
    inventory_event,
)
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError, PreconditionError
from strata_datamodel.inventory import EntityStatus, Host, Service, Source
from strata_datamodel.limits import HOSTS_PER_ORGANIZATION, SERVICES_PER_ORGANIZATION
from strata_datamodel.tables.inventory import hosts, services

E = TypeVar("E", Host, Service)


@dataclass(frozen=True, slots=True)
class Kind(Generic[E]):
    word: str
    table: Table
    read: Callable[[Mapping[Any, Any]], E]
    limit: int
    created: str  # what is told of it, as of what follows
    changed: str
    deleted: str


def host_from(row: Mapping[Any, Any]) -> Host:
    values = {name: row[name] for name in Host.__slots__}
    return Host(**{**values, "status": EntityStatus(row["status"]), "source": Source(row["source"])})


def service_from(row: Mapping[Any, Any]) -> Service:
    values = {name: row[name] for name in Service.__slots__}
    return Service(**{**values, "status": EntityStatus(row["status"]), "source": Source(row["source"])})


HOST: Final[Kind[Host]] = Kind(
    "host", hosts, host_from, HOSTS_PER_ORGANIZATION, HOST_CREATED, HOST_CHANGED, HOST_DELETED
)
SERVICE: Final[Kind[Service]] = Kind(
    "service", services, service_from, SERVICES_PER_ORGANIZATION, SERVICE_CREATED, SERVICE_CHANGED, SERVICE_DELETED
)


def is_row(ctx: Context, table: Table, entity_id: UUID) -> ColumnElement[bool]:
    return and_(table.c.organization_id == ctx.organization_id, table.c.id == entity_id)


def load(ctx: Context, uow: UnitOfWork, kind: Kind[E], entity_id: UUID, *, lock: bool = False) -> E:
    wanted = select(kind.table).where(is_row(ctx, kind.table, entity_id))
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no such {kind.word}")
    return kind.read(row)


def load_readable(ctx: Context, uow: UnitOfWork, kind: Kind[E], entity_id: UUID) -> E:
    """What is outside the caller's scope is as good as missing."""
    entity = load(ctx, uow, kind, entity_id)
    if not is_within(ctx, f"{kind.word}s:read", entity.tags):
        raise NotFoundError(f"no such {kind.word}")
    return entity


def load_writable(ctx: Context, uow: UnitOfWork, kind: Kind[E], entity_id: UUID, version: int) -> E:
    """Locked. Raises DeniedError (code `outside_scope`) for what the caller may not change."""
    entity = load_version(ctx, uow, kind, entity_id, version)
    require(ctx, f"{kind.word}s:write", entity.tags)
    return entity


def load_version(ctx: Context, uow: UnitOfWork, kind: Kind[E], entity_id: UUID, version: int) -> E:
    """Locked. Raises PreconditionError when it is not the version the caller read."""
    entity = load(ctx, uow, kind, entity_id, lock=True)
    if entity.version != version:
        raise PreconditionError(
            f"the {kind.word} was changed since you read it", hint="read it again and repeat your change"
        )
    return entity


def room(ctx: Context, uow: UnitOfWork, kind: Kind[E]) -> int:
    """How many more the organization may have."""
    mine = kind.table.c.organization_id == ctx.organization_id
    held = uow.execute(select(func.count()).select_from(kind.table).where(mine)).scalar_one()
    return max(0, kind.limit - int(held))


def add(ctx: Context, uow: UnitOfWork, kind: Kind[E], values: Mapping[str, object]) -> E:
    if room(ctx, uow, kind) == 0:
        raise LimitError(
            f"an organization has at most {kind.limit} {kind.word}s", hint=f"{kind.word}s_per_organization"
        )
    statement = insert(kind.table).values(organization_id=ctx.organization_id, id=new_id(uow), **values)
    try:
        row = uow.execute(statement.returning(*kind.table.c)).mappings().one()
    except ConflictError as error:
        raise _named(kind, error) from None
    entity = kind.read(row)
    tell(ctx, uow, kind.created, None, entity)
    return entity


def change(ctx: Context, uow: UnitOfWork, kind: Kind[E], before: E, values: Mapping[str, object]) -> E:
    """`before` is locked by this transaction."""
    table = kind.table
    statement = update(table).where(is_row(ctx, table, before.id))
    raised = statement.values(**values, version=table.c.version + 1, updated_at=uow.now())
    try:
        row = uow.execute(raised.returning(*table.c)).mappings().one()
    except ConflictError as error:
        raise _named(kind, error) from None
    after = kind.read(row)
    tell(ctx, uow, kind.changed, before, after)
    return after


def remove(ctx: Context, uow: UnitOfWork, kind: Kind[E], before: E) -> None:
    uow.execute(delete(kind.table).where(is_row(ctx, kind.table, before.id)))
    tell(ctx, uow, kind.deleted, before, None)


def tell(ctx: Context, uow: UnitOfWork, event: str, before: E | None, after: E | None) -> None:
    entity = after or before
    if entity is None:
        return
    documents = [None if one is None else asdict(one) for one in (before, after)]
    word = event.partition(".")[0]
    record(ctx, uow, event, word, str(entity.id), documents[0], documents[1])
    payload = {"name": entity.name, "status": entity.status.value, "source": entity.source.value}
    append(uow, inventory_event(event, entity.id, payload))


def _named(kind: Kind[E], error: ConflictError) -> ConflictError:
    if error.code != "already_exists":
        return error
    return ConflictError(f"there is a {kind.word} of this name already", code=error.code, hint="choose another name")
