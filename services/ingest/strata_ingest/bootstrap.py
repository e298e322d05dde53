"""Composes ingest from open stores: the application, its spools, their writers."""

import threading
from contextlib import ExitStack
from typing import Final

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from strata_datamodel.errors import UnavailableError
from strata_datamodel.limits import MIB
from strata_datamodel.spooling import Signal
from strata_ingest.app import create_app
from strata_ingest.deps import IngestDeps
from strata_ingest.hand_over import Shared
from strata_ingest.instruments import WriterInstruments
from strata_ingest.newest import NewestValues
from strata_ingest.replaying import Replayer
from strata_ingest.reporter import SpoolReporter
from strata_ingest.tombstones import Tombstones
from strata_ingest.writer import DEFAULT_BACKOFF
from strata_ingest.writers import log_writer, metric_writer
from strata_stores.factory import Stores
from strata_stores.figures import LimiterFigures, StoreFigures
from strata_stores.memory import memory_bytes
from strata_stores.settings import Settings
from strata_stores.spool.file_spool import FileSpool
from strata_wire.known_series import KnownSeries

_STOP_S: Final = 20.0
_DRAIN_S: Final = 60.0  # beyond the time-outs of all that a writer may be waiting for
# Series that are not known are read by steps of Python. By its own estimate a million take about 800 MB.
_OF_MEMORY: Final = 8
_KNOWN_AT_LEAST_BYTES: Final = 256 * MIB
_log = structlog.get_logger(__name__)


class IngestService:
    """`start` drains what an earlier process left; `close` comes after `stop`."""

    def __init__(
        self, stores: Stores, settings: Settings, *, stop_s: float = _STOP_S, drain_s: float = _DRAIN_S
    ) -> None:
        if stores.system_units is None:
            raise UnavailableError("ingest needs the worker's database role for its writers", code="no_worker_role")
        self._closing = ExitStack()
        self._stop_s = stop_s
        self._drain_s = drain_s
        self._is_stopped = True
        half = settings.spool_max_bytes // 2
        spools: dict[Signal, FileSpool] = {}
        for signal in Signal:
            spools[signal] = FileSpool(settings.spool_directory / signal.value, stores.clock, max_bytes=half)
            self._closing.callback(spools[signal].close)
        registry = CollectorRegistry()
        registry.register(StoreFigures(stores.breakers))
        registry.register(LimiterFigures(stores.rate_limiter))
        instruments = WriterInstruments(registry)
        shared = Shared(series=KnownSeries(max(_KNOWN_AT_LEAST_BYTES, memory_bytes() // _OF_MEMORY)))
        units, clock = stores.system_units, stores.clock
        self._tombstones = Tombstones(units)
        common = (units, clock, instruments, DEFAULT_BACKOFF, shared, self._tombstones)
        self._newest = NewestValues(stores.latest_values, instruments.newest_given_up)
        metrics = metric_writer(spools[Signal.METRICS], stores.metric_store, *common, self._newest)
        logs = log_writer(spools[Signal.LOGS], stores.log_store, *common)
        self._writers = (metrics, logs)
        self._replayer = Replayer(stores.system_units, spools, clock)
        # Log stores keep no count of spools: doubles are found by ids.
        committed = {Signal.METRICS: stores.cells.committed_sequence, Signal.LOGS: lambda _: None}
        self._reporter = SpoolReporter(spools, committed, units)
        self._shared = shared
        checks = {
            "postgresql": stores.relational_health,
            "metrics": stores.metric_store.health,
            "logs": stores.log_store.health,
            "writer_metrics": metrics.health,
            "writer_logs": logs.health,
            "replayer": self._replayer.health,
        }
        deps = IngestDeps(
            units=stores.units,
            spools=spools,
            clock=clock,
            registry=registry,
            rate_limiter=stores.rate_limiter,
            checks=checks,
            shared=shared,
            live_bus=stores.live_bus,
            closed=self._tombstones,
            address_requests_per_second=settings.address_requests_per_second,
        )
        self.app: FastAPI = create_app(deps)

    def start(self) -> None:
        self._is_stopped = False
        threading.Thread(target=self._shared.series.prepare, name="compile", daemon=True).start()
        self._tombstones.start()
        self._newest.start()
        for writer in self._writers:
            writer.start()
        self._replayer.start()
        self._reporter.start()

    def stop(self) -> bool:
        """False when a writer would not end: it may still use the stores. What is not written yet stays in the spool,
        and is written by the next process on this directory."""
        self._tombstones.stop()
        self._replayer.stop()
        self._is_stopped = self._have_ended(self._stop_s)
        if not self._is_stopped:
            _log.warning("writers_still_busy", waited_s=self._stop_s, waiting_s=self._drain_s)
            self._is_stopped = self._have_ended(self._drain_s)
        return self._is_stopped

    def _have_ended(self, timeout_s: float) -> bool:
        # Each is told, whatever became of the others.
        ended = [self._reporter.stop(timeout_s), *(writer.stop(timeout_s) for writer in self._writers)]
        if all(ended):
            self._newest.stop()
        return all(ended)

    def close(self) -> None:
        """Not under a writer that would not end: its spools stay open until the process is gone, which harms none."""
        if not self._is_stopped:
            _log.error("spools_left_open", reason="a writer did not end")
            return
        self._closing.close()


def build_ingest(stores: Stores, settings: Settings) -> IngestService:
    return IngestService(stores, settings)
