"""Composes ingest from open stores: the application, its spools, their writers."""

from contextlib import ExitStack
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from strata_datamodel.errors import UnavailableError
from strata_datamodel.spooling import Signal
from strata_ingest.app import create_app
from strata_ingest.deps import IngestDeps
from strata_ingest.hand_over import Shared
from strata_ingest.instruments import WriterInstruments
from strata_ingest.writers import log_writer, metric_writer
from strata_stores.factory import Stores
from strata_stores.figures import LimiterFigures, StoreFigures
from strata_stores.settings import Settings
from strata_stores.spool.file_spool import FileSpool

_STOP_S: Final = 20.0


class IngestService:
    """`start` drains what an earlier process left; `close` comes after `stop`."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        if stores.system_units is None:
            raise UnavailableError("ingest needs the worker's database role for its writers", code="no_worker_role")
        self._closing = ExitStack()
        half = settings.spool_max_bytes // 2
        spools: dict[Signal, FileSpool] = {}
        for signal in Signal:
            spools[signal] = FileSpool(settings.spool_directory / signal.value, stores.clock, max_bytes=half)
            self._closing.callback(spools[signal].close)
        registry = CollectorRegistry()
        registry.register(StoreFigures(stores.breakers))
        registry.register(LimiterFigures(stores.rate_limiter))
        instruments = WriterInstruments(registry)
        units, clock, shared = stores.system_units, stores.clock, Shared()
        metrics = metric_writer(spools[Signal.METRICS], stores.metric_store, units, clock, instruments, shared=shared)
        logs = log_writer(spools[Signal.LOGS], stores.log_store, units, clock, instruments, shared=shared)
        self._writers = (metrics, logs)
        checks = {
            "postgresql": stores.relational_health,
            "metrics": stores.metric_store.health,
            "logs": stores.log_store.health,
            "writer_metrics": metrics.health,
            "writer_logs": logs.health,
        }
        deps = IngestDeps(
            units=stores.units,
            spools=spools,
            clock=clock,
            registry=registry,
            rate_limiter=stores.rate_limiter,
            checks=checks,
            shared=shared,
            address_requests_per_second=settings.address_requests_per_second,
        )
        self.app: FastAPI = create_app(deps)

    def start(self) -> None:
        for writer in self._writers:
            writer.start()

    def stop(self) -> None:
        """What is not written yet stays in the spool, and is written by the next process on this directory."""
        for writer in self._writers:
            writer.stop(_STOP_S)

    def close(self) -> None:
        self._closing.close()


def build_ingest(stores: Stores, settings: Settings) -> IngestService:
    return IngestService(stores, settings)
