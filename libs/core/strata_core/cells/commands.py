"""Placing organizations."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.tiers import metric_placements


def place(uow: UnitOfWork, cell: str, *, also: str | None = None) -> None:
    """The organization that the unit is bound to. Others learn of it within seconds."""
    row = {"cell": cell, "also": also, "changed_at": uow.now()}
    placed = insert(metric_placements).values(organization_id=uow.organization_id, **row)
    uow.execute(placed.on_conflict_do_update(index_elements=["organization_id"], set_=row))


def lock_organization(uow: UnitOfWork) -> str:
    """Its status. Of a move that begins and an erasure that begins, one comes after the other and sees it."""
    wanted = select(organizations.c.status).where(organizations.c.id == uow.organization_id).with_for_update()
    return str(uow.execute(wanted).scalar_one())
