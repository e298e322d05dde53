"""`strata api`, `strata ingest`, `strata worker`: one role a process, on servers."""

from typing import Final

import structlog
from fastapi import FastAPI

from strata_api.bootstrap import build_api
from strata_cli.ending import stop_or_end_here
from strata_cli.fleet import fleet_of
from strata_cli.observing import observed
from strata_cli.runtime import shared_stores
from strata_cli.serving import Listener, serve
from strata_ingest.bootstrap import build_ingest
from strata_stores.settings import Settings, refuse_embedded
from strata_workers.bootstrap import build_worker, probe_app

log = structlog.get_logger(__name__)
_ALL_STORES: Final = ("relational_url", "redis_url", "metrics_url", "logs_url")


def run_api(settings: Settings) -> None:
    refuse_embedded(settings, (*_ALL_STORES, "archive_url"), "api")
    with observed(settings, "api"), shared_stores(settings, with_system=False) as stores:
        app = build_api(stores, settings, more_health=(fleet_of(stores.units),))
        _serve("API", app, settings, settings.api_port)


def run_ingest(settings: Settings) -> None:
    """Accepts and spools, and drains its own spool into the stores."""
    refuse_embedded(settings, ("relational_url", "metrics_url", "logs_url"), "ingest")
    with observed(settings, "ingest"), shared_stores(settings, with_system=True) as stores:
        ingest = build_ingest(stores, settings)
        try:
            ingest.start()
            _serve("ingest", ingest.app, settings, settings.ingest_port)
        finally:
            stop_or_end_here(ingest.stop)
            ingest.close()


def run_worker(settings: Settings, probe_port: int) -> None:
    """Its probes and figures are on a port of their own: it has no other."""
    refuse_embedded(settings, _ALL_STORES, "worker")
    with observed(settings, "worker"), shared_stores(settings, with_system=True) as stores:
        worker = build_worker(stores, settings)
        try:
            worker.start()
            _serve("worker", probe_app(worker, stores), settings, probe_port)
        finally:
            worker.stop()


def _serve(title: str, app: FastAPI, settings: Settings, port: int) -> None:
    serve(
        [Listener(title, app, settings.bind, port, settings.proxies)],
        on_ready=lambda: log.info("ready", role=title, address=f"{settings.bind}:{port}"),
    )
    log.info("draining", role=title)
