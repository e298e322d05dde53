"""Tells the database, and through it everybody, that this worker lives and how its loops are."""

from collections.abc import Callable, Sequence

import psutil  # type: ignore[import-untyped]

from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.worker_fleet.commands import note_alive, note_gone
from strata_core.worker_fleet.queries import worker_rows
from strata_core.worker_fleet.rules import LoopReport, fleet_health
from strata_datamodel.errors import UnavailableError
from strata_datamodel.health import StoreHealth
from strata_workers.loops import LoopStatus


class Heartbeat:
    def __init__(self, units: SystemUnitsOfWork, worker: str, statuses: Callable[[], Sequence[LoopStatus]]) -> None:
        self._units = units
        self._worker = worker
        self._statuses = statuses
        self._has_replaced = False

    def step(self) -> int:
        loops: dict[str, LoopReport] = {}
        for status in self._statuses():
            health = loop_health(status)
            loops[status.name] = LoopReport(health.is_ready, health.detail)
        with self._units.system() as uow:
            if not self._has_replaced:
                for row in worker_rows(uow):
                    if is_dead_predecessor(row.name, self._worker):
                        note_gone(uow, row.name)
            note_alive(uow, self._worker, loops)
        self._has_replaced = True
        return 0

    def end(self) -> None:
        with self._units.system() as uow:
            note_gone(uow, self._worker)

    def others(self) -> list[StoreHealth]:
        """Nothing while the database is down, which is told of by itself."""
        try:
            with self._units.system() as uow:
                return fleet_health(worker_rows(uow), uow.now(), besides=self._worker)
        except UnavailableError:
            return []


def is_dead_predecessor(name: str, mine: str) -> bool:
    """Names are host-process-token. Of this host, it was killed when no process has its number, or when this one has:
    a container that starts again. One that lives after all, in another container of this name, is back with its next
    heartbeat."""
    host, _, process = name.rpartition("-")[0].rpartition("-")
    my_host, _, my_process = mine.rpartition("-")[0].rpartition("-")
    if name == mine or not host or host != my_host or not process.isdecimal():
        return False
    return process == my_process or not psutil.pid_exists(int(process))


def loop_health(status: LoopStatus) -> StoreHealth:
    name = f"loop {status.name}"
    if status.silent_s is None:
        return StoreHealth(name, is_ready=False, detail="not started")
    if status.last_error:
        return StoreHealth(name, is_ready=False, detail=status.last_error)
    if status.silent_s >= status.stale_s:
        return StoreHealth(name, is_ready=False, detail=f"hangs for {status.silent_s:.0f} s")
    return StoreHealth(name, is_ready=True, detail="beating" if status.beats else "starting")
