"""Placing organizations. Only sagas do."""

from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.tiers import metric_placements


def place(uow: UnitOfWork, cell: str, *, also: str | None = None) -> None:
    """The organization that the unit is bound to. Others learn of it within seconds."""
    row = {"cell": cell, "also": also, "changed_at": uow.now()}
    placed = insert(metric_placements).values(organization_id=uow.organization_id, **row)
    uow.execute(placed.on_conflict_do_update(index_elements=["organization_id"], set_=row))
