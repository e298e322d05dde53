"""A worker's own row. All in a system unit."""

from collections.abc import Mapping

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.worker_fleet.rules import FORGOTTEN_AFTER, LoopReport
from strata_datamodel.limits import OUTBOX_ERROR_LENGTH
from strata_datamodel.tables.working import workers


def note_alive(uow: UnitOfWork, worker: str, loops: Mapping[str, LoopReport]) -> None:
    """And forgets those that have been silent for so long that nobody looks for them."""
    told = {
        name: {"is_well": loop.is_well, "detail": loop.detail[:OUTBOX_ERROR_LENGTH]} for name, loop in loops.items()
    }
    now = uow.now()
    row = insert(workers).values(name=worker, started_at=now, seen_at=now, loops=told)
    uow.execute(row.on_conflict_do_update(index_elements=[workers.c.name], set_={"seen_at": now, "loops": told}))
    uow.execute(delete(workers).where(workers.c.seen_at < now - FORGOTTEN_AFTER))


def note_gone(uow: UnitOfWork, worker: str) -> None:
    """It stopped by itself: nobody needs to miss it."""
    uow.execute(delete(workers).where(workers.c.name == worker))
