"""Which hours have to be rolled up again, because points of them came late."""

from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.rollups.commands import mark_dirty
from strata_core.rollups.rules import late_hours
from strata_datamodel.metrics import PointBatch


class LateMarks:
    def __init__(self, units: UnitsOfWork, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def mark(self, batch: PointBatch) -> None:
        """Called once the store has the points, and before their records are acknowledged: a roll-up that began before
        they were there can then not have finished with their hour for good, and a crash in between leaves records that
        come here again."""
        hours = late_hours(batch.time_ns, self._clock.now_ns())
        if hours:
            with self._units.organization(batch.organization_id) as uow:
                mark_dirty(uow, hours)
