"""A spool's report. Only ingest writes one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.working import spool_reports


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """`committed` is what the store says; None where it keeps no count. The figures were read after `looked_at`, by the
    database's clock: all that was accepted before it is in them."""

    spool_id: UUID
    store: str
    acknowledged: int
    committed: int | None
    waiting: int
    waiting_since: datetime | None
    looked_at: datetime


def write_report(uow: UnitOfWork, report: SpoolReport) -> None:
    """A store that holds less than it once said has lost records: an older copy of it was put in its place. They are
    added up, since the next record it takes hides that. In a system unit."""
    s, now = spool_reports.c, report.looked_at
    values = {
        "store": report.store,
        "acknowledged": report.acknowledged,
        "committed": report.committed,
        "waiting": report.waiting,
        "waiting_since": report.waiting_since,
        "reported_at": now,
    }
    new = insert(spool_reports).values(spool_id=report.spool_id, **values)
    # A new store says nothing of the spool, which is less than whatever it said.
    gone = func.greatest(0, s.committed - func.coalesce(new.excluded.committed, 0))
    lost = {"lost": s.lost + func.coalesce(gone, 0), "lost_at": case((gone > 0, now), else_=s.lost_at)}
    uow.execute(new.on_conflict_do_update(index_elements=[s.spool_id], set_=values | lost))
