"""Gives back the days of logs that are past what is kept."""

import structlog

from strata_core.logs.retention import days_past
from strata_core.ports.clock import Clock
from strata_core.ports.log_store import LogStore

log = structlog.get_logger(__name__)


class LogPruner:
    def __init__(self, log_store: LogStore, clock: Clock, kept_days: int) -> None:
        self._log_store = log_store
        self._clock = clock
        self._kept_days = kept_days

    def step(self) -> int:
        """One day a step: each is a whole index, and a worker that is asked to stop is not kept by many."""
        gone = days_past(self._log_store.days(), self._clock.now().date(), self._kept_days)[:1]
        for day in gone:
            self._log_store.drop_day(day)
            log.info("log_day_dropped", day=day, kept_days=self._kept_days)
        return len(gone)
