"""How far behind the outbox is."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.outbox import outbox


@dataclass(frozen=True, slots=True)
class Backlog:
    """`oldest_due_at` is that of the pending event that is due the longest; None when nothing is due."""

    pending: int
    parked: int
    oldest_due_at: datetime | None


def backlog(uow: UnitOfWork) -> Backlog:
    """Three questions, each with an index of its own: finished events, which are most, are never read."""
    pending = outbox.c.state == literal_column("'pending'")
    parked = outbox.c.state == literal_column("'parked'")
    oldest = select(func.min(outbox.c.due_at)).where(pending, outbox.c.due_at <= uow.now())
    row = (
        uow.execute(
            select(
                select(func.count()).select_from(outbox).where(pending).scalar_subquery().label("pending"),
                select(func.count()).select_from(outbox).where(parked).scalar_subquery().label("parked"),
                oldest.scalar_subquery().label("oldest"),
            )
        )
        .mappings()
        .one()
    )
    return Backlog(row["pending"], row["parked"], row["oldest"])
