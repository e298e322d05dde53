"""All rows of an organization, found by asking the tables themselves: one that is added later is not forgotten."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Select, Table, delete, func, select, tuple_

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.server_metrics.lists import region_days
from strata_datamodel.ids import SagaId
from strata_datamodel.tables.all import metadata
from strata_datamodel.tables.erasing import receipts, tombstones
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.sagas import saga_steps, sagas

KEPT: Final = frozenset({tombstones.name, receipts.name, sagas.name, saga_steps.name})
"""What proves the deletion stays, and so does the saga that does it; others' sagas go."""
ROWS_PER_BITE: Final = 10_000


@cache
def belonging_tables() -> tuple[Table, ...]:
    """Those with rows of organizations, such that no row is deleted before one that refers to it. None is left to go
    with the organization's own row: they may hold more than one statement can delete."""
    return tuple(
        table for table in reversed(metadata.sorted_tables) if "organization_id" in table.c and table.name not in KEPT
    )


def count_rows(uow: UnitOfWork) -> dict[str, int]:
    """By table, the organization's own row among them; tables without any are left out. A statement each, as none may
    take long."""
    here = uow.organization_id
    wanted = {str(table.name): _count(table).where(table.c.organization_id == here) for table in belonging_tables()}
    wanted[str(organizations.name)] = _count(organizations).where(organizations.c.id == here)
    wanted[str(region_days.name)] = _count(region_days).where(region_days.c.organization_id == here)
    counts = {name: int(uow.execute(count).scalar_one()) for name, count in wanted.items()}
    return {name: count for name, count in counts.items() if count}


def delete_bite(uow: UnitOfWork, saga_id: SagaId) -> bool:
    """Up to ROWS_PER_BITE rows; whether there may be more. Behind its tombstone only, which the audit log, alerts,
    rules and webhooks are held by. The organization's own row goes last. Idempotent."""
    here, room = uow.organization_id, ROWS_PER_BITE
    for table in belonging_tables():
        room -= _delete(uow, table, table.c.organization_id == here, room)
        if room <= 0:
            return True
    room -= _delete(uow, sagas, (sagas.c.organization_id == here) & (sagas.c.id != saga_id), room)
    if room <= 0:
        return True
    if uow.execute(select(region_days.c.day).where(region_days.c.organization_id == here).limit(1)).first():
        uow.execute(select(func.app.refresh_server_summaries()))  # made of rows that are gone by now
    uow.execute(delete(organizations).where(organizations.c.id == here))
    return False


def delete_rows(uow: UnitOfWork, saga_id: SagaId) -> None:
    """All in one transaction: for an organization that never opened, and for what came late. Idempotent."""
    while delete_bite(uow, saga_id):
        pass


def _count(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)


def _delete(uow: UnitOfWork, table: Table, where: ColumnElement[bool], limit: int) -> int:
    key = tuple_(*table.primary_key.columns)
    bite = select(*table.primary_key.columns).where(where).limit(limit)
    return int(uow.execute(delete(table).where(where, key.in_(bite))).rowcount)


def total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
