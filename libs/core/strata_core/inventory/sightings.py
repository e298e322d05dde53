"""What telemetry brings in by itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, any_, bindparam, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from strata_core.context import Actor, ActorKind, Context
from strata_core.inventory.rows import HOST, SERVICE, E, Kind, change, room, tell
from strata_core.inventory.rules import host_changes, is_due_for_touch, merged_sightings, seen_services, service_changes
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import HostId
from strata_datamodel.inventory import EntityStatus, Host, Service, Sighting, Source
from strata_datamodel.tables.inventory import hosts, services

TELEMETRY: Final = Actor(ActorKind.SYSTEM, None, "telemetry")
ServiceKey = tuple[HostId | None, str]
K = TypeVar("K", str, ServiceKey)


@dataclass(frozen=True, slots=True)
class SightingsRecorded:
    """`refused` is how many new hosts and services there was no room for."""

    hosts_created: int
    services_created: int
    changed: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Watch(Generic[K, E]):
    """How sightings of one kind meet its rows. `new` holds the columns of one that is not known yet."""

    kind: Kind[E]
    key_of: Callable[[E], K]
    among: ColumnElement[bool]
    seen_at: Mapping[K, datetime]
    new: Callable[[K], Mapping[str, object]]
    changes: Callable[[E], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class _Met(Generic[K, E]):
    entities: Mapping[K, E]
    created: int
    changed: int
    refused: int


def record_sightings(
    uow: UnitOfWork, sightings: Iterable[Sighting], *, request_id: str = "telemetry"
) -> SightingsRecorded:
    """Brings in unknown hosts and services, and notes that known ones were seen. What a person wrote stays as it is.
    Every new entity and every change is audited and told; that something was seen once more is not. Idempotent. Safe
    beside others that record the same: rows they hold are left to them."""
    ctx = Context(uow.organization_id, TELEMETRY, frozenset(), request_id)
    listed = list(sightings)
    met_hosts = _meet(ctx, uow, _host_watch(merged_sightings(listed)))
    host_ids = {name: host.id for name, host in met_hosts.entities.items()}
    met_services = _meet(ctx, uow, _service_watch(seen_services(listed, host_ids)))
    return SightingsRecorded(
        hosts_created=met_hosts.created,
        services_created=met_services.created,
        changed=met_hosts.changed + met_services.changed,
        refused=met_hosts.refused + met_services.refused,
    )


def _host_watch(seen: Mapping[str, Sighting]) -> _Watch[str, Host]:
    def new(name: str) -> dict[str, object]:
        sighting = seen[name]
        return {
            "name": name,
            "environment": sighting.environment,
            "datacenter": sighting.datacenter,
            "region": sighting.region,
            "agent_version": sighting.agent_version,
            "tags": dict(sighting.tags),
        }

    return _Watch(
        kind=HOST,
        key_of=lambda host: host.name,
        among=hosts.c.name == any_(literal(list(seen), ARRAY(Text))),
        seen_at={name: sighting.seen_at for name, sighting in seen.items()},
        new=new,
        changes=lambda host: host_changes(host, seen[host.name]),
    )


def _service_watch(seen: Mapping[ServiceKey, datetime]) -> _Watch[ServiceKey, Service]:
    host_ids = list({host_id for host_id, _ in seen if host_id is not None})
    names = list({name for _, name in seen})
    on_known_host = or_(services.c.host_id.is_(None), services.c.host_id == any_(literal(host_ids, ARRAY(Uuid))))
    return _Watch(
        kind=SERVICE,
        key_of=lambda service: (service.host_id, service.name),
        among=and_(services.c.name == any_(literal(names, ARRAY(Text))), on_known_host),
        seen_at=seen,
        new=lambda key: {"host_id": key[0], "name": key[1]},
        changes=service_changes,
    )


def _meet(ctx: Context, uow: UnitOfWork, watch: _Watch[K, E]) -> _Met[K, E]:
    if not watch.seen_at:
        return _Met({}, 0, 0, 0)
    known = _find(ctx, uow, watch)
    missing = [key for key in watch.seen_at if key not in known]
    allowed = missing[: room(ctx, uow, watch.kind)] if missing else []
    created = _create(ctx, uow, watch, allowed)
    if len(created) < len(allowed):  # others were faster by a moment: theirs are as good
        known = _find(ctx, uow, watch)
    changed = _refresh(ctx, uow, watch, known)
    return _Met({**known, **created}, len(created), changed, len(missing) - len(allowed))


def _find(ctx: Context, uow: UnitOfWork, watch: _Watch[K, E]) -> dict[K, E]:
    table = watch.kind.table
    rows = uow.execute(select(table).where(table.c.organization_id == ctx.organization_id, watch.among)).mappings()
    entities = [watch.kind.read(row) for row in rows]
    return {key: entity for entity in entities if (key := watch.key_of(entity)) in watch.seen_at}


def _create(ctx: Context, uow: UnitOfWork, watch: _Watch[K, E], keys: Sequence[K]) -> dict[K, E]:
    """In one order everywhere, so that two that bring in the same wait for each other and never for a cycle."""
    if not keys:
        return {}
    born = {"status": EntityStatus.UP.value, "source": Source.TELEMETRY.value, "organization_id": ctx.organization_id}
    rows = [
        {**watch.new(key), **born, "id": new_id(uow), "first_seen_at": at, "last_seen_at": at}
        for key in sorted(keys, key=str)
        for at in (watch.seen_at[key],)
    ]
    table = watch.kind.table
    added = uow.execute(insert(table).on_conflict_do_nothing().returning(*table.c), rows).mappings()
    entities = [watch.kind.read(row) for row in added]
    for entity in entities:
        tell(ctx, uow, watch.kind.created, None, entity)
    return {watch.key_of(entity): entity for entity in entities}


def _refresh(ctx: Context, uow: UnitOfWork, watch: _Watch[K, E], known: Mapping[K, E]) -> int:
    """How many changed. Rows that somebody else holds are passed over: they are being refreshed or edited this instant,
    and the next sighting is not far."""
    due = [
        entity.id
        for key, entity in known.items()
        if watch.changes(entity) or is_due_for_touch(entity.last_seen_at, watch.seen_at[key])
    ]
    if not due:
        return 0
    table = watch.kind.table
    mine = and_(table.c.organization_id == ctx.organization_id, table.c.id == any_(literal(due, ARRAY(Uuid))))
    rows = uow.execute(select(table).where(mine).order_by(table.c.id).with_for_update(skip_locked=True)).mappings()
    held = [entity for row in rows.all() if watch.key_of(entity := watch.kind.read(row)) in watch.seen_at]
    _touch(ctx, uow, watch, held)
    changing = [(entity, changes) for entity in held if (changes := watch.changes(entity))]
    for entity, changes in changing:
        change(ctx, uow, watch.kind, entity, changes)
    return len(changing)


def _touch(ctx: Context, uow: UnitOfWork, watch: _Watch[K, E], held: Sequence[E]) -> None:
    """Leaves the version alone: who edits an entity must not be told that it changed because it was seen."""
    rows: list[dict[str, Any]] = []
    for entity in held:
        at = watch.seen_at[watch.key_of(entity)]
        if is_due_for_touch(entity.last_seen_at, at):
            rows.append({"touched": entity.id, "last": at, "first": entity.first_seen_at or at})
    if rows:
        table = watch.kind.table
        touched: ColumnElement[bool] = table.c.id == bindparam("touched", type_=Uuid[UUID]())
        statement = update(table).where(table.c.organization_id == ctx.organization_id, touched)
        uow.execute(statement.values(last_seen_at=bindparam("last"), first_seen_at=bindparam("first")), rows)
