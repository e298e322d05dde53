"""All rows of an organization, found by asking the tables themselves: one that is added later is not forgotten."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from sqlalchemy import Select, Table, delete, func, select, tuple_

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.tables.all import metadata
from strata_datamodel.tables.erasing import receipts, tombstones
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.sagas import saga_steps, sagas

KEPT: Final = frozenset({tombstones.name, receipts.name, sagas.name, saga_steps.name})
"""What proves the deletion stays, and so does the saga that does it; others' sagas go."""
_ROWS_PER_STATEMENT: Final = 10_000


@cache
def belonging_tables() -> tuple[Table, ...]:
    """Those with rows of organizations, such that no row is deleted before one that refers to it."""
    return tuple(
        table for table in reversed(metadata.sorted_tables) if "organization_id" in table.c and table.name not in KEPT
    )


@cache
def tables_left_behind() -> tuple[Table, ...]:
    """Those that the database does not empty by itself, with the organization's own row."""
    return tuple(table for table in belonging_tables() if not _goes_along(table))


def count_rows(uow: UnitOfWork) -> dict[str, int]:
    """By table, the organization's own row among them; tables without any are left out. A statement each, as none may
    take long."""
    here = uow.organization_id
    wanted = {str(table.name): _count(table).where(table.c.organization_id == here) for table in belonging_tables()}
    wanted[str(organizations.name)] = _count(organizations).where(organizations.c.id == here)
    counts = {name: int(uow.execute(count).scalar_one()) for name, count in wanted.items()}
    return {name: count for name, count in counts.items() if count}


def delete_rows(uow: UnitOfWork, saga_id: SagaId) -> None:
    """Idempotent. The audit log too, which the database allows behind a tombstone only."""
    here = uow.organization_id
    for table in tables_left_behind():
        _empty(uow, table, here)
    uow.execute(delete(organizations).where(organizations.c.id == here))
    uow.execute(delete(sagas).where(sagas.c.organization_id == here, sagas.c.id != saga_id))


def _count(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)


def _empty(uow: UnitOfWork, table: Table, organization_id: OrganizationId) -> None:
    """In bites, as no statement may take long."""
    key = tuple_(*table.primary_key.columns)
    bite = select(*table.primary_key.columns).where(table.c.organization_id == organization_id)
    while uow.execute(
        delete(table).where(table.c.organization_id == organization_id, key.in_(bite.limit(_ROWS_PER_STATEMENT)))
    ).rowcount:
        pass


def _goes_along(table: Table) -> bool:
    return any(
        constraint.ondelete == "CASCADE"
        and (constraint.referred_table is organizations or _goes_along(constraint.referred_table))
        for constraint in table.foreign_key_constraints
    )


def total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
