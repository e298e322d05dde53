"""Who is there."""

from sqlalchemy import select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.worker_fleet.rules import LoopReport, WorkerRow
from strata_datamodel.tables.working import workers

_SHOWN = 200


def worker_rows(uow: UnitOfWork) -> list[WorkerRow]:
    """Of every worker that was seen in the last minutes; rows of no organization, for whoever may look at all."""
    found = uow.execute(select(workers).order_by(workers.c.name).limit(_SHOWN)).mappings()
    return [
        WorkerRow(
            row["name"],
            row["started_at"],
            row["seen_at"],
            {name: LoopReport(bool(loop["is_well"]), str(loop["detail"])) for name, loop in row["loops"].items()},
        )
        for row in found
    ]
