"""Where organizations are."""

from collections.abc import Mapping

from sqlalchemy import func, select

from strata_core.cells.rules import BEGIN, DEFAULT_CELL, KIND, Placement
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.sagas import saga_steps, sagas
from strata_datamodel.tables.tiers import metric_placements


def placement_of(uow: UnitOfWork) -> Placement:
    """Of the organization that the unit is bound to."""
    p = metric_placements.c
    wanted = select(p.cell, p.also, p.changed_at).where(p.organization_id == uow.organization_id)
    row = uow.execute(wanted).one_or_none()
    return Placement() if row is None else Placement(row.cell, row.also, row.changed_at)


def is_moving(uow: UnitOfWork) -> bool:
    """Whether the bound organization's metrics are on their way into another cell, or what they left behind is not yet
    cleared away: from the move's first writes into both until it has ended."""
    same = (saga_steps.c.organization_id == sagas.c.organization_id) & (saga_steps.c.saga_id == sagas.c.id)
    under_way = (
        select(sagas.c.id)
        .join(saga_steps, same)
        .where(sagas.c.organization_id == uow.organization_id, sagas.c.kind == KIND, sagas.c.ended_at.is_(None))
        .where(saga_steps.c.name == BEGIN, saga_steps.c.state != "pending")
        .limit(1)
    )
    return placement_of(uow).also is not None or uow.execute(under_way).first() is not None


def organizations_by_cell(uow: UnitOfWork) -> Mapping[str, int]:
    """How many each cell answers for. In a system unit."""
    cell = func.coalesce(metric_placements.c.cell, DEFAULT_CELL)
    joined = organizations.outerjoin(metric_placements, metric_placements.c.organization_id == organizations.c.id)
    rows = uow.execute(select(cell.label("cell"), func.count().label("held")).select_from(joined).group_by(cell))
    return {row.cell: row.held for row in rows}
