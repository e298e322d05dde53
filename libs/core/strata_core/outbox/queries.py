"""How far behind the outbox is, and whether there is anything to do."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, literal_column, or_, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.outbox import outbox


@dataclass(frozen=True, slots=True)
class Backlog:
    """`oldest_due_at` is that of the pending event that is due the longest; None when nothing is due."""

    pending: int
    parked: int
    oldest_due_at: datetime | None


def is_anything_due(uow: UnitOfWork, kind: str | None = None) -> bool:
    """Whether taking events up could bring any. For whoever looks several times a second and finds nothing most times:
    claiming costs ten times as much."""
    now = uow.now()
    due = [outbox.c.state == literal_column("'pending'"), outbox.c.due_at <= now]
    if kind is not None:
        due.append(outbox.c.kind == kind)
    free = or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now)
    return bool(uow.execute(select(exists().where(*due, free))).scalar_one())


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
