"""How far behind the outbox is."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.outbox import outbox


@dataclass(frozen=True, slots=True)
class Backlog:
    """`oldest_due_at` is that of the pending event that is due the longest; None when nothing is due."""

    pending: int
    parked: int
    oldest_due_at: datetime | None


def backlog(uow: UnitOfWork) -> Backlog:
    due = outbox.c.due_at <= uow.now()
    pending = outbox.c.state == "pending"
    row = (
        uow.execute(
            select(
                func.count().filter(pending).label("pending"),
                func.count().filter(outbox.c.state == "parked").label("parked"),
                func.min(outbox.c.due_at).filter(pending, due).label("oldest"),
            ).where(outbox.c.state.in_(("pending", "parked")))
        )
        .mappings()
        .one()
    )
    return Backlog(row["pending"], row["parked"], row["oldest"])
