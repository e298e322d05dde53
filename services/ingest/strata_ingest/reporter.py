"""Tells PostgreSQL how far each spool is, so that what stores lost is noticed from outside."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from strata_core.ports.spool import Spool
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.spool_reports.commands import SpoolReport, write_report
from strata_datamodel.errors import StrataError
from strata_datamodel.spooling import Signal

_log = structlog.get_logger(__name__)
EVERY_S: Final = 15.0
_SECOND_NS: Final = 1_000_000_000
Committed = Callable[[UUID], int | None]


class SpoolReporter:
    """A thread of its own. What cannot be reported is reported the next time: nothing waits for it."""

    def __init__(
        self,
        spools: Mapping[Signal, Spool],
        committed: Mapping[Signal, Committed],
        units: SystemUnitsOfWork,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._spools = spools
        self._committed = committed
        self._units = units
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """True when it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def report(self) -> None:
        for signal, spool in self._spools.items():
            with self._units.system() as uow:
                looked_at = uow.now()
            # In this order their sum is no less than what was accepted; and before the store is asked, as what is
            # acknowledged after this may well be in it.
            depth = spool.depth()
            acknowledged = spool.acknowledged
            oldest_ns = depth.oldest_received_at_ns
            since = None if oldest_ns is None else datetime.fromtimestamp(oldest_ns / _SECOND_NS, UTC)
            committed = self._committed[signal](spool.spool_id)
            with self._units.system() as uow:
                told = (spool.spool_id, signal.value, acknowledged, committed, depth.records, since, looked_at)
                write_report(uow, SpoolReport(*told))

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.report()
            except StrataError as error:
                _log.info("spool_not_reported", reason=error.detail)
            except Exception:  # noqa: BLE001 - a process loop: a bug in it must not end the reports for good
                _log.exception("spool_report_failed")
